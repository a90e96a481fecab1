# SPDX-License-Identifier: Apache-2.0
"""What a file holds. Named tuples, as all that the decoder process loads: making a dataclass takes a millisecond."""

from __future__ import annotations

from typing import NamedTuple


class VideoInfo(NamedTuple):
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


class AudioInfo(NamedTuple):
    """The audio stream that is read. ``start_us`` is the time of its first sample: as the header says (priming may make
    that 20 ms early) until a sample has been taken, exact from then on.
    """

    codec: str
    sample_rate_hz: int
    channels: int
    start_us: int


class MediaInfo(NamedTuple):
    """What is in the file. ``duration_us`` is what the container says, None when it says nothing.

    ``warnings`` are sentences about what was repaired or skipped; the list is complete once the media has been read.
    """

    container: str
    duration_us: int | None
    video: VideoInfo | None
    audio: AudioInfo | None
    warnings: tuple[str, ...] = ()
