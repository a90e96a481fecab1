// SPDX-License-Identifier: Apache-2.0
// The screen. All judging is in worker.ts.
import type { Progress } from "./clip";
import type { Face } from "./core";
import { play } from "./element";
import { type Live, refusal, watch } from "./live";
import { Port } from "./port";
import { share } from "./share";
import { draw, scrub } from "./timeline";
import { LABELS, STOPPED, type Verdict, coverage, reasons, stretch } from "./words";

type Said = { ready?: true; progress?: Progress; verdict?: string; memory?: object; error?: string; took?: true };

const HEADS = ["video", "audio", "sync"];
const WINDOW_SCORED = 2;
const FACE_LASTS_US = 200_000;

const element = <T extends Element = HTMLElement>(id: string) => document.getElementById(id) as unknown as T;
const player = element<HTMLVideoElement>("video");
const stage = player.parentElement!;
const watcher = element<HTMLButtonElement>("watch");
const playing = element<HTMLButtonElement>("play");
const stopper = element<HTMLButtonElement>("stop");
const pickers = [element<HTMLInputElement>("file"), element<HTMLInputElement>("record")];
const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
const follow = scrub(element<HTMLInputElement>("scrub"), element("chart"), element("time"), player);
const decodes = typeof VideoDecoder !== "undefined"; // in the worker; without, the page plays the clip to it
let port = new Port(worker);
let live: Live | null = null;
let faces: Face[] = [];
let json = "";
let memory: object = {};
let startedAt = 0;

function say(what: string): void {
  element("status").textContent = what;
}

function enable(on: boolean): void {
  for (const control of [...pickers, watcher]) control.disabled = !on;
}

function items(id: string, children: (Node | string)[]): void {
  element(id).replaceChildren(...children.map((child) => {
    const item = document.createElement("li");
    item.append(child);
    return item;
  }));
}

function meter(head: string, score: number | null): void {
  const bar = element<HTMLMeterElement>(`${head}-meter`);
  const judged = score !== null && !Number.isNaN(score);
  bar.value = judged ? score : 0;
  bar.nextElementSibling!.textContent = judged ? `${Math.round(score * 100)} %` : "–";
}

function show(progress: Progress): void {
  element<HTMLProgressElement>("progress").value = progress.total_s ? progress.done_s / progress.total_s : 0;
  if (live) faces = progress.faces.slice(-1);
  else faces.push(...progress.faces);
  for (const event of progress.events) {
    if (event.kind === WINDOW_SCORED) HEADS.forEach((head, i) => meter(head, event.scores[i]));
  }
  if (live) drawBox();
  else if (player.paused && progress.faces.length) player.currentTime = progress.faces.at(-1)!.t_us / 1e6;
}

function faceNow(): Face | null {
  if (live) return faces.at(-1) ?? null;
  const off = (face: Face) => Math.abs(face.t_us - player.currentTime * 1e6);
  const nearest = faces.reduce<Face | null>((best, next) => (best && off(best) <= off(next) ? best : next), null);
  return nearest && off(nearest) <= FACE_LASTS_US ? nearest : null;
}

