// SPDX-License-Identifier: Apache-2.0
// The screen. All judging is in worker.ts.
import type { Progress } from "./clip";
import type { Face } from "./core";

interface Verdict {
  label: "real" | "fake" | "inconclusive";
  score: Record<string, number | null>;
  reasons: string[];
  segments: { start_s: number; end_s: number; modality: string; score: number }[];
  quality: Record<string, unknown>;
  warnings?: string[];
}
type Said = { ready?: true; progress?: Progress; verdict?: string; error?: string };

const WORDS = {
  real: ["No sign of manipulation", "This model found none. That is evidence, not proof."],
  fake: ["Likely manipulated", "This says what the picture or sound look like, not who made it or why."],
  inconclusive: ["Cannot tell", "There was too little to judge, or the signs contradict each other."],
};
const REASONS: Record<string, string> = {
  no_face: "No face was seen.", face_too_small: "The face is too small.", face_too_short: "The face was seen too briefly.",
  no_speech: "No speech was heard.", no_video: "There is no picture.", no_audio: "There is no sound.",
  too_short: "The clip is too short.", uncertain: "The score lies between the two thresholds.",
};
const HEADS = ["video", "audio", "sync"];
const NAMES: Record<string, string> = { video: "Picture", audio: "Sound", sync: "Lips and voice", desync: "Lips and voice apart" };
const WINDOW_SCORED = 2;

const element = <T extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as T;
const player = element<HTMLVideoElement>("video");
const stage = player.parentElement!;
const pickers = [element<HTMLInputElement>("file"), element<HTMLInputElement>("record")];
const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
let faces: Face[] = [];
let json = "";
let startedAt = 0;

function say(what: string): void {
  element("status").textContent = what;
}

function enable(on: boolean): void {
  for (const picker of pickers) picker.disabled = !on;
}

function items(id: string, children: Node[]): void {
  element(id).replaceChildren(...children.map((child) => {
    const item = document.createElement("li");
    item.append(child);
    return item;
  }));
}

function meter(head: string, score: number | null): void {
  const bar = element<HTMLMeterElement>(`${head}-meter`);
  bar.value = score ?? 0;
  bar.nextElementSibling!.textContent = score === null || Number.isNaN(score) ? "–" : `${Math.round(score * 100)} %`;
}

function show(progress: Progress): void {
  element<HTMLProgressElement>("progress").value = progress.total_s ? progress.done_s / progress.total_s : 0;
  faces.push(...progress.faces);
  for (const event of progress.events) {
    if (event.kind === WINDOW_SCORED) HEADS.forEach((head, i) => meter(head, event.scores[i]));
  }
  if (player.paused && progress.faces.length) player.currentTime = progress.faces.at(-1)!.t_us / 1e6;
}

function drawBox(): void {
  const box = element("box");
  const t_us = player.currentTime * 1e6;
  const face = faces.reduce<Face | null>((best, next) => (Math.abs(next.t_us - t_us) < Math.abs((best?.t_us ?? -1e9) - t_us) ? next : best), null);
  box.hidden = !face || Math.abs(face.t_us - t_us) > 200_000 || !player.videoWidth;
  if (box.hidden || !face) return;
  const scale = Math.min(player.clientWidth / player.videoWidth, player.clientHeight / player.videoHeight);
  const x = (player.clientWidth - player.videoWidth * scale) / 2 + face.left * scale;
  const y = (player.clientHeight - player.videoHeight * scale) / 2 + face.top * scale;
  Object.assign(box.style, {
    left: `${x}px`, top: `${y}px`, width: `${(face.right - face.left) * scale}px`, height: `${(face.bottom - face.top) * scale}px`,
  });
}

function number(value: unknown, unit: string): string {
  return typeof value === "number" ? `${value.toFixed(1)} ${unit}` : `none`;
}

function tell(text: string): void {
  json = text;
  const verdict = JSON.parse(text) as Verdict;
  element("verdict").hidden = false;
  [element("label").textContent, element("meaning").textContent] = WORDS[verdict.label];
  HEADS.forEach((head) => meter(head, verdict.score[head]));
  items("reasons", verdict.reasons.map((reason) => new Text(REASONS[reason] ?? reason)));
  items("segments", verdict.segments.map((segment) => {
    const button = document.createElement("button");
    button.textContent = `${segment.start_s.toFixed(1)}–${segment.end_s.toFixed(1)} s: ${NAMES[segment.modality] ?? segment.modality}, ${Math.round(segment.score * 100)} %`;
    button.onclick = () => { player.currentTime = segment.start_s; stage.scrollIntoView({ block: "nearest" }); };
    return button;
  }));
  if (!verdict.segments.length) items("segments", [new Text("None.")]);
  items("quality", [
    new Text(`Face seen: ${number(verdict.quality.face_s, "s")}`),
    new Text(`Speech heard: ${number(verdict.quality.speech_s, "s")}`),
    ...(verdict.warnings ?? []).map((warning) => new Text(warning)),
  ]);
  say(`Done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  player.currentTime = 0;
}

worker.onmessage = ({ data }: MessageEvent<Said>) => {
  if (data.progress) return show(data.progress);
  element("progress").hidden = true;
  enable(true);
  if (data.error) say(data.error);
  else if (data.ready) say("Ready. Works offline from now on.");
  else if (data.verdict) tell(data.verdict);
};

function check(file: File): void {
  startedAt = performance.now();
  faces = [];
  enable(false);
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(file);
  stage.hidden = element("progress").hidden = element("meters").hidden = false;
  element("verdict").hidden = true;
  HEADS.forEach((head) => meter(head, null));
  say("Looking and listening…");
  worker.postMessage({ file });
}

for (const picker of pickers) picker.onchange = () => { if (picker.files?.[0]) check(picker.files[0]); picker.value = ""; };
for (const event of ["timeupdate", "seeked", "loadeddata"]) player.addEventListener(event, drawBox);
player.addEventListener("error", () => (stage.hidden = true));
element("share").onclick = async () => {
  const file = new File([json], "avguard.json", { type: "application/json" });
  if (navigator.canShare?.({ files: [file] })) return navigator.share({ files: [file], title: "avguard verdict" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: file.name });
  link.click();
};
Object.assign(window, { avguardVerdict: () => json });
worker.postMessage({ base: new URL("./", document.baseURI).href });
if (import.meta.env.PROD) void navigator.serviceWorker?.register("./sw.js");
