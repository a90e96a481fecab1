// SPDX-License-Identifier: Apache-2.0
// Decoding where there is no WebCodecs: the media element shows the pictures, Web Audio decodes the sound.
import { grab } from "./live";
import type { Port } from "./port";

const RATE_HZ = 48_000;
const BLOCK = 4800;
const AHEAD_S = 0.5;

/** Plays a file once and feeds the worker. Throws an Error whose message is for people. */
export async function play(file: File, port: Port): Promise<void> {
  const player = document.createElement("video");
  player.muted = player.playsInline = true;
  // Listened for before it can happen: the picture may be there long before the sound is decoded.
  const opening = loaded(player);
  player.src = URL.createObjectURL(file);
  try {
    const [sound, opened] = await Promise.all([decoded(file), opening]);
    const seen = opened && player.videoWidth > 0;
    if (!seen && !sound) throw new Error("This is not a video or sound file that this browser can read.");
    const total_s = Math.max(opened ? player.duration : 0, sound?.duration ?? 0);
    const frame_bytes = Math.max(player.videoWidth * player.videoHeight * 4, 1 << 20);
    port.begin({ video: seen, audio: sound !== null, max_s: Math.min(600, Math.ceil(total_s) + 5), frame_bytes });
    const hear = teller(sound, port);
    if (seen) await see(player, port, hear);
    await hear(Infinity);
    port.end(total_s);
  } finally {
    URL.revokeObjectURL(player.src);
  }
}

function loaded(player: HTMLVideoElement): Promise<boolean> {
  return new Promise((resolve) => {
    player.onloadeddata = () => resolve(true);
    player.onerror = () => resolve(false);
  });
}

async function decoded(file: File): Promise<AudioBuffer | null> {
  try {
    return await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await file.arrayBuffer());
  } catch {
    return null; // no sound in it, or none that this browser decodes
  }
}

/** Feeds the sound block by block up to a time. */
function teller(sound: AudioBuffer | null, port: Port): (until_s: number) => Promise<void> {
  let at = 0;
  return async (until_s) => {
    while (sound && at < sound.length && at / RATE_HZ < until_s) {
      const block = new Float32Array(Math.min(BLOCK, sound.length - at));
      for (let channel = 0; channel < sound.numberOfChannels; ++channel) {
        const part = sound.getChannelData(channel).subarray(at, at + block.length);
        part.forEach((value, i) => (block[i] += value / sound.numberOfChannels));
      }
      await port.room();
      port.sound(Math.round((at / RATE_HZ) * 1e6), RATE_HZ, block);
      at += BLOCK;
    }
  };
}

/** Every picture as the element shows it; the film waits where the worker is behind. */
function see(player: HTMLVideoElement, port: Port, hear: (until_s: number) => Promise<void>): Promise<void> {
  const canvas = document.createElement("canvas");
  let turn = Promise.resolve();
  return new Promise((resolve, reject) => {
    const feed = async (t_us: number, picture: ReturnType<typeof grab>) => {
      await hear(t_us / 1e6 + AHEAD_S);
      await port.room();
      port.picture(t_us, picture);
      if (player.paused && !player.ended) await player.play();
    };
    const next = (_now: number, frame: VideoFrameCallbackMetadata) => {
      const t_us = Math.round(frame.mediaTime * 1e6);
      const picture = grab(player, canvas, t_us);
      player.requestVideoFrameCallback(next);
      if (port.full) player.pause();
      turn = turn.then(() => feed(t_us, picture));
      turn.catch(reject);
    };
    player.requestVideoFrameCallback(next);
    player.onended = () => resolve(turn);
    player.play().catch(reject);
  });
}