function drawBox(): void {
  const box = element("box");
  const face = faceNow();
  box.hidden = !face || !player.videoWidth;
  if (box.hidden || !face) return;
  const scale = Math.min(player.clientWidth / player.videoWidth, player.clientHeight / player.videoHeight);
  const left = live ? player.videoWidth - face.right : face.left; // the camera is shown as a mirror
  const x = (player.clientWidth - player.videoWidth * scale) / 2 + left * scale;
  const y = (player.clientHeight - player.videoHeight * scale) / 2 + face.top * scale;
  const [width, height] = [(face.right - face.left) * scale, (face.bottom - face.top) * scale];
  Object.assign(box.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
}

function tell(text: string): void {
  json = text;
  const verdict = JSON.parse(text) as Verdict;
  element("verdict").hidden = element("more").hidden = false;
  [element("label").textContent, element("meaning").textContent] = LABELS[verdict.label];
  element("verdict").dataset.label = verdict.label;
  HEADS.forEach((head) => meter(head, verdict.score[head]));
  items("reasons", reasons(verdict));
  items("segments", verdict.segments.length ? verdict.segments.map(jump) : ["None."]);
  items("quality", coverage(verdict));
  drawTimeline(verdict);
  say(`Done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${LABELS[verdict.label][0].toLowerCase()}.`);
  playing.hidden = stage.hidden;
  if (!stage.hidden) player.currentTime = verdict.segments[0]?.start_s ?? 0;
}

function jump(segment: Verdict["segments"][number]): Node {
  if (stage.hidden) return new Text(stretch(segment));
  const button = document.createElement("button");
  button.textContent = stretch(segment);
  button.className = segment.modality;
  button.onclick = () => {
    player.currentTime = segment.start_s;
    stage.scrollIntoView({ block: "nearest" });
  };
  return button;
}

function drawTimeline(verdict: Verdict): void {
  const duration_s = Math.max(verdict.quality.duration_s ?? 0, 0.1);
  const drawn = draw(element<SVGElement>("chart"), verdict.timeline, verdict.segments, duration_s);
  element("timeline").hidden = !drawn;
  const slider = element<HTMLInputElement>("scrub");
  slider.max = String(duration_s);
  slider.hidden = element("time").hidden = stage.hidden;
  follow();
}

worker.onmessage = ({ data }: MessageEvent<Said>) => {
  if (data.took) return port.took();
  if (data.progress) return show(data.progress);
  if (data.error) {
    port.close();
    closeCamera();
  }
  element("progress").hidden = stopper.hidden = true;
  enable(true);
  memory = data.memory ?? memory;
  if (data.error) say(data.error);
  else if (data.ready) say("Ready. Works offline from now on.");
  else if (data.verdict) tell(data.verdict);
};

function begin(what: string): void {
  startedAt = performance.now();
  faces = [];
  port = new Port(worker);
  enable(false);
  for (const id of ["box", "play", "verdict", "more", "timeline"]) element(id).hidden = true;
  stage.hidden = element("meters").hidden = false;
  HEADS.forEach((head) => meter(head, null));
  say(what);
}

function check(file: File): void {
  begin("Looking and listening…");
  element("progress").hidden = stopper.hidden = false;
  URL.revokeObjectURL(player.src);
  player.muted = false;
  player.src = URL.createObjectURL(file);
  const mine = port;
  if (decodes) worker.postMessage({ file });
  else play(file, mine).catch((failure) => mine.closed || fail(failure));
}

function fail(failure: unknown): void {
  stage.hidden = element("meters").hidden = element("progress").hidden = stopper.hidden = true;
  enable(true);
  say(failure instanceof Error ? failure.message : String(failure));
}

async function openCamera(): Promise<void> {
  begin("Opening the camera…");
  player.removeAttribute("src");
  stage.classList.add("mirror");
  try {
    live = await watch(player, port);
    say("Watching. Stop after some seconds of speech.");
    watcher.textContent = "Stop and judge";
    watcher.classList.remove("plain");
    watcher.disabled = false;
  } catch (failure) {
    closeCamera();
    fail(new Error(refusal(failure)));
  }
}

function closeCamera(): void {
  live?.stop();
  live = null;
  player.srcObject = null;
  stage.classList.remove("mirror");
  watcher.textContent = "Watch the camera";
  watcher.classList.add("plain");
}

watcher.onclick = () => {
  if (!live) return void openCamera();
  startedAt = performance.now();
  say("Deciding…");
  closeCamera();
  stage.hidden = true;
  watcher.disabled = true;
};
stopper.onclick = () => {
  stopper.hidden = true;
  worker.postMessage({ stop: true });
  if (decodes) return; // the worker says when it has stopped
  port.close();
  fail(new Error(STOPPED));
};
function toggle(): void {
  if (live || playing.hidden) return;
  if (player.paused) void player.play();
  else player.pause();
}

function showPlaying(): void {
  playing.setAttribute("aria-label", player.paused ? "Play" : "Pause");
  playing.classList.toggle("on", !player.paused);
}

playing.onclick = player.onclick = toggle;
for (const event of ["play", "pause", "ended"]) player.addEventListener(event, showPlaying);
for (const picker of pickers) picker.onchange = () => { if (picker.files?.[0]) check(picker.files[0]); picker.value = ""; };
for (const event of ["timeupdate", "seeked", "loadeddata"]) player.addEventListener(event, () => { drawBox(); follow(); });
player.addEventListener("error", () => { if (player.src) stage.hidden = true; });
element("share").onclick = async () => say((await share(json)) ?? element("status").textContent ?? "");
Object.assign(window, { avguardVerdict: () => json, avguardMemory: () => memory });
worker.postMessage({ base: new URL("./", document.baseURI).href });
if (import.meta.env.PROD) void navigator.serviceWorker?.register("./sw.js");
