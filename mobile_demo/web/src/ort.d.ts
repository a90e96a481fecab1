// SPDX-License-Identifier: Apache-2.0
// onnxruntime-web publishes this module (package.json, exports) without types: what engine.ts calls of it.
declare module "onnxruntime-web/ort-wasm-simd-threaded.mjs" {
  export interface Ort {
    HEAPU8: Uint8Array;
    _malloc(size: number): number;
    _free(at: number): void;
    UTF8ToString(at: number): string;
    _OrtInit(threads: number, severity: number): number;
    _OrtGetLastError(code: number, message: number): void;
    _OrtCreateSessionOptions(...settings: (number | boolean)[]): number;
    _OrtCreateSession(data: number, size: number, options: number): number;
    _OrtCreateTensor(type: number, data: number, bytes: number, dims: number, rank: number, location: number): number;
    _OrtRun(
      session: number, inputNames: number, inputs: number, inputCount: number,
      outputNames: number, outputCount: number, outputs: number, options: number,
    ): number;
    _OrtGetTensorData(tensor: number, type: number, data: number, dims: number, rank: number): number;
    _OrtReleaseTensor(tensor: number): number;
  }
  export default function ort(module: { wasmBinary: ArrayBuffer; numThreads: number }): Promise<Ort>;
}
