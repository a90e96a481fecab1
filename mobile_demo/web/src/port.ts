// SPDX-License-Identifier: Apache-2.0
// The page's end of feed.ts: sends to the worker, and knows how much it has not taken yet.
import type { Begin, Fed, Pixels } from "./feed";

const FULL = 8;

export class Port {
  private sent = 0;
  private taken = 0;
  private waiting: (() => void)[] = [];
  dropped = 0;

  constructor(private readonly worker: Worker) {}

  begin(begin: Begin): void {
    this.send({ begin });
  }

  /** Sends a picture; with the worker far behind it is dropped and counted. */
  picture(t_us: number, picture: VideoFrame | Pixels): void {
    if (this.full) {
      ++this.dropped;
      if (!("rgba" in picture)) picture.close();
      return;
    }
    this.send({ t_us, picture }, ["rgba" in picture ? picture.rgba : (picture as unknown as Transferable)]);
  }

  sound(t_us: number, rate: number, samples: Float32Array): void {
    this.send({ t_us, rate, samples }, [samples.buffer as ArrayBuffer]);
  }

  end(total_s: number): void {
    this.send({ end: { dropped: this.dropped, total_s } });
  }

  get full(): boolean {
    return this.sent - this.taken >= FULL;
  }

  /** The worker took one. */
  took(): void {
    ++this.taken;
    if (!this.full) for (const go of this.waiting.splice(0)) go();
  }

  /** Until there is room again. */
  room(): Promise<void> {
    return this.full ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve();
  }

  private send(fed: Fed, transfer: Transferable[] = []): void {
    ++this.sent;
    this.worker.postMessage({ fed }, transfer);
  }
}
