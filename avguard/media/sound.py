# SPDX-License-Identifier: Apache-2.0
"""Sound as it was decoded, and plain audio files through libsndfile (runs in the child)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import av

from avguard.media.wire import SOUNDS

BLOCK_SAMPLES = 8192
JOINED_US = 160_000  # four pictures
OGG_VIDEO = (b"\x80theora", b"OVP80", b"fishead", b"BBCD", b"\x01video")


class Sound(NamedTuple):
    """``samples`` of each channel as they were decoded, ``form`` one of wire.SOUNDS; one plane for all channels, or one
    for each when ``planar``. The planes live as long as what they were taken from.
    """

    rate_hz: int
    samples: int
    form: str
    planar: bool
    channels: int
    planes: tuple[memoryview, ...]

    def size(self) -> int:
        """Bytes of all samples."""
        return self.samples * self.channels * SOUNDS[self.form]

    def layout(self) -> tuple[int, str, bool, int]:
        """What two blocks must have in common to become one."""
        return self.rate_hz, self.form, self.planar, self.channels


def decoded(frame: av.AudioFrame) -> Sound:
    """The samples of ``frame``, which stays in use."""
    form, channels = frame.format.name.removesuffix("p"), len(frame.layout.channels)
    planes = tuple(memoryview(plane) for plane in frame.planes)
    return Sound(frame.sample_rate, frame.samples, form, frame.format.is_planar, channels, planes)


class Joiner:
    """Puts short blocks that follow on each other together: a message costs both processes more than its samples do."""

    def __init__(self) -> None:
        self._blocks: list[Sound] = []
        self._t_us = self._samples = 0

    def add(self, t_us: int, sound: Sound) -> Iterator[tuple[int, Sound]]:
        """Yields (time of the first sample, sound) for what is long enough, or is not continued by this block."""
        if self._blocks and not self._is_continued_by(t_us, sound):
            yield from self.rest()
        if not self._blocks:
            self._t_us, self._samples = t_us, 0
        self._blocks.append(sound)
        self._samples += sound.samples
        if self._lasts_us() >= JOINED_US:
            yield from self.rest()

    def rest(self) -> Iterator[tuple[int, Sound]]:
        """Yields what is left, if anything is."""
        if self._blocks:
            joined, self._blocks = self._joined(), []
            yield self._t_us, joined

    def _is_continued_by(self, t_us: int, sound: Sound) -> bool:
        # Times are rounded, each for itself.
        follows = abs(t_us - self._t_us - self._lasts_us()) <= 1
        return follows and sound.layout() == self._blocks[0].layout()

    def _lasts_us(self) -> int:
        return self._samples * 1_000_000 // self._blocks[0].rate_hz

    def _joined(self) -> Sound:
        first = self._blocks[0]
        if len(self._blocks) == 1:
            return first
        size = first.size() // first.samples // len(first.planes)
        parts = zip(*([plane[: size * b.samples] for plane in b.planes] for b in self._blocks), strict=True)
        planes = tuple(memoryview(b"".join(part)) for part in parts)
        return first._replace(samples=self._samples, planes=planes)


class OneRate:
    """Brings blocks of other sample rates to the first block's: broadcasts change it, and so do damaged headers."""

    def __init__(self) -> None:
        self._rate_hz = 0
        self._from: tuple[int, str, str] | None = None
        self._resampler: av.AudioResampler | None = None
        self.changed = 0

    def convert(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """``frame`` itself at the first rate, otherwise what comes out of the resampler for it, with its own stamps.

        Raises av.FFmpegError or ValueError when the block cannot be resampled.
        """
        self._rate_hz = self._rate_hz or frame.sample_rate
        if frame.sample_rate == self._rate_hz:
            self._from = self._resampler = None
            return [frame]
        self.changed += 1
        source = frame.sample_rate, frame.format.name, frame.layout.name
        if self._resampler is None or source != self._from:
            self._from = source
            self._resampler = av.AudioResampler(frame.format, frame.layout, self._rate_hz)
        return self._resampler.resample(frame)


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

    def blocks(self) -> Iterator[tuple[int, Sound]]:
        """Yields (index of the first sample, sound); ends early, ``complete`` False, at damage."""
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
            plane = memoryview(block).cast("B")
            yield position, Sound(self.rate_hz, len(block), "flt", False, self.channels, (plane,))
            position += len(block)
