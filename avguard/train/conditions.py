# SPDX-License-Identifier: Apache-2.0
"""Hard conditions that honest clips arrive in: thresholds must hold in each of them.

Clips in a folder are kinder than phones and rooms. Every condition changes what a decoder gives, before the core sees
it, and leaves times and content alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi

from avguard.media import Frame, MediaInfo, MediaReader, Pcm

WORD_S, PAUSE_S, FADE_S = 1.0, 1.0, 0.02
PAUSE_GAIN = 10 ** (-50 / 20)
PHONE_HZ = (300.0, 3400.0)
NOISE_DB = -25.0
ROOM_SAMPLES = 1024  # a block of AAC, whatever number of them an item holds

Change = Callable[[Frame | Pcm], Frame | Pcm]


class Changed:
    """A reader whose items pass ``change``. Iterate once."""

    def __init__(self, reader: MediaReader, change: Change) -> None:
        self.reader, self.change = reader, change

    @property
    def info(self) -> MediaInfo:
        """What is in the file."""
        return self.reader.info

    def __iter__(self) -> Iterator[Frame | Pcm]:
        return (self.change(item) for item in self.reader)


def words() -> Change:
    """A second of sound, then a second turned down by 50 dB, and so on: single words between silence."""

    def change(item: Frame | Pcm) -> Frame | Pcm:
        if isinstance(item, Frame):
            return item
        times = item.t_us / 1e6 + np.arange(len(item.samples)) / item.sample_rate_hz
        phase = np.mod(times, WORD_S + PAUSE_S)
        edge = np.minimum(phase, WORD_S - phase) / FADE_S
        gain = PAUSE_GAIN + (1 - PAUSE_GAIN) * np.clip(edge, 0, 1)
        return replace(item, samples=(item.samples * gain).astype(np.float32))

    return change


def telephone() -> Change:
    """Sound of a telephone's band, 300 to 3,400 Hz."""
    state: list[NDArray[np.float64]] = []

    def change(item: Frame | Pcm) -> Frame | Pcm:
        if isinstance(item, Frame) or not len(item.samples):
            return item
        sections = butter(4, PHONE_HZ, "bandpass", fs=item.sample_rate_hz, output="sos")
        if not state:
            state.append(sosfilt_zi(sections) * 0)
        heard, state[0] = sosfilt(sections, item.samples.astype(np.float64), zi=state[0])
        return replace(item, samples=heard.astype(np.float32))

    return change


def room() -> Change:
    """Steady noise 25 dB below the loudest block so far."""
    rng, loudest = np.random.default_rng(0), [0.0]

    def change(item: Frame | Pcm) -> Frame | Pcm:
        if isinstance(item, Frame):
            return item
        noise = rng.standard_normal(len(item.samples))
        for start in range(0, len(noise), ROOM_SAMPLES):
            piece = slice(start, start + ROOM_SAMPLES)
            power = float(np.mean(np.square(item.samples[piece], dtype=np.float64)))
            loudest[0] = max(loudest[0], power)
            noise[piece] = noise[piece] * np.sqrt(loudest[0]) * 10 ** (NOISE_DB / 20)
        return replace(item, samples=(item.samples + noise).astype(np.float32))

    return change


def small() -> Change:
    """Pictures of half the width and height, pixels averaged in fours."""

    def change(item: Frame | Pcm) -> Frame | Pcm:
        if not isinstance(item, Frame) or item.format != "i420" or min(item.width, item.height) < 64:
            return item
        # A multiple of four, so that the halved picture still has whole chroma rows and columns.
        width, height = item.width // 4 * 4, item.height // 4 * 4
        luma, *chroma = item.planes
        planes = (_halved(luma[:height, :width]), *(_halved(c[: height // 2, : width // 2]) for c in chroma))
        return replace(item, planes=planes, width=width // 2, height=height // 2)

    return change


def _halved(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = plane.shape
    return ((plane.reshape(height // 2, 2, width // 2, 2).sum((1, 3), dtype=np.uint16) + 2) // 4).astype(np.uint8)


def moved(milliseconds: int) -> Change:
    """Sound that much later than it was; below zero: pictures later. Lips and voice are of two moments then."""

    def change(item: Frame | Pcm) -> Frame | Pcm:
        later = milliseconds if isinstance(item, Pcm) else -milliseconds
        return replace(item, t_us=item.t_us + 1000 * later) if later > 0 else item

    return change


CONDITIONS: dict[str, Callable[[], Change]] = {"words": words, "telephone": telephone, "room": room, "small": small}
MOVED_MS = (-320, 400)
"""Not hard but wrong: what must be told from the clips as they are. Beyond offsets that honest recordings have."""
