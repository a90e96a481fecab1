# SPDX-License-Identifier: Apache-2.0
"""Decoded sound as mono float32, and plain audio files through libsndfile."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SCALES = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
BLOCK_SAMPLES = 8192
OGG_VIDEO = (b"\x80theora", b"OVP80", b"fishead", b"BBCD", b"\x01video")


def to_mono(frame: av.AudioFrame) -> NDArray[np.float32]:
    """The mean of all channels, full scale at 1.0, float32 (n,)."""
    name = frame.format.name.removesuffix("p")
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, len(frame.layout.channels)).T
    return mix(samples, SCALES.get(name), unsigned=name == "u8")


def mix(samples: NDArray[np.number[Any]], full_scale: float | None, unsigned: bool = False) -> NDArray[np.float32]:
    """Mean over the channels of (channels, n); ``full_scale`` is None for samples that are floats already."""
    if samples.dtype == np.float32 and len(samples) == 1:
        first: NDArray[np.float32] = samples[0].astype(np.float32)
        return first
    wide = samples.mean(axis=0, dtype=np.float64)
    if full_scale is not None:
        wide = (wide - full_scale if unsigned else wide) / full_scale
    narrow: NDArray[np.float32] = wide.astype(np.float32)
    return narrow


def plain_audio(head: bytes) -> str | None:
    """The name of an audio-only container, from a file's first bytes; None when it may hold anything else."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS" and not any(mark in head for mark in OGG_VIDEO):
        return "ogg"
    if head[:3] == b"ID3" or (len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "mp3"
    return None


def missing_bytes(head: bytes, size_bytes: int) -> int:
    """How many bytes a RIFF file promises beyond its end; 0 for other files and for streamed headers."""
    if head[:4] != b"RIFF" or len(head) < 8:
        return 0
    promised: int = struct.unpack_from("<I", head, 4)[0] + 8
    return max(0, promised - size_bytes) if promised < 0xFFFF0000 else 0


class SoundFile:
    """A plain audio file read by libsndfile, whose clock starts at the first sample.

    Raises ValueError when libsndfile cannot read it, so that the caller can try FFmpeg.
    """

    def __init__(self, fd: int) -> None:
        import soundfile  # only plain audio pays for this import

        self._failure = soundfile.SoundFileError
        try:
            self._file = soundfile.SoundFile(fd, closefd=False)
        except (self._failure, OSError) as failure:
            raise ValueError(str(failure)) from None
        self.rate_hz = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.samples = max(0, int(self._file.frames))
        self.codec = str(self._file.subtype).lower()
        self.complete = True

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yields (index of the first sample, mono float32 (n,)); ends early, ``complete`` False, at damage."""
        position = 0
        while True:
            try:
                block = self._file.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)
            except (self._failure, OSError):
                self.complete = False
                return
            if not len(block):
                self.complete = position >= min(self.samples, 1 << 52)
                return
            yield position, mix(block.T, None)
            position += len(block)
