# SPDX-License-Identifier: Apache-2.0
"""A decoded clip that perturbations work on, and how it is written again.

Decodes in this process: for files of one's own lists only, never for a stranger's upload.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

from avguard.errors import MediaError

Samples = NDArray[np.float32]
Frames = tuple[av.VideoFrame, ...]

TICKS_HZ = 90_000
# What every perturbed clip is written with last: mild enough to leave the damage as it is.
LAST_CRF, LAST_KBPS = 18, 128
_BLOCK = 1024


@dataclass(frozen=True)
class Material:
    """Pictures (yuv420p, timed in 1/90000 s from 0) and mono sound (n,), empty where there is none, from 0 on too.

    ``crf`` and ``kbps``: how it will be written, H.264 and AAC.
    """

    frames: Frames
    samples: Samples
    rate_hz: int
    crf: int = LAST_CRF
    kbps: int = LAST_KBPS

    @property
    def seconds(self) -> float:
        """Length of the longer of the two."""
        film = (self.frames[-1].pts or 0) / TICKS_HZ if self.frames else 0.0
        return max(film, len(self.samples) / self.rate_hz)


def read(path: str | Path | io.BytesIO, seconds: float = float("inf")) -> Material:
    """Decode the first ``seconds``. Raises MediaError when there is nothing to decode."""
    try:
        with av.open(path if isinstance(path, io.BytesIO) else str(path)) as container:
            video, audio = container.streams.video[:1], container.streams.audio[:1]
            frames, origin_s = _read_frames(container, seconds) if video else ((), None)
            rate_hz = int(audio[0].rate or 16_000) if audio else 16_000
            container.seek(0)
            samples = _read_samples(container, rate_hz, seconds, origin_s) if audio else np.zeros(0, np.float32)
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"{path if isinstance(path, (str, Path)) else 'clip'} cannot be decoded: {error}") from error
    if not frames and not len(samples):
        raise MediaError("neither picture nor sound could be decoded")
    return Material(frames, samples, rate_hz)


def _read_frames(container: InputContainer, seconds: float) -> tuple[Frames, float | None]:
    """The frames, and the time of the first one in the file."""
    first: float | None = None
    frames = []
    for frame in container.decode(video=0):
        time_s = float(frame.time or 0.0)
        first = time_s if first is None else first
        if time_s - first >= seconds:
            break
        frames.append(stamp(_upright(frame), time_s - first))
    return tuple(frames), first


def _upright(frame: av.VideoFrame) -> av.VideoFrame:
    turns = round(frame.rotation / 90) % 4
    even = frame.reformat(width=frame.width // 2 * 2, height=frame.height // 2 * 2, format="yuv420p")
    if not turns:
        return even
    pixels = np.ascontiguousarray(np.rot90(even.to_ndarray(format="rgb24"), turns)).astype(np.uint8)
    return av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")


def stamp(frame: av.VideoFrame, time_s: float) -> av.VideoFrame:
    """Give a frame its time; returns it."""
    frame.pts, frame.time_base = round(time_s * TICKS_HZ), Fraction(1, TICKS_HZ)
    frame.pict_type = 0
    return frame


def _read_samples(container: InputContainer, rate_hz: int, seconds: float, origin_s: float | None) -> Samples:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
    blocks, first = [], None
    for frame in container.decode(audio=0):
        first = float(frame.time or 0.0) if first is None else first
        blocks += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
        if sum(map(len, blocks)) > (seconds + 2) * rate_hz:
            break
    else:
        blocks += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    samples = np.concatenate([np.zeros(0, np.float32), *blocks]).astype(np.float32)
    begin_s = first or 0.0
    lead = round((begin_s - (begin_s if origin_s is None else origin_s)) * rate_hz)
    samples = np.concatenate([np.zeros(lead, np.float32), samples]) if lead > 0 else samples[-lead:]
    return samples if seconds == float("inf") else samples[: round(seconds * rate_hz)]


def write(material: Material, target: Path | io.BytesIO, film: Path | None = None) -> None:
    """Write an mp4 of H.264 and AAC. ``film``: take the pictures, encoded already, from this mp4."""
    with av.open(target if isinstance(target, io.BytesIO) else str(target), "w", format="mp4") as out:
        sound = None
        if len(material.samples):
            sound = out.add_stream("aac", rate=material.rate_hz, layout="mono")
            sound.bit_rate = material.kbps * 1000
        if film is not None:
            with av.open(str(film)) as encoded:
                _copy(encoded, out)
        elif material.frames:
            _encode(material, out)
        if sound is not None:
            for block in blocks_of(material.samples, material.rate_hz):
                out.mux(sound.encode(block))
            out.mux(sound.encode(None))


def _copy(encoded: InputContainer, out: OutputContainer) -> None:
    source = encoded.streams.video[0]
    stream = out.add_stream_from_template(source)
    for packet in encoded.demux(source):
        if packet.dts is not None:
            packet.stream = stream
            out.mux(packet)


def _encode(material: Material, out: OutputContainer) -> None:
    first = material.frames[0]
    rate = Fraction(frame_rate(material.frames)).limit_denominator(1001)
    # With macroblock trees the x264 of PyAV 18.1's wheel writes other bits from run to run: measured, 54 of 100.
    options = {"crf": str(material.crf), "preset": "veryfast", "x264-params": "mbtree=0"}
    stream = out.add_stream("libx264", rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS_HZ)
    stream.codec_context.thread_count = 1
    for frame in material.frames:
        frame.pict_type = 0
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def frame_rate(frames: Frames) -> float:
    """Frames a second, from the first and the last time; 25 where there is one frame."""
    span = ((frames[-1].pts or 0) - (frames[0].pts or 0)) / TICKS_HZ
    return (len(frames) - 1) / span if span > 0 else 25.0


def blocks_of(samples: Samples, rate_hz: int, size: int = _BLOCK) -> Iterator[av.AudioFrame]:
    """Mono sound (n,) as timed frames."""
    for begin in range(0, len(samples), size):
        part = np.ascontiguousarray(samples[None, begin : begin + size])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), begin
        yield frame


def from_time(frames: Frames, start_s: float, end_s: float) -> Frames:
    """The frames of [start_s, end_s), their times counted from ``start_s``."""
    late = (frame for frame in frames if (frame.pts or 0) >= start_s * TICKS_HZ)
    kept = list(takewhile(lambda frame: (frame.pts or 0) < end_s * TICKS_HZ, late))
    return tuple(stamp(copy_of(frame), (frame.pts or 0) / TICKS_HZ - start_s) for frame in kept)


def copy_of(frame: av.VideoFrame) -> av.VideoFrame:
    """The same picture in a frame of its own, so that new times do not reach the original."""
    return av.VideoFrame.from_ndarray(frame.to_ndarray(), "yuv420p")
