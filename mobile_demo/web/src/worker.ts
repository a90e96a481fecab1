// SPDX-License-Identifier: Apache-2.0
// Everything that computes, away from the page's own thread.
import ortUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import { checkClip } from "./clip";
import { Core } from "./core";

const BUNDLE = ["manifest.json", "self_test.json", "face_detector.onnx", "face_mesh.onnx", "joint_float.onnx"];

async function get(url: string): Promise<ArrayBuffer> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} could not be loaded (${answer.status}). Reload the page.`);
  return answer.arrayBuffer();
}

async function open(base: string): Promise<Core> {
  const files = await Promise.all(BUNDLE.map(async (name) => [name, await get(`${base}bundle/${name}`)] as const));
  const [core, ort] = await Promise.all([get(`${base}avguard.wasm`), get(ortUrl)]);
  return Core.open(core, ort, new Map(files));
}

let opened: Promise<Core> | undefined;

onmessage = async (message: MessageEvent<{ base?: string; file?: Blob }>) => {
  const { base, file } = message.data;
  try {
    if (base !== undefined) {
      opened = open(base);
      await opened;
      postMessage({ ready: true });
    } else if (file && opened) {
      const core = await opened;
      const json = await checkClip(core, file, (progress) => postMessage({ progress }));
      postMessage({ verdict: json, memory: core.memoryBytes });
    }
  } catch (failure) {
    postMessage({ error: failure instanceof Error ? failure.message : String(failure) });
  }
};
