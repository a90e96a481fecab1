# SPDX-License-Identifier: Apache-2.0
"""Decode a clip into what the camera example reads instead of a sensor: raw NV12, raw PCM, and their times.

Usage: python make_raw.py CLIP FOLDER. Writes three files: frames.nv12, sound.pcm, and clip.txt, which says in one line
each how the pictures and the sound are stored, and when each of them was: ``frame T_US`` and ``block T_US SAMPLES``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from avguard.media import Frame, MediaReader, Pcm, open_media

MATRICES = ("bt601", "bt709", "bt2020")
# A camera's period; longer blocks of the decoder are cut, so that one slot of the ring holds each.
BLOCK_SAMPLES = 1024


def picture_line(frame: Frame) -> str:
    flags = f"{int(frame.full_range)} {int(frame.mirrored)} {frame.rotation_deg}"
    return f"picture {frame.width} {frame.height} {MATRICES.index(frame.matrix)} {flags}"


def write_frame(frame: Frame, pixels: BinaryIO) -> str:
    """Append the picture as NV12; answer its line."""
    if frame.format == "i420":
        luma, u, v = frame.planes
        chroma = np.stack([u, v], axis=-1).reshape(u.shape[0], -1)
    elif frame.format == "nv12":
        luma, chroma = frame.planes
    else:
        raise SystemExit(f"the clip's pictures are {frame.format}, not YUV 4:2:0: a camera would not give them")
    pixels.write(np.ascontiguousarray(luma).tobytes() + np.ascontiguousarray(chroma).tobytes())
    return f"frame {frame.t_us}"


def write_sound(pcm: Pcm, samples: BinaryIO) -> list[str]:
    """Append the sound as float32; answer a line for each block."""
    lines = []
    for begin in range(0, len(pcm.samples), BLOCK_SAMPLES):
        block = np.asarray(pcm.samples[begin : begin + BLOCK_SAMPLES], np.float32)
        samples.write(block.tobytes())
        lines.append(f"block {pcm.t_us + begin * 1_000_000 // pcm.sample_rate_hz} {len(block)}")
    return lines


def write(reader: MediaReader, folder: Path) -> None:
    """Everything of ``reader`` into ``folder``."""
    heads: dict[str, str] = {}
    lines: list[str] = []
    with (folder / "frames.nv12").open("wb") as pixels, (folder / "sound.pcm").open("wb") as samples:
        for item in reader:
            if isinstance(item, Frame):
                if heads.setdefault("picture", picture_line(item)) != picture_line(item):
                    raise SystemExit("the pictures change their size or colours within the clip: no camera does that")
                lines.append(write_frame(item, pixels))
            else:
                heads["sound"] = f"sound {item.sample_rate_hz} 1 f32"
                lines += write_sound(item, samples)
    (folder / "clip.txt").write_text("\n".join([*heads.values(), *lines]) + "\n", encoding="ascii")


def main(clip: str, folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open_media(clip) as reader:
        write(reader, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
