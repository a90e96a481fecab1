// SPDX-License-Identifier: Apache-2.0
// Pictures and sound that the page takes itself, from a camera or a media element, into the core; on the worker's side.
import type { Progress } from "./clip";
import type { Core, Face } from "./core";
import { MATRIX, framed } from "./frame";

export interface Begin { video: boolean; audio: boolean; max_s: number; frame_bytes: number }
export interface Pixels { width: number; height: number; rgba: ArrayBuffer }
export type Fed =
  | { begin: Begin }
  | { t_us: number; picture: VideoFrame | Pixels }
  | { t_us: number; rate: number; samples: Float32Array }
  | { end: { dropped: number; total_s: number } };

export class Feed {
  private faces: Face[] = [];
  private told_us = -Infinity;

  constructor(private readonly core: Core, private readonly report: (progress: Progress) => void) {}

  /** Takes one thing; after the end it answers the verdict's JSON. */
  async take(fed: Fed): Promise<string | null> {
    if ("begin" in fed) this.core.begin(fed.begin.video, fed.begin.audio, fed.begin.max_s, fed.begin.frame_bytes);
    else if ("picture" in fed) await this.picture(fed.t_us, fed.picture);
    else if ("samples" in fed) this.core.audio(fed.t_us, 1, fed.rate, fed.samples);
    else return this.end(fed.end.dropped, fed.end.total_s);
    return null;
  }

  private async picture(t_us: number, picture: VideoFrame | Pixels): Promise<void> {
    if ("rgba" in picture) this.pixels(t_us, picture);
    else await this.decoded(t_us, picture);
    const face = this.core.face();
    if (face && face.t_us !== this.faces.at(-1)?.t_us) this.faces.push(face);
    if (t_us - this.told_us < 100_000) return;
    this.told_us = t_us;
    this.report({ done_s: t_us / 1e6, total_s: 0, events: this.core.poll(), faces: this.faces.splice(0) });
  }

  private pixels(t_us: number, { width, height, rgba }: Pixels): void {
    this.core.room(rgba.byteLength).set(new Uint8Array(rgba));
    const layout = [{ offset: 0, stride: width * 4 }];
    this.core.frame({ t_us, format: 5, matrix: 0, full_range: true, rotation: 0, mirrored: false, width, height, layout });
  }

  private async decoded(t_us: number, frame: VideoFrame): Promise<void> {
    const { format, size, options } = framed(frame.format, (wanted) => frame.allocationSize(wanted));
    const layout = await frame.copyTo(this.core.room(size), options);
    const { width, height } = frame.visibleRect!;
    const { matrix, fullRange } = frame.colorSpace;
    const colours = { matrix: MATRIX[matrix ?? ""] ?? 0, full_range: fullRange === true };
    this.core.frame({ t_us, format, ...colours, rotation: 0, mirrored: false, width, height, layout });
    frame.close();
  }

  private end(dropped: number, total_s: number): string {
    if (dropped) this.core.warn(`${dropped} frames were dropped under load`);
    const json = this.core.finish();
    this.report({ done_s: total_s, total_s, events: this.core.poll(), faces: this.faces.splice(0) });
    this.told_us = -Infinity;
    return json;
  }
}
