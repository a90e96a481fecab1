# SPDX-License-Identifier: Apache-2.0
"""What media is made of, as it leaves the decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the decoder process must start fast
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class VideoInfo:
    """The video stream that is read.

    ``width`` and ``height`` are those of the pictures as they come, in square pixels. They stand upright after flipping
    them left-right when ``mirrored`` and then turning them clockwise by ``rotation_deg`` (0, 90, 180 or 270).
    ``sample_aspect`` is the width of a pixel in the file over its height. ``fps`` is nominal: frames are placed by
    timestamp, never by index.
    """

    codec: str
    width: int
    height: int
    rotation_deg: int
    mirrored: bool
    sample_aspect: tuple[int, int]
    start_us: int
    fps: float | None


@dataclass(frozen=True)
class AudioInfo:
    """The audio stream that is read. ``start_us`` is the time of its first sample: as the header says (priming may make
    that 20 ms early) until a sample has been taken, exact from then on.
    """

    codec: str
    sample_rate_hz: int
    channels: int
    start_us: int


@dataclass(frozen=True)
class MediaInfo:
    """What is in the file. ``duration_us`` is what the container says, None when it says nothing.

    ``warnings`` are sentences about what was repaired or skipped; the list is complete once the media has been read.
    """

    container: str
    duration_us: int | None
    video: VideoInfo | None
    audio: AudioInfo | None
    warnings: tuple[str, ...] = ()


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
