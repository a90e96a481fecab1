// SPDX-License-Identifier: Apache-2.0
// avguard.h in a page: one model, one session at a time. See core/door.cc.
import ortModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs";

import { Engine, text } from "./engine";

type Door = Record<string, (...values: number[]) => number> & { memory: WebAssembly.Memory };

export interface Event { number: number; kind: number; track: number; head: number; start_us: number; end_us: number; scores: number[] }
export interface Face { left: number; top: number; right: number; bottom: number; t_us: number }
export interface Planes {
  t_us: number; format: number; matrix: number; full_range: boolean; rotation: number; mirrored: boolean;
  width: number; height: number; layout: { offset: number; stride: number }[];
}

const NO_EVENT = 1;

export class Core {
  private buffer = 0;
  private capacity = 0;

  private constructor(private readonly door: Door, private readonly engine: Engine) {}

  /** Opens the bundle's files. Throws what the core says is wrong with it. */
  static async open(wasm: ArrayBuffer, ortWasm: ArrayBuffer, files: Map<string, ArrayBuffer>): Promise<Core> {
    const ort = await ortModule({ wasmBinary: ortWasm, numThreads: 1 });
    const box: { door?: Door } = {};
    const memory = () => box.door!.memory;
    const engine = new Engine(ort, memory);
    const { instance } = await WebAssembly.instantiate(wasm, {
      host: { load: engine.load.bind(engine), run: engine.run.bind(engine) },
      wasi_snapshot_preview1: wasi(),
    });
    const door = (box.door = instance.exports as unknown as Door);
    door._initialize?.();
    const core = new Core(door, engine);
    for (const [name, data] of files) door.door_file(core.string(name), core.bytes(new Uint8Array(data)), data.byteLength);
    const status = door.door_model(core.string("onnxruntime-web"), core.string("1.30.0"));
    if (status !== 0) throw new Error(text(memory().buffer, door.door_message()));
    return core;
  }

  begin(video: boolean, audio: boolean, maxDurationS: number, maxFrameBytes: number): void {
    this.check(this.door.door_session(video ? 0 : 1, audio ? 0 : 1, maxDurationS, maxFrameBytes));
  }

  /** Room for a frame or samples in the core's memory; valid until the next call that may grow it. */
  room(size: number): Uint8Array {
    if (size > this.capacity) {
      if (this.buffer) this.door.door_give(this.buffer);
      this.buffer = this.door.door_take(size);
      this.capacity = size;
    }
    return new Uint8Array(this.door.memory.buffer, this.buffer, size);
  }

  /** Pushes the frame whose planes were written to room(). */
  frame(f: Planes): void {
    const [y, u, v] = [0, 1, 2].map((i) => f.layout[i] ?? { offset: 0, stride: 0 });
    this.check(this.door.door_frame(
      f.t_us, f.format, f.matrix, f.full_range ? 1 : 0, f.rotation, f.mirrored ? 1 : 0, f.width, f.height,
      this.buffer + y.offset, this.buffer + u.offset, this.buffer + v.offset, y.stride, u.stride, v.stride,
    ));
  }

  /** Pushes interleaved samples. */
  audio(t_us: number, channels: number, rate: number, samples: Float32Array): void {
    this.room(samples.byteLength);
    new Float32Array(this.door.memory.buffer, this.buffer, samples.length).set(samples);
    this.check(this.door.door_audio(t_us, channels, rate, this.buffer, samples.length / channels));
  }

  poll(): Event[] {
    const events: Event[] = [];
    for (;;) {
      const status = this.door.door_poll();
      if (status === NO_EVENT) return events;
      this.check(status);
      const [number, kind, track, head, start_us, end_us, ...scores] = this.row(10);
      events.push({ number, kind, track, head, start_us, end_us, scores });
    }
  }

  face(): Face | null {
    if (this.door.door_faces() < 1) return null;
    const [left, top, right, bottom, t_us] = this.row(5);
    return { left, top, right, bottom, t_us };
  }

  /** Adds a sentence to the verdict's warnings. */
  warn(sentence: string): void {
    const at = this.string(sentence);
    this.check(this.door.door_warn(at));
    this.door.door_give(at);
  }

  finish(): string {
    this.check(this.door.door_finish());
    const at = this.door.door_json();
    const json = text(this.door.memory.buffer, at);
    this.door.door_give(at);
    return json;
  }

  /** WebAssembly memory of the core and of onnxruntime-web. */
  get memoryBytes(): { core: number; engine: number } {
    return { core: this.door.memory.buffer.byteLength, engine: this.engine.memoryBytes };
  }

  private row(count: number): number[] {
    return [...new Float64Array(this.door.memory.buffer, this.door.door_row(), count)];
  }

  private check(status: number): void {
    if (status === 0) return;
    const said = text(this.door.memory.buffer, this.door.door_error());
    throw new Error(said || text(this.door.memory.buffer, this.door.door_status_text(status)));
  }

  private bytes(data: Uint8Array): number {
    const at = this.door.door_take(data.length);
    new Uint8Array(this.door.memory.buffer).set(data, at);
    return at;
  }

  private string(value: string): number {
    return this.bytes(new TextEncoder().encode(`${value}\0`));
  }
}

// What libc asks of its system. The core opens no file and prints nothing; these are linked in and answer "no".
function wasi(): Record<string, (...values: never[]) => number> {
  const refuse = () => 52; // ENOSYS
  return new Proxy({} as Record<string, () => number>, { get: () => refuse });
}
