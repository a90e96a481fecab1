# SPDX-License-Identifier: Apache-2.0
"""Label-free degradation and jitter of a window's face canvases: real and forged windows pass through the same door.

The recipe is drawn before a pixel is looked at, from the generator alone: what is drawn cannot depend on the class. One
recipe holds for the window; only noise differs from frame to frame. Ranges follow what uploads do to clips (phone
cameras, messenger and platform transcodes): our choice, not a measurement.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from avguard.errors import UsageError
from avguard.train import mesh, pixels
from avguard.train.mesh import SIDE_PX, Floats, Pixels
from avguard.train.video_codec import round_trip

Step = Callable[[Pixels], Pixels]
Rng = np.random.Generator

# Probabilities at strength 1.
_FLIP, _PLACE, _COLOUR, _BLUR, _NOISE, _JPEG, _CODEC, _SHARPEN, _RATE, _CUTOUT, _RESCALE = (
    0.5, 0.7, 0.7, 0.2, 0.3, 0.2, 0.4, 0.12, 0.12, 0.12, 0.35,
)  # fmt: skip


def flip(canvases: Pixels, points: Floats) -> tuple[Pixels, Floats]:
    """Mirror canvases (T,112,112,3) and points (T,468,2), the points renamed so that left stays left. An involution."""
    return np.ascontiguousarray(canvases[:, :, ::-1]), mesh.mirror_points(points)


def _placement(rng: Rng, frames: int, strength: float) -> NDArray[np.float64]:
    """Forward maps (T,2,3): the alignment's error over the window, and its tremble per frame."""
    degrees, scale = rng.uniform(-4, 4) * strength, 1 + rng.uniform(-0.06, 0.06) * strength
    shift = rng.uniform(-3, 3, 2) * strength
    tremble = rng.normal(0, 0.25 * strength * rng.random(), (frames, 2))
    centre = np.full(2, (SIDE_PX - 1) / 2)
    return np.stack([pixels.around(centre, degrees, scale, shift + d) for d in tremble])


def _colour(rng: Rng, strength: float) -> Step:
    gain = 1 + strength * (rng.uniform(-0.18, 0.18) + rng.uniform(-0.05, 0.05, 3))
    bias = strength * (rng.uniform(-18, 18) + rng.uniform(-4, 4, 3))
    # Contrast pivots on middle grey, or a gain alone would only make faces brighter or darker.
    contrast = 1 + strength * rng.uniform(-0.2, 0.2)
    gamma = float(np.exp(strength * rng.uniform(-0.25, 0.25)))
    table = pixels.look_up(gain * contrast, bias + 128 * (1 - contrast), gamma)
    grey = rng.random() < 0.04
    saturation = 0.0 if grey else max(0.0, 1 + strength * rng.uniform(-0.4, 0.4))
    matrix = pixels.hue_saturation(strength * rng.uniform(-8, 8), saturation)
    return lambda frames: pixels.colour(frames, table, matrix)


def _blur(rng: Rng, strength: float) -> Step:
    sigma_px = rng.uniform(0.4, 0.4 + 1.1 * strength)
    kernel = pixels.motion_kernel(rng.uniform(1.5, 1.5 + 4 * strength), rng.uniform(0, np.pi))
    if rng.random() < 0.65:
        return lambda frames: pixels.blur(frames, sigma_px)
    return lambda frames: pixels.each(frames, lambda f: cv2.filter2D(f, -1, kernel))


def _rescale(rng: Rng, strength: float) -> Step:
    side_px = int(rng.integers(round(100 - 64 * min(1.0, strength)), 101))
    down, up = int(rng.choice(pixels.DOWN)), int(rng.choice(pixels.UP))
    return lambda frames: pixels.rescale(frames, side_px, down, up)


def _sharpen(rng: Rng, strength: float) -> Step:
    sigma_px, amount = rng.uniform(0.6, 1.6), rng.uniform(0.2, 0.2 + 0.8 * strength)
    return lambda frames: pixels.sharpen(frames, sigma_px, amount)


def _noise(rng: Rng, strength: float) -> Step:
    """Sensor noise: shot noise grows with the root of the light; sometimes coarse, as after a demosaic or a resize."""
    read, shot = rng.uniform(0.3, 1 + 3.5 * strength), rng.uniform(0, 0.3 * strength)
    coloured, coarse = rng.random() < 0.6, rng.random() < 0.4
    own = np.random.default_rng(rng.integers(1 << 63))

    def step(frames: Pixels) -> Pixels:
        shape = (*frames.shape[:3], 3 if coloured else 1)
        noise = own.standard_normal(shape, dtype=np.float32)
        if coarse:
            size = (SIDE_PX, SIDE_PX, shape[3])
            noise = np.stack([1.6 * cv2.GaussianBlur(n, (3, 3), 0.8).reshape(size) for n in noise])
        level = frames.astype(np.float32)
        level += noise * (np.float32(read) + np.float32(shot) * np.sqrt(level))
        return np.clip(np.rint(level), 0, 255).astype(np.uint8)

    return step


