// SPDX-License-Identifier: Apache-2.0
// The page's end of feed.ts: sends to the worker, and knows how much it has not taken yet.
import type { Begin, Fed, Pixels } from "./feed";

const FULL = 8;

export class Port {
  private sent = 0;
  private taken = 0;
  private waiting: (() => void)[] = [];
  dropped = 0;
  closed = false;

  constructor(private readonly worker: Worker) {}

  begin(begin: Begin): void {
    this.send({ begin });
  }

  picture(t_us: number, picture: VideoFrame | Pixels): void {
    this.send({ t_us, picture }, ["rgba" in picture ? picture.rgba : (picture as unknown as Transferable)]);
  }

  sound(t_us: number, rate: number, samples: Float32Array): void {
    this.send({ t_us, rate, samples }, [samples.buffer as ArrayBuffer]);
  }

  end(total_s: number): void {
    this.send({ end: { dropped: this.dropped, total_s } });
  }

  /** Whether the worker is so far behind that more should wait, or be left out. */
  get full(): boolean {
    return this.sent - this.taken >= FULL;
  }

  /** The worker took one. */
  took(): void {
    ++this.taken;
    if (!this.full) for (const go of this.waiting.splice(0)) go();
  }

  /** Until there is room again. */
  async room(): Promise<void> {
    while (this.full && !this.closed) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** The clip came to nothing: what is still on its way goes nowhere. */
  close(): void {
    this.closed = true;
    for (const go of this.waiting.splice(0)) go();
  }

  private send(fed: Fed, transfer: Transferable[] = []): void {
    if (this.closed) return;
    ++this.sent;
    this.worker.postMessage({ fed }, transfer);
  }
}
