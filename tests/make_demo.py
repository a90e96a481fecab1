# SPDX-License-Identifier: Apache-2.0
"""Synthesise the demo clip, an obvious fake: ``python -m tests.make_demo OUT.mp4``.

The astronaut of scikit-image (NASA, public domain) is made to speak: her jaw is warped by a speech-like envelope, and a
voice of harmonics under formants follows the same envelope. H.264 and AAC, 25 frames a second, 512 x 512.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skimage.data
from numpy.typing import NDArray

Real = NDArray[np.float64]
Bytes = NDArray[np.uint8]

FPS = 25
RATE_HZ = 48000
SECONDS = 5.0
SYLLABLE_S = 0.21
# Of the photo, in pixels: where the teeth end above the lower lip (a bow between the corners), and the chin.
MOUTH_X, BOW_Y, BOW_RISE, CORNER = 223.5, 149.0, 7.3, 20.0
CHIN_Y, THROAT_Y = 179.0, 206.0
WIDEST_PX = 11.0
MOVED = (slice(125, 215), slice(130, 320))
CAVITY = np.array([52.0, 18.0, 20.0])


def syllables(seconds: float, seed: int = 0) -> tuple[Real, Real]:
    """(loudness 0..1, second formant in Hz) of each syllable; every sixth is a pause."""
    generator = np.random.default_rng(seed)
    count = int(np.ceil(seconds / SYLLABLE_S)) + 1
    loudness = generator.uniform(0.5, 1.0, count)
    loudness[5::6] = 0.0
    return loudness, generator.uniform(1000, 2100, count)


def envelope(times_s: Real, seconds: float, seed: int = 0) -> Real:
    """How far the mouth is open and how loud the voice is, 0..1, at the given times."""
    loudness, _ = syllables(seconds, seed)
    at = np.clip(times_s, 0, None) / SYLLABLE_S
    return np.asarray(loudness[at.astype(int)] * np.sin(np.pi * (at % 1)) ** 1.5)


def bow(x: Real) -> Real:
    """Height of the line at which the lips part."""
    return np.asarray(BOW_Y - BOW_RISE * np.clip((x - MOUTH_X) / CORNER, -1, 1) ** 2)


def jaw_shift(x: Real, y: Real) -> Real:
    """How far a fully open mouth moves what lies at (x, y): nothing above the bow, all of the chin."""
    below = np.clip(y - bow(x), 0, None)
    across = np.clip((x - MOUTH_X) / (CORNER + 0.9 * below), -1, 1)
    down = np.clip((THROAT_Y - y) / (THROAT_Y - CHIN_Y), 0, 1)
    return np.asarray(WIDEST_PX * np.cos(np.pi / 2 * across) ** 2 * down * down * (3 - 2 * down))


def sample_rows(image: Real, y: Real) -> Real:
    """(h, w, 3): every column of ``image`` read at heights ``y`` (h, w), linear."""
    y = np.clip(y, 0, image.shape[0] - 1.001)
    top = y.astype(int)
    part = (y - top)[..., None]
    columns = np.arange(image.shape[1])
    return np.asarray(image[top, columns] * (1 - part) + image[top + 1, columns] * part)


def speaking(photo: Real, opening: float, sway_px: float) -> Bytes:
    """The photo with its mouth ``opening`` (0..1) wide, the head ``sway_px`` to the right."""
    picture = photo.copy()
    y, x = (axis.astype(np.float64) for axis in np.mgrid[MOVED])
    edge = bow(x)
    # The shift of the lip itself bounds the gap; below it the skin is drawn out.
    gap = opening * jaw_shift(x, edge + 0.5)
    shift = opening * jaw_shift(x, np.maximum(y - gap, edge))
    below = np.where(y > edge, np.maximum(y - shift, edge), y)
    region = sample_rows(photo[:, MOVED[1]], below)
    inside = (np.clip(y - edge, 0, 1) * np.clip(edge + gap - y, 0, 1))[..., None]
    picture[MOVED] = region * (1 - inside) + CAVITY * inside
    whole = int(np.floor(sway_px))
    part = sway_px - whole
    picture = np.roll(picture, whole, 1) * (1 - part) + np.roll(picture, whole + 1, 1) * part
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def voice(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """(n,) at RATE_HZ: harmonics of a gliding pitch under three formants, over a faint hiss."""
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    loud = envelope(times_s, seconds, seed)
    _, second = syllables(seconds, seed)
    knots = (np.arange(len(second)) + 0.5) * SYLLABLE_S
    formants = (350 + 450 * loud, np.interp(times_s, knots, second), np.full_like(times_s, 2700.0))
    pitch_hz = 185 + 25 * np.sin(2 * np.pi * 0.6 * times_s) + 3 * np.sin(2 * np.pi * 5.5 * times_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    wave = np.zeros_like(times_s)
    for k in range(1, 24):
        hz = k * pitch_hz
        peaks = sum(
            g / (1 + ((hz - f) / w) ** 2) for f, w, g in zip(formants, (90, 130, 200), (1, 0.6, 0.3), strict=True)
        )
        wave += peaks / np.sqrt(k) * np.sin(k * phase)
    hiss = np.random.default_rng(seed + 1).normal(0, 4e-4, len(wave))
    return np.asarray(0.25 * wave * loud + hiss, dtype=np.float32)


def pictures(seconds: float, seed: int = 0) -> list[Bytes]:
    """(512, 512, 3) of every frame."""
    photo = skimage.data.astronaut().astype(np.float64)
    times_s = np.arange(round(seconds * FPS)) / FPS
    sway_px = 2 * np.sin(2 * np.pi * 0.3 * times_s)
    return [speaking(photo, *pair) for pair in zip(envelope(times_s, seconds, seed), sway_px, strict=True)]


def write_demo(path: Path, seconds: float = SECONDS, seed: int = 0) -> Path:
    """Write the clip (container by suffix); returns its path."""
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"})
        film.width = film.height = 512
        film.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        items: list[tuple[float, av.VideoStream | av.AudioStream, av.VideoFrame | av.AudioFrame]] = []
        for k, picture in enumerate(pictures(seconds, seed)):
            image = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            image.pts, image.time_base = k, Fraction(1, FPS)
            items.append((k / FPS, film, image))
        samples = voice(seconds, seed)
        for begin in range(0, len(samples), 1024):
            block = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = RATE_HZ, begin, Fraction(1, RATE_HZ)
            items.append((begin / RATE_HZ, sound, block))
        for _, stream, item in sorted(items, key=lambda entry: entry[0]):
            container.mux(stream.encode(item))
        for stream in (film, sound):
            container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(str(__doc__).split("``")[1])
    write_demo(Path(sys.argv[1]))
