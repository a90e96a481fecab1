# SPDX-License-Identifier: Apache-2.0
"""What media is made of, as it leaves the decoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One decoded picture at ``t_us`` on the media clock, microseconds.

    ``format`` and ``planes`` (uint8, read-only, rows may be strided): "i420" (h,w), (ceil h/2, ceil w/2) twice;
    "nv12" (h,w), (ceil h/2, 2 ceil w/2); "gray8" (h,w); "rgb24" (h,w,3). ``matrix`` is "bt601", "bt709" or "bt2020".
    Planes are views of memory shared with the decoder: **valid until the next item is taken**; copy what you keep, or
    see ``MediaReader.keep``.
    Orientation as in VideoInfo.
    """

    t_us: int
    format: str
    planes: tuple[NDArray[np.uint8], ...]
    width: int
    height: int
    full_range: bool
    matrix: str
    rotation_deg: int
    mirrored: bool


@dataclass(frozen=True)
class Pcm:
    """Sound from ``t_us`` on (time of the first sample, microseconds): mono float32 (n,), the mean of all channels.

    ``samples`` is a copy of its own: it stays valid.
    """

    t_us: int
    sample_rate_hz: int
    samples: NDArray[np.float32]
