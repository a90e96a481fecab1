# SPDX-License-Identifier: Apache-2.0
"""Reads a whole clip into plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avguard.media import Frame, Limits, MediaInfo, Pcm, open_media
from tests.make_media import FLASH_LUMA


@dataclass(frozen=True)
class Clip:
    info: MediaInfo
    frames: list[Frame]
    pcm: list[Pcm]

    def times_us(self) -> list[int]:
        return [frame.t_us for frame in self.frames]

    def flash_us(self) -> int:
        (time,) = [f.t_us for f in self.frames if f.planes[0].mean() > FLASH_LUMA]
        return time

    def click_us(self) -> float:
        peaks = [(float(np.abs(p.samples).max()), p) for p in self.pcm]
        block = max(peaks, key=lambda peak: peak[0])[1]
        return block.t_us + int(np.abs(block.samples).argmax()) * 1e6 / block.sample_rate_hz

    def samples(self) -> NDArray[np.float32]:
        return np.concatenate([p.samples for p in self.pcm])


def own(frame: Frame) -> Frame:
    return Frame(**{**vars(frame), "planes": tuple(plane.copy() for plane in frame.planes)})


def read(path: Path, limits: Limits | None = None) -> Clip:
    with open_media(path, limits) as reader:
        items = [own(item) if isinstance(item, Frame) else item for item in reader]
        info = reader.info
    return Clip(info, [i for i in items if isinstance(i, Frame)], [i for i in items if isinstance(i, Pcm)])
