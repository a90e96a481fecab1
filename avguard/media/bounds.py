# SPDX-License-Identifier: Apache-2.0
"""What is checked of a media file, in both processes."""

from __future__ import annotations

from avguard.errors import LimitError


class Bounds:
    """The numbers of ``Limits`` as the decoder process gets them, and what is refused by them."""

    max_side_px: int
    max_pixels: int
    max_fps: float
    max_streams: int
    max_channels: int
    min_audio_rate_hz: int
    max_audio_rate_hz: int
    max_duration_s: float
    max_file_bytes: int
    memory_bytes: int
    wall_seconds: float
    wall_per_media_second: float

    def __init__(self, **numbers: float) -> None:
        vars(self).update(numbers)

    def check_file(self, size_bytes: int) -> None:
        """Raises LimitError when the file is larger than ``max_file_bytes``."""
        if size_bytes > self.max_file_bytes:
            raise _beyond("the file has", size_bytes, "bytes", self.max_file_bytes, "max_file_bytes")

    def check_streams(self, count: int) -> None:
        """Raises LimitError when there are more streams than ``max_streams``."""
        if count > self.max_streams:
            raise _beyond("the file has", count, "streams", self.max_streams, "max_streams")

    def check_picture(self, width: int, height: int) -> None:
        """Raises LimitError when a picture of ``width`` x ``height`` pixels is too large or empty."""
        if width < 1 or height < 1:
            raise LimitError(f"the video declares an impossible size of {width} x {height} pixels. Re-encode the file.")
        if max(width, height) > self.max_side_px:
            raise _beyond("a side of the picture has", max(width, height), "pixels", self.max_side_px, "max_side_px")
        if width * height > self.max_pixels:
            raise _beyond("the picture has", width * height, "pixels", self.max_pixels, "max_pixels")

    def check_rate(self, fps: float) -> None:
        """Raises LimitError when ``fps`` frames per second are more than ``max_fps``."""
        if fps > self.max_fps:
            raise _beyond("the video has", round(fps, 3), "frames per second", self.max_fps, "max_fps")

    def check_sound(self, rate_hz: int, channels: int) -> None:
        """Raises LimitError for a sample rate or a channel count out of bounds."""
        if rate_hz < self.min_audio_rate_hz:
            raise LimitError(
                f"the audio has {rate_hz} samples per second, below Limits.min_audio_rate_hz = "
                f"{self.min_audio_rate_hz}. Lower that limit only if you trust the file."
            )
        if rate_hz > self.max_audio_rate_hz:
            raise _beyond("the audio has", rate_hz, "samples per second", self.max_audio_rate_hz, "max_audio_rate_hz")
        if channels > self.max_channels:
            raise _beyond("the audio has", channels, "channels", self.max_channels, "max_channels")

    def check_duration(self, seconds: float) -> None:
        """Raises LimitError when the media lasts longer than ``max_duration_s``."""
        if seconds > self.max_duration_s:
            raise _beyond("the media lasts", round(seconds, 1), "seconds", self.max_duration_s, "max_duration_s")


def _beyond(what: str, value: float, unit: str, limit: float, name: str) -> LimitError:
    return LimitError(
        f"{what} {value} {unit}, more than Limits.{name} = {limit}. Raise that limit only if you trust the file."
    )
