// SPDX-License-Identifier: Apache-2.0
// A file's own frames and samples, with their own times, into the core: the browser decodes, nothing is resampled.
import { ALL_FORMATS, AudioSampleSink, BlobSource, Input, VideoSampleSink, type AudioSample, type VideoSample } from "mediabunny";

import type { Core, Event, Face } from "./core";
import { MATRIX, framed } from "./frame";
import { STOPPED } from "./words";

export interface Progress { done_s: number; total_s: number; events: Event[]; faces: Face[] }

const HD_HEIGHT_PX = 720;
// Files of about one size take sessions of one size, so that the next finds room where the last one was.
const ROOM_BYTES = 4 << 20, ROOM_S = 600;

/** Judges a file, unless `stopped` says so; answers the verdict's JSON. Throws an Error whose message is for people. */
export async function checkClip(
  core: Core, file: Blob, report: (progress: Progress) => void, stopped: () => boolean,
): Promise<string> {
  const input = new Input({ formats: ALL_FORMATS, source: new BlobSource(file) });
  try {
    return await checkInput(core, input, report, stopped);
  } finally {
    input.dispose();
  }
}

async function checkInput(
  core: Core, input: Input, report: (progress: Progress) => void, stopped: () => boolean,
): Promise<string> {
  if (!(await input.canRead())) throw new Error("This is not a video or sound file that this browser can read.");
  const [video, audio] = [await input.getPrimaryVideoTrack(), await input.getPrimaryAudioTrack()];
  const canVideo = video !== null && (await video.canDecode());
  const canAudio = audio !== null && (await audio.canDecode());
  if (!canVideo && !canAudio) throw new Error("This browser cannot decode the picture or the sound of this file. Try mp4 (H.264, AAC).");
  const total_s = await input.computeDuration();
  const bytes = canVideo ? video.codedWidth * video.codedHeight * 4 : 1;
  core.begin(canVideo, canAudio, ROOM_S, Math.ceil(bytes / ROOM_BYTES) * ROOM_BYTES);
  const frames = canVideo ? new VideoSampleSink(video).samples() : null;
  const sounds = canAudio ? new AudioSampleSink(audio).samples() : null;
  let frame = await frames?.next();
  let sound = await sounds?.next();
  // What the file itself says: a decoder guesses where it says nothing.
  const space = canVideo ? await video.getColorSpace() : {};
  const faces: Face[] = [];
  let told = 0;
  while ((frame && !frame.done) || (sound && !sound.done)) {
    if (stopped()) {
      for (const left of [frame, sound]) if (left && !left.done) left.value.close();
      throw new Error(STOPPED);
    }
    const takeFrame = frame && !frame.done && (!sound || sound.done || frame.value.timestamp <= sound.value.timestamp);
    const t_s: number = takeFrame ? frame!.value!.timestamp : sound!.value!.timestamp;
    if (takeFrame) {
      const next = frames!.next(); // decodes ahead while the core works
      await pushFrame(core, frame!.value as VideoSample, space);
      const face = core.face();
      if (face && face.t_us !== faces.at(-1)?.t_us) faces.push(face);
      frame = await next;
    } else {
      pushSound(core, sound!.value as AudioSample);
      sound = await sounds!.next();
    }
    if (t_s - told > 0.2) {
      told = t_s;
      report({ done_s: t_s, total_s, events: core.poll(), faces: faces.splice(0) });
    }
  }
  const json = core.finish();
  report({ done_s: total_s, total_s, events: core.poll(), faces: faces.splice(0) });
  return json;
}

async function pushFrame(core: Core, sample: VideoSample, space: VideoColorSpaceInit): Promise<void> {
  const { format, size, options } = framed(sample.format, (wanted) => sample.allocationSize(wanted));
  const layout = await sample.copyTo(core.room(size), options);
  const rect = sample.visibleRect;
  const custom = Math.min(rect.width, rect.height) >= HD_HEIGHT_PX ? 1 : 0;
  core.frame({
    t_us: Math.round(sample.timestamp * 1e6),
    format,
    matrix: MATRIX[space.matrix ?? ""] ?? custom,
    full_range: space.fullRange === true,
    rotation: sample.rotation,
    mirrored: sample.flip,
    width: rect.width,
    height: rect.height,
    layout,
  });
  sample.close();
}

function pushSound(core: Core, sample: AudioSample): void {
  const options = { planeIndex: 0, format: "f32" as const };
  const all = new Float32Array(sample.allocationSize(options) / 4);
  sample.copyTo(all, options);
  const rate = sample.sampleRate;
  // What lies before the track's start is the codec's priming: not heard, not judged.
  const skip = Math.min(sample.numberOfFrames, Math.max(0, Math.round(-sample.timestamp * rate)));
  const samples = all.subarray(skip * sample.numberOfChannels);
  if (samples.length) core.audio(Math.round((sample.timestamp + skip / rate) * 1e6), sample.numberOfChannels, rate, samples);
  sample.close();
}
