// SPDX-License-Identifier: Apache-2.0
// The engine table of avguard.h on onnxruntime-web. The table's calls are synchronous and the package's public API is
// not, so this calls the functions that the public API itself wraps; the version is pinned in package.json.
import type { Ort } from "onnxruntime-web/ort-wasm-simd-threaded.mjs";

const TENSOR_BYTES = 48; // sizeof(avg_tensor) on wasm32; core/door.cc asserts the places below
const FLOAT = 1; // onnx.TensorProto.FLOAT
const OPTIMISE_ALL = 99;
const CPU = 1;

interface Placed { tensor: number; data: number; count: number }
interface Network { session: number; inputNames: number; inputs: Placed[]; inputList: number; outputNames: number; outputs: Placed[]; outputList: number }

export class Engine {
  private sessions = new Map<string, number>();
  private networks: (Network | number)[] = [0];

  constructor(private readonly ort: Ort, private readonly core: () => WebAssembly.Memory) {
    if (ort._OrtInit(1, 3) !== 0) throw new Error("onnxruntime-web did not start: reload the page");
  }

  /** Handle of a network for a program's bytes in the core's memory; 0 when onnxruntime-web refuses it. */
  load(role: number, program: number, size: number): number {
    const name = text(this.core().buffer, role);
    const session = this.sessions.get(name) ?? this.open(new Uint8Array(this.core().buffer, program, size));
    if (session === 0) return 0;
    this.sessions.set(name, session);
    return this.networks.push(session) - 1;
  }

  /** Runs a network on avg_tensor arrays in the core's memory; answers an avg_status. */
  run(handle: number, inputs: number, outputs: number): number {
    const network = this.networks[handle];
    const ready = typeof network === "number" ? (this.networks[handle] = this.place(network, inputs, outputs)) : network;
    this.copy(ready.inputs, inputs, true);
    const code = this.ort._OrtRun(
      ready.session, ready.inputNames, ready.inputList, ready.inputs.length,
      ready.outputNames, ready.outputs.length, ready.outputList, 0,
    );
    if (code !== 0) return 7;
    this.copy(ready.outputs, outputs, false);
    return 0;
  }

  get memoryBytes(): number {
    return this.ort.HEAPU8.buffer.byteLength;
  }

  private open(program: Uint8Array): number {
    const data = this.ort._malloc(program.length);
    this.ort.HEAPU8.set(program, data);
    const options = this.ort._OrtCreateSessionOptions(OPTIMISE_ALL, true, true, 0, false, 0, 0, 3, 0, 0);
    const session = this.ort._OrtCreateSession(data, program.length, options);
    this.ort._free(data);
    return session;
  }

  private place(session: number, inputs: number, outputs: number): Network {
    const [ins, outs] = [this.tensorsAt(inputs, this.sideCount(inputs)), this.tensorsAt(outputs, this.sideCount(outputs))];
    return {
      session,
      inputNames: this.list(ins.map((tensor) => tensor.name)),
      inputs: ins,
      inputList: this.list(ins.map((tensor) => tensor.tensor)),
      outputNames: this.list(outs.map((tensor) => tensor.name)),
      outputs: outs,
      outputList: this.list(outs.map((tensor) => tensor.tensor)),
    };
  }

  // The table gives no counts in run: each program's are known by its first tensor.
  private sideCount(at: number): number {
    const name = text(this.core().buffer, new DataView(this.core().buffer).getUint32(at, true));
    const counts: Record<string, number> = { image: 1, regressors: 2, landmarks: 2, face: 5, logits_window: 4 };
    const count = counts[name];
    if (count === undefined) throw new Error(`the core asks for an unknown tensor ${name}`);
    return count;
  }

  private tensorsAt(at: number, count: number): (Placed & { name: number })[] {
    const view = new DataView(this.core().buffer);
    return Array.from({ length: count }, (_, i) => {
      const from = at + i * TENSOR_BYTES;
      const rank = view.getInt32(from + 8, true);
      const shape = Array.from({ length: rank }, (_, axis) => view.getInt32(from + 12 + 4 * axis, true));
      const size = shape.reduce((all, side) => all * side, 1);
      const data = this.ort._malloc(size * 4);
      const tensor = this.ort._OrtCreateTensor(FLOAT, data, size * 4, this.list(shape), rank, CPU);
      return { tensor, data, count: size, name: this.string(text(view.buffer, view.getUint32(from, true))) };
    });
  }

  private copy(placed: Placed[], at: number, into: boolean): void {
    const memory = this.core().buffer;
    const view = new DataView(memory);
    placed.forEach((tensor, i) => {
      const core = new Float32Array(memory, view.getUint32(at + i * TENSOR_BYTES + 44, true), tensor.count);
      const own = new Float32Array(this.ort.HEAPU8.buffer, tensor.data, tensor.count);
      if (into) own.set(core);
      else core.set(own);
    });
  }

  private list(values: number[]): number {
    const at = this.ort._malloc(4 * values.length);
    new Int32Array(this.ort.HEAPU8.buffer, at, values.length).set(values);
    return at;
  }

  private string(value: string): number {
    const bytes = new TextEncoder().encode(`${value}\0`);
    const at = this.ort._malloc(bytes.length);
    this.ort.HEAPU8.set(bytes, at);
    return at;
  }
}

/** A NUL-terminated text in WebAssembly memory. */
export function text(memory: ArrayBufferLike, at: number): string {
  const bytes = new Uint8Array(memory);
  return new TextDecoder().decode(bytes.slice(at, bytes.indexOf(0, at)));
}
