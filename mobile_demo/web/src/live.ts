// SPDX-License-Identifier: Apache-2.0
// The camera and the microphone, on the page's own clock.
import type { Port } from "./port";

const LONGEST_S = 600;

export interface Live { stop(): void }

/** What getUserMedia refused, in words for people. */
export function refusal(failure: unknown): string {
  const name = failure instanceof DOMException ? failure.name : "";
  if (name === "NotAllowedError") return "The camera and the microphone were not allowed. Allow both for this page, or choose a clip.";
  if (name === "NotFoundError") return "There is no camera or no microphone. Choose a clip instead.";
  return `The camera could not be opened: ${failure instanceof Error ? failure.message : failure}`;
}

/** Opens both and feeds the worker until stop(). Throws what getUserMedia and Web Audio throw. */
export async function watch(player: HTMLVideoElement, port: Port): Promise<Live> {
  // What makes a call pleasant takes away what is judged.
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } }, audio: plain });
  const stopTracks = () => stream.getTracks().forEach((track) => track.stop());
  try {
    player.srcObject = stream;
    player.muted = true;
    await player.play();
    const frame_bytes = player.videoWidth * player.videoHeight * 4;
    port.begin({ video: true, audio: true, max_s: LONGEST_S, frame_bytes });
    const origin_ms = performance.now();
    const deaf = await hear(stream, port, origin_ms);
    const blind = see(player, port, origin_ms);
    return {
      stop() {
        blind();
        deaf();
        stopTracks();
        player.srcObject = null;
        port.end((performance.now() - origin_ms) / 1000);
      },
    };
  } catch (failure) {
    stopTracks();
    throw failure;
  }
}

function see(player: HTMLVideoElement, port: Port, origin_ms: number): () => void {
  let on = true;
  const canvas = document.createElement("canvas");
  const next = (now: number, frame: VideoFrameCallbackMetadata) => {
    if (!on) return;
    const t_us = Math.round(((frame.captureTime ?? now) - origin_ms) * 1000);
    // A camera does not wait.
    if (port.full) ++port.dropped;
    else port.picture(t_us, grab(player, canvas, t_us));
    player.requestVideoFrameCallback(next);
  };
  player.requestVideoFrameCallback(next);
  return () => void (on = false);
}

/** The picture that the element shows; as pixels where there is no WebCodecs. */
export function grab(player: HTMLVideoElement, canvas: HTMLCanvasElement, timestamp: number) {
  if (typeof VideoFrame !== "undefined") return new VideoFrame(player, { timestamp });
  const [width, height] = [(canvas.width = player.videoWidth), (canvas.height = player.videoHeight)];
  const brush = canvas.getContext("2d", { willReadFrequently: true })!;
  brush.drawImage(player, 0, 0);
  return { width, height, rgba: brush.getImageData(0, 0, width, height).data.buffer };
}

async function hear(stream: MediaStream, port: Port, origin_ms: number): Promise<() => void> {
  const context = new AudioContext();
  await context.audioWorklet.addModule("./ears.js");
  const ears = new AudioWorkletNode(context, "ears", { numberOfOutputs: 0 });
  const rate = context.sampleRate;
  // The context's clock and the page's run alongside: one difference serves the whole clip.
  let ahead_ms: number | null = null;
  ears.port.onmessage = ({ data }: MessageEvent<{ at_s: number; samples: Float32Array }>) => {
    ahead_ms ??= performance.now() - (data.at_s + data.samples.length / rate) * 1000;
    port.sound(Math.round((data.at_s * 1000 + ahead_ms - origin_ms) * 1000), rate, data.samples);
  };
  context.createMediaStreamSource(stream).connect(ears);
  await context.resume();
  return () => {
    // What the worklet sent before it was closed may still be on its way.
    ears.port.onmessage = null;
    void context.close();
  };
}