def _jpeg(rng: Rng, strength: float) -> Step:
    quality = int(rng.integers(round(95 - 70 * min(1.0, strength)), 96))
    return lambda frames: pixels.jpeg(frames, quality)


def _codec(rng: Rng, strength: float) -> Step:
    """H.264 or MPEG-4 on a grid of its own size and offset: a codec's blocks do not lie on the canvas's pixels."""
    codec = "libx264" if rng.random() < 0.75 else "mpeg4"
    quality = rng.uniform(18, 18 + 18 * strength)
    preset = str(rng.choice(["ultrafast", "superfast", "veryfast"]))
    side_px = 2 * int(rng.integers(32, 65))
    rows, columns = (int(v) for v in rng.integers(0, 16, 2))

    def step(frames: Pixels) -> Pixels:
        shifted = np.roll(frames, (rows, columns), (1, 2))
        area = cv2.INTER_AREA if side_px < SIDE_PX else cv2.INTER_LINEAR
        coded = pixels.each(shifted, lambda f: cv2.resize(f, (side_px, side_px), interpolation=area))
        coded = round_trip(coded, codec, quality, preset)
        back = pixels.each(coded, lambda f: cv2.resize(f, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC))
        return np.ascontiguousarray(np.roll(back, (-rows, -columns), (1, 2)))

    return step


def _cutout(rng: Rng, strength: float) -> Step:
    """One or two patches hidden: flat, or blurred past use (a hand, a microphone, a caption)."""
    count = int(rng.integers(1, 3))
    sides = rng.integers(6, 8 + round(16 * strength), (count, 2))
    corners = rng.integers(0, SIDE_PX - 8, (count, 2))
    tones = rng.integers(0, 256, (count, 3), dtype=np.uint8)
    flat = rng.random() < 0.6

    def step(frames: Pixels) -> Pixels:
        result = frames.copy()
        for (top, left), (high, wide), tone in zip(corners, sides, tones, strict=True):
            box = np.s_[:, top : top + high, left : left + wide]
            result[box] = tone if flat else frames[box].mean((1, 2), keepdims=True).astype(np.uint8)
        return result

    return step


def _frame_rate(rng: Rng, frames: int) -> NDArray[np.intp]:
    """Frame numbers as a source of fewer frames per second would be held on the 25 Hz grid, or with single drops."""
    t = np.arange(frames)
    if rng.random() < 0.5:
        rate_hz, phase = rng.choice([12.5, 15.0, 20.0, 24.0]), rng.random()
        held = np.floor((np.floor(t * rate_hz / 25 + phase) - phase) * 25 / rate_hz + 1e-6)
        return np.clip(held, 0, t).astype(np.intp)
    dropped = rng.random(frames) < rng.uniform(0.02, 0.12)
    dropped[0] = False
    return np.maximum.accumulate(np.where(dropped, 0, t)).astype(np.intp)


def _steps(rng: Rng, strength: float) -> list[Step]:
    """The drawn recipe, in the order light, lens, sensor, resize, edit, codec."""
    makers = [
        (_COLOUR, _colour), (_BLUR, _blur), (_NOISE, _noise), (_RESCALE, _rescale), (_SHARPEN, _sharpen),
        (_JPEG, _jpeg), (_CODEC, _codec), (_CUTOUT, _cutout),
    ]  # fmt: skip
    chosen = [(rng.random() < share * min(1.0, strength), make(rng, strength)) for share, make in makers]
    steps = [step for wanted, step in chosen if wanted]
    # Platforms also shrink what was encoded before: sometimes the codec comes before the resize.
    return steps[::-1] if rng.random() < 0.15 else steps


def augment_video(canvases: Pixels, points: Floats, rng: Rng, strength: float = 1.0) -> tuple[Pixels, Floats]:
    """Degrade and jitter one window; never told its class.

    canvases uint8 (T,112,112,3), points float32 (T,468,2) in canvas pixels; both come back in the same shapes, the
    points moved with the picture. ``strength`` 0 changes nothing, 1 is the training default. The number of draws taken
    from ``rng`` does not depend on the pixels. Raises UsageError on wrong shapes or a strength outside 0..2.
    """
    mesh.check_window(canvases, points)
    if not 0 <= strength <= 2:
        raise UsageError(f"strength must lie in 0..2, not {strength}")
    if strength == 0:
        return canvases.copy(), points.copy()
    share = min(1.0, strength)
    flipped, placed, retimed = rng.random(3) < np.array([_FLIP, _PLACE * share, _RATE * share])
    matrices, when = _placement(rng, len(canvases), strength), _frame_rate(rng, len(canvases))
    tremble = rng.normal(0, 0.15 * strength * rng.random(), points.shape)
    interpolation = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    steps = _steps(rng, strength)
    if flipped:
        canvases, points = flip(canvases, points)
    if retimed:
        canvases, points = canvases[when], points[when]
    if placed:
        canvases, points = pixels.affine(canvases, matrices, interpolation), pixels.move_points(points, matrices)
    for step in steps:
        canvases = step(canvases)
    # The mesh model trembles a little more on a worse picture: a still-driven fake must not be known by perfect points.
    return np.ascontiguousarray(canvases), (points + tremble).astype(np.float32)
