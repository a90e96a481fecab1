# SPDX-License-Identifier: Apache-2.0
"""Damage to the picture: kinds and levels of the DeeperForensics suite (Jiang et al. 2020), and size and frame rate."""

from __future__ import annotations

from collections.abc import Callable

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from avguard.evaluate.robustness.material import TICKS_HZ, Frames, frame_rate, stamp

Pixels = NDArray[np.uint8]
_GREY = 128
_BLOCK_PX = 8
# The suite's counts are for faces of this size; a larger picture gets more blocks.
_BLOCK_REFERENCE_PX = 256


def filtered(frames: Frames, name: str, arguments: str) -> Frames:
    """Frames through one filter of FFmpeg, their times kept as the filter gives them."""
    if not frames:
        return frames
    graph, first = av.filter.Graph(), frames[0]
    source = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=first.time_base)
    effect, sink = graph.add(name, arguments), graph.add("buffersink")
    source.link_to(effect)
    effect.link_to(sink)
    graph.configure()
    found: list[av.VideoFrame] = []
    for frame in [*frames, None]:
        graph.push(frame)
        while True:
            try:
                pulled = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            if isinstance(pulled, av.VideoFrame):
                found.append(pulled)
    return tuple(stamp(frame, float(frame.time or 0.0)) for frame in found)


def _each(frames: Frames, change: Callable[[Pixels], Pixels]) -> Frames:
    changed = []
    for frame in frames:
        pixels = change(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
        fresh = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24").reformat(format="yuv420p")
        changed.append(stamp(fresh, (frame.pts or 0) / TICKS_HZ))
    return tuple(changed)


def saturate(frames: Frames, factor: float, _: np.random.Generator) -> Frames:
    """Colour taken away: 1 leaves it, 0 is grey."""
    return filtered(frames, "hue", f"s={factor}")


def flatten(frames: Frames, factor: float, _: np.random.Generator) -> Frames:
    """Contrast taken away, about mid grey."""
    table: Pixels = np.clip(np.round((np.arange(256) - _GREY) * factor + _GREY), 0, 255).astype(np.uint8)

    def change(pixels: Pixels) -> Pixels:
        changed: Pixels = table[pixels]
        return changed

    return _each(frames, change)


def cover(frames: Frames, count: float, rng: np.random.Generator) -> Frames:
    """Grey squares of 8 px at random places, other ones in every frame."""

    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        changed: Pixels = pixels.copy()
        for _ in range(round(count * height * width / _BLOCK_REFERENCE_PX**2)):
            top, left = rng.integers(0, (height - _BLOCK_PX, width - _BLOCK_PX))
            changed[top : top + _BLOCK_PX, left : left + _BLOCK_PX] = _GREY
        return changed

    return _each(frames, change)


def grain(frames: Frames, variance: float, rng: np.random.Generator) -> Frames:
    """White noise in every colour, of this variance where white is 1."""
    if not frames:
        return frames
    # Drawing fresh noise for every pixel would cost more than the check; shifted copies of two frames do as well.
    bank = rng.normal(0, 255 * variance**0.5, (2, frames[0].height, frames[0].width, 3)).astype(np.float32)

    def change(pixels: Pixels) -> Pixels:
        shift = rng.integers(0, pixels.shape[:2])
        noise = np.roll(bank[rng.integers(2)], (int(shift[0]), int(shift[1])), (0, 1))
        noisy: Pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        return noisy

    return _each(frames, change)


def blur(frames: Frames, kernel_px: float, _: np.random.Generator) -> Frames:
    """Gaussian blur; sigma as OpenCV derives it from the width of the kernel."""
    return filtered(frames, "gblur", f"sigma={0.3 * ((kernel_px - 1) * 0.5 - 1) + 0.8}")


def coarsen(frames: Frames, factor: float, _: np.random.Generator) -> Frames:
    """Down and up again by ``factor``."""
    if not frames:
        return frames
    width, height = frames[0].width, frames[0].height
    small = filtered(frames, "scale", f"{even(width / factor)}:{even(height / factor)}:flags=area")
    return filtered(small, "scale", f"{width}:{height}:flags=neighbor")


def resize(frames: Frames, shorter_px: float, _: np.random.Generator) -> Frames:
    """Shorter side to at most ``shorter_px``."""
    if not frames:
        return frames
    width, height = frames[0].width, frames[0].height
    factor = min(1.0, shorter_px / min(width, height))
    return filtered(frames, "scale", f"{even(width * factor)}:{even(height * factor)}:flags=bicubic")


def slow(frames: Frames, rate_hz: float, _: np.random.Generator) -> Frames:
    """At most ``rate_hz`` frames a second; frames are dropped, not blended."""
    if not frames or frame_rate(frames) <= rate_hz:
        return frames
    return filtered(frames, "fps", f"fps={rate_hz}:start_time=0")


def even(size: float) -> int:
    """The nearest even number of pixels, which 4:2:0 needs; at least 2."""
    return max(2, round(size / 2) * 2)
