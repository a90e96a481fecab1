# SPDX-License-Identifier: Apache-2.0
"""Trivial features of a file: what a detector must not live on (length, silence, size, bit rate, border, bandwidth).

Decodes in this process: for files of one's own lists only, never for a stranger's upload.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from avguard.errors import UsageError
from avguard.evaluate.journal import append, open_journal

Floats = NDArray[np.float64]

FAMILIES: dict[str, tuple[str, ...]] = {
    "duration": ("duration_s",),
    "leading silence": ("silence_ms",),
    "resolution": ("width_px", "height_px"),
    "audio bandwidth": ("bandwidth_hz",),
    "container and bit rate": (
        "bytes_per_s", "video_bits_per_s", "audio_bits_per_s", "bits_per_pixel", "frame_rate_hz", "sample_rate_hz",
        "channels", "is_mp4",
    ),
    "border colour": tuple(f"border_{part}_{c}" for part in ("mean", "std") for c in "rgb"),
    "border spectrum": ("border_band_0", "border_band_1", "border_band_2", "border_band_3", "border_motion"),
}  # fmt: skip
NAMES = tuple(name for names in FAMILIES.values() for name in names)

_BORDER = 0.12
_FRAMES = 12
_FRAME_STEP = 4
_SILENCE_DBFS = -50.0
_BANDWIDTH_DB = -60.0
_AUDIO_S = 20.0
_EPSILON = 1e-9


@dataclass(frozen=True)
class Trivial:
    """Features of one clip by name; one that the file has nothing for is absent. ``error`` where it failed."""

    clip: str
    values: dict[str, float]
    error: str | None = None


def measure(path: Path, clip: str) -> Trivial:
    """Read one file. What goes wrong is its ``error``, not an exception."""
    try:
        with av.open(str(path)) as container:
            values = _container(container, path.stat().st_size)
            if container.streams.video:
                values |= _picture(_frames(container))
            if container.streams.audio:
                container.seek(0)
                rate = int(container.streams.audio[0].rate or 0)
                values |= _sound(_samples(container), rate)
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        return Trivial(clip, {}, f"{type(error).__name__}: {error}")
    return Trivial(clip, {name: value for name, value in values.items() if math.isfinite(value)})


def measure_all(
    data: Path, clips: Sequence[str], cache: Path | None, progress: Callable[[int, int], None] | None = None
) -> dict[str, Trivial]:
    """Features of all clips; ``cache`` (JSON lines) keeps them between runs. Raises UsageError on another file."""
    known = _read_cache(cache) if cache is not None else {}
    waiting = [clip for clip in clips if clip not in known]
    journal = open_journal(cache) if cache is not None else None
    try:
        for done, clip in enumerate(waiting, 1):
            known[clip] = measure(data / clip, clip)
            if journal is not None:
                append(journal, asdict(known[clip]))
            if progress is not None:
                progress(done, len(waiting))
    finally:
        if journal is not None:
            journal.close()
    return {clip: known[clip] for clip in clips}


def _read_cache(path: Path) -> dict[str, Trivial]:
    if not path.exists():
        return {}
    try:
        rows = [Trivial(**json.loads(line)) for line in path.read_bytes().split(b"\n")[:-1]]
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path.name} holds no features of avguard.evaluate ({error}): remove it") from None
    return {row.clip: row for row in rows}


def _container(container: av.container.InputContainer, size_bytes: int) -> dict[str, float]:
    seconds = (container.duration or 0) / av.time_base
    values = {"is_mp4": float("mp4" in container.format.name)}
    if seconds > 0:
        values |= {"duration_s": seconds, "bytes_per_s": size_bytes / seconds}
    for video in container.streams.video[:1]:
        rate = float(video.average_rate or 0)
        bits = float(video.bit_rate or 0)
        pixels = max(video.width * video.height * rate, 1.0)
        values |= {"width_px": float(video.width), "height_px": float(video.height), "frame_rate_hz": rate}
        values |= {"video_bits_per_s": bits, "bits_per_pixel": bits / pixels}
    for audio in container.streams.audio[:1]:
        values |= {"sample_rate_hz": float(audio.rate or 0), "channels": float(audio.channels or 0)}
        values["audio_bits_per_s"] = float(audio.bit_rate or 0)
    return values


def _frames(container: av.container.InputContainer) -> Iterator[Floats]:
    """Pairs of neighbouring frames (2,H,W,3) in [0,1], a few, from the start of the clip."""
    previous: Floats | None = None
    for index, frame in enumerate(container.decode(video=0)):
        if index >= _FRAMES * _FRAME_STEP or not isinstance(frame, VideoFrame):
            return
        if index % _FRAME_STEP < 2:
            pixels: Floats = frame.to_ndarray(format="rgb24").astype(np.float64) / 255
            if index % _FRAME_STEP == 1 and previous is not None and previous.shape == pixels.shape:
                yield np.stack([previous, pixels])
            previous = pixels


def _picture(pairs: Iterator[Floats]) -> dict[str, float]:
    rows = [_border(pair) for pair in pairs]
    names = [*FAMILIES["border colour"], *FAMILIES["border spectrum"]]
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True)) if rows else {}


def _border(pair: Floats) -> list[float]:
    """Colour and spectrum of the outer strips of a frame, where a talking face seldom is."""
    frame = pair[1]
    high, wide = (max(2, round(_BORDER * side)) for side in frame.shape[:2])
    outside = np.ones(frame.shape[:2], dtype=bool)
    outside[high:-high, wide:-wide] = False
    pixels = frame[outside]
    luma = frame.mean(axis=2)
    lines = np.vstack([luma[:high], luma[-high:]]), np.vstack([luma[:, :wide].T, luma[:, -wide:].T])
    bands = np.mean([_bands(strip) for strip in lines], axis=0)
    motion = np.abs(pair[1] - pair[0])[outside].mean()
    return [*pixels.mean(axis=0), *pixels.std(axis=0), *bands, math.log10(motion + 1e-5)]


def _bands(strip: Floats) -> Floats:
    """Log power of the lines of a strip in four equal bands up to Nyquist."""
    power = np.abs(np.fft.rfft((strip - strip.mean(axis=1, keepdims=True)) * np.hanning(strip.shape[1]), axis=1)) ** 2
    mean = power.mean(axis=0)[1:] / strip.shape[1]
    return np.array([math.log10(part.mean() + _EPSILON) for part in np.array_split(mean, 4)])


def _samples(container: av.container.InputContainer) -> Floats:
    """The first seconds of the first audio stream, mono, in [-1, 1]."""
    found, count = [], 0
    resampler = av.AudioResampler(format="flt", layout="mono")
    for frame in container.decode(audio=0):
        if not isinstance(frame, AudioFrame) or count > _AUDIO_S * frame.sample_rate:
            break
        found += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        count += frame.samples
    return np.concatenate(found).astype(np.float64) if found else np.zeros(0)


def _sound(samples: Floats, rate_hz: int) -> dict[str, float]:
    if rate_hz <= 0 or len(samples) < 1024:
        return {}
    step = rate_hz // 100
    blocks = samples[: len(samples) // step * step].reshape(-1, step)
    loud = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12) > _SILENCE_DBFS
    silent_blocks = int(np.argmax(loud)) if loud.any() else len(loud)
    return {"silence_ms": 10.0 * silent_blocks, "bandwidth_hz": bandwidth_hz(samples, rate_hz)}


def bandwidth_hz(samples: Floats, rate_hz: int) -> float:
    """Highest frequency whose long-term power is within 60 dB of the strongest. NaN for digital silence."""
    blocks = samples[: len(samples) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
    power = np.mean(np.abs(np.fft.rfft(blocks, axis=1)) ** 2, axis=0)
    if power.max() < 1e-12:
        return math.nan
    heard = np.flatnonzero(10 * np.log10(power / power.max() + 1e-30) > _BANDWIDTH_DB)
    return float(heard[-1] * rate_hz / 1024)
