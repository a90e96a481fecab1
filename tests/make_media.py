# SPDX-License-Identifier: Apache-2.0
"""Synthesises small clips: a moving pattern with a white flash, and a tone with a click at a known time."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

FLASH_LUMA = 200


@dataclass(frozen=True)
class Film:
    """A video stream: ``times_us`` places every frame (None: constant ``fps`` from ``start_us`` on)."""

    codec: str = "libx264"
    width: int = 160
    height: int = 120
    fps: float = 25.0
    seconds: float = 1.0
    start_us: int = 0
    times_us: Sequence[int] | None = None
    flash_us: int = 480_000
    pixel_format: str = "yuv420p"
    b_frames: int = 0
    turn_deg: int = 0
    mirror: bool = False
    full_range: bool = False
    options: dict[str, str] = field(default_factory=dict)

    def stamps(self) -> list[int]:
        """The time of every frame, microseconds."""
        if self.times_us is not None:
            return list(self.times_us)
        return [self.start_us + round(k * 1e6 / self.fps) for k in range(round(self.seconds * self.fps))]


@dataclass(frozen=True)
class Sound:
    """An audio stream: a quiet tone with one click at ``click_us`` (None: no click)."""

    codec: str = "aac"
    rate_hz: int = 48000
    layout: str = "mono"
    seconds: float = 1.0
    start_us: int = 0
    click_us: int | None = 500_000

    def samples(self) -> NDArray[np.float32]:
        """Mono float32 (n,)."""
        times = np.arange(round(self.seconds * self.rate_hz)) / self.rate_hz
        samples = (0.02 * np.sin(2 * np.pi * 220 * times)).astype(np.float32)
        if self.click_us is not None:
            at = round((self.click_us - self.start_us) * self.rate_hz / 1e6)
            samples[at : at + 2] = 0.9, -0.9
        return samples


def picture(film: Film, index: int, stamp_us: int) -> NDArray[np.uint8]:
    """RGB (h, w, 3): a bar that moves with ``index``; white all over at the frame of the flash."""
    image = np.zeros((film.height, film.width, 3), np.uint8)
    image[:, :, 0] = np.linspace(20, 90, film.width).astype(np.uint8)
    image[:, :, 2] = np.linspace(20, 90, film.height).astype(np.uint8)[:, None]
    left = index * 4 % film.width
    image[:, left : left + 8] = 120
    if stamp_us == film.flash_us:
        image[:] = 255
    return image


def write_clip(
    path: Path, film: Film | None = Film(), sound: Sound | None = Sound(), options: dict[str, str] | None = None
) -> Path:
    """Write ``path`` (container by suffix); returns it. Streams are interleaved by time."""
    with av.open(str(path), "w", options=options or {}) as container:
        video = _video_stream(container, film) if film else None
        audio = container.add_stream(sound.codec, rate=sound.rate_hz, layout=sound.layout) if sound else None
        frames = _film_frames(film) if film else []
        blocks = _sound_blocks(sound) if sound else []
        for _, stream, frame in sorted(
            [(t, video, f) for t, f in frames] + [(t, audio, f) for t, f in blocks], key=lambda item: item[0]
        ):
            container.mux(stream.encode(frame))
        for stream in (video, audio):
            if stream is not None:
                container.mux(stream.encode(None))
    return path


def write_wav(path: Path, sound: Sound, subtype: str | None = None) -> Path:
    """Write a plain audio file through libsndfile (suffix decides: wav, flac, ogg, mp3)."""
    import soundfile

    channels = {"mono": 1, "stereo": 2, "5.1": 6}[sound.layout]
    soundfile.write(path, np.repeat(sound.samples()[:, None], channels, axis=1), sound.rate_hz, subtype=subtype)
    return path


def patch_box(path: Path, kind: bytes, offset: int, data: bytes) -> Path:
    """Overwrite bytes at ``offset`` behind the type field of the first mp4 box named ``kind``."""
    content = bytearray(path.read_bytes())
    begin = content.index(kind) + 4 + offset
    content[begin : begin + len(data)] = data
    path.write_bytes(content)
    return path


def write_riff_header(path: Path, rate_hz: int, channels: int, data_bytes: int) -> Path:
    """A 16-bit WAV header that claims ``data_bytes`` of data, followed by 64 bytes."""
    chunk = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * channels * 2 % 2**32, channels * 2 % 65536, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(chunk)) + chunk + b"data" + struct.pack("<I", data_bytes)
    path.write_bytes(b"RIFF" + struct.pack("<I", (data_bytes + len(body)) % 2**32) + body + bytes(64))
    return path


def _video_stream(container: av.container.OutputContainer, film: Film) -> av.VideoStream:
    stream = container.add_stream(film.codec, rate=Fraction(film.fps).limit_denominator(1001), options=film.options)
    stream.width, stream.height, stream.pix_fmt = film.width, film.height, film.pixel_format
    stream.codec_context.max_b_frames = film.b_frames
    stream.codec_context.time_base = Fraction(1, 90_000) if film.codec == "libx264" else Fraction(1, round(film.fps))
    if film.full_range:
        stream.codec_context.color_range = 2
    if film.turn_deg or film.mirror:
        stream.set_display_rotation(-film.turn_deg, hflip=film.mirror)
    return stream


def _film_frames(film: Film) -> list[tuple[int, av.VideoFrame]]:
    frames = []
    for index, stamp_us in enumerate(film.stamps()):
        frame = av.VideoFrame.from_ndarray(picture(film, index, stamp_us), "rgb24")
        frame = frame.reformat(format=film.pixel_format, dst_color_range=2 if film.full_range else 1)
        frame.time_base = Fraction(1, 90_000)
        frame.pts = round(stamp_us * 0.09)
        frames.append((stamp_us, frame))
    return frames


def _sound_blocks(sound: Sound) -> list[tuple[int, av.AudioFrame]]:
    samples = sound.samples()
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[sound.layout]
    blocks = []
    for begin in range(0, len(samples), 1024):
        part = np.repeat(samples[None, begin : begin + 1024], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="fltp", layout=sound.layout)
        frame.sample_rate = sound.rate_hz
        frame.time_base = Fraction(1, sound.rate_hz)
        frame.pts = begin + round(sound.start_us * sound.rate_hz / 1e6)
        blocks.append((round(frame.pts * 1e6 / sound.rate_hz), frame))
    return blocks
