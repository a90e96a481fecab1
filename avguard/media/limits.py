# SPDX-License-Identifier: Apache-2.0
"""What a media file may claim and what its decoder may use."""

from __future__ import annotations

from dataclasses import dataclass

from avguard.errors import UsageError
from avguard.media.bounds import Bounds


@dataclass(frozen=True)
class Limits(Bounds):
    """Bounds checked before memory is taken; raise one to admit a file that was refused with LimitError.

    ``memory_bytes`` bounds the address space of the decoder process. The wall limit counts only time spent waiting
    for the decoder: no item may take longer than ``wall_seconds``, and the whole file no longer than
    ``wall_seconds + wall_per_media_second`` times the seconds of media delivered so far.
    """

    max_side_px: int = 16384
    max_pixels: int = 64_000_000
    max_fps: float = 240.0
    max_streams: int = 32
    max_channels: int = 16
    min_audio_rate_hz: int = 4000
    max_audio_rate_hz: int = 192_000
    max_duration_s: float = 4 * 3600.0
    max_file_bytes: int = 2 << 30
    memory_bytes: int = 2 << 30
    wall_seconds: float = 10.0
    wall_per_media_second: float = 2.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 2**53:
                raise UsageError(f"Limits.{name} is {value!r}: it must be a positive, finite number.")
