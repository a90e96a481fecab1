// SPDX-License-Identifier: Apache-2.0
// Everything that computes, away from the page's own thread.
import ortUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import { checkClip, type Progress } from "./clip";
import { Core } from "./core";
import { Feed, type Fed } from "./feed";

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
let feed: Feed | undefined;
let stopped = false;
let fedBefore: Promise<unknown> = Promise.resolve();

/** Does it, and tells the page what came of it. */
async function answer(work: () => Promise<object>): Promise<void> {
  try {
    postMessage(await work());
  } catch (failure) {
    postMessage({ error: failure instanceof Error ? failure.message : String(failure) });
  }
}

const report = (progress: Progress) => postMessage({ progress });
const judged = (core: Core, verdict: string) => ({ verdict, memory: core.memoryBytes });

async function take(fed: Fed): Promise<object> {
  const core = await opened!;
  if ("begin" in fed) feed = new Feed(core, report);
  try {
    const verdict = await feed?.take(fed);
    if (!verdict) return { took: true };
    feed = undefined; // what comes late is passed over
    return judged(core, verdict);
  } catch (failure) {
    feed = undefined; // what was sent before the page hears of it is passed over
    throw failure;
  }
}

async function checkFile(file: Blob): Promise<object> {
  stopped = false;
  const core = await opened!;
  return judged(core, await checkClip(core, file, report, () => stopped));
}

/** Ends a file's check; of what the page feeds, the rest is passed over. */
function stop(): void {
  stopped = true;
  feed = undefined;
}

onmessage = (message: MessageEvent<{ base?: string; file?: Blob; fed?: Fed; stop?: true }>) => {
  const { base, file, fed } = message.data;
  if (base !== undefined) void answer(async () => ({ ready: !!(await (opened = open(base))) }));
  else if (file) void answer(() => checkFile(file));
  else if (message.data.stop) stop();
  // Copying a frame takes turns: one thing after the other.
  else if (fed) fedBefore = fedBefore.then(() => answer(() => take(fed)));
};
