// SPDX-License-Identifier: Apache-2.0
// avg_pixel_format and avg_color_matrix of avguard.h, by the names that WebCodecs gives them.
export const MATRIX: Record<string, number> = { smpte170m: 0, bt470bg: 0, bt709: 1, "bt2020-ncl": 2 };

const FORMAT: Record<string, number> = { I420: 0, NV12: 1, RGBA: 5, BGRA: 4 };

/** How a picture of this format is copied out: as it is where the core reads its planes, else as RGBA. */
export function framed(format: string | null, sizeOf: (options: VideoFrameCopyToOptions) => number) {
  const known = format === "I420" || format === "NV12";
  const options: VideoFrameCopyToOptions = known ? {} : { format: "RGBA" };
  return { format: FORMAT[known ? format : "RGBA"], size: sizeOf(options), options };
}
