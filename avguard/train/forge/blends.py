# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fakes that blend a person with themselves: changed copies, other moments, coarse mouths.

The ideas come from self-blended images (Shiohara & Yamasaki 2022), video self-blends (AVPF, 2025) and the look of
Wav2Lip (Prajwal et al. 2020); the code is our own. Every function takes canvases uint8 (T,112,112,3), points float32
(T,468,2) and a generator, raises UsageError on other shapes, and returns a Forged whose pixels outside ``mask`` are the
source's, bit for bit. Parameters are drawn once for the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avguard.train import mesh, pixels
from avguard.train.forge import masks, warp
from avguard.train.mesh import Floats, Pixels


@dataclass(frozen=True)
class Forged:
    """``mask``: float32 (T,112,112); ``frame_fake``: bool (T,); ``points``: where the mesh of the forged face is."""

    canvases: Pixels
    points: Floats
    mask: Floats
    frame_fake: NDArray[np.bool_]
    breaks_sync: bool = False


def forged(source: Pixels, points: Floats, inside: Pixels | Floats, mask: Floats, inside_points: Floats | None = None,
           breaks_sync: bool = False) -> Forged:  # fmt: skip
    """Paste ``inside`` over ``source`` through ``mask``; points move to ``inside_points`` by the mask under them."""
    moved = points
    if inside_points is not None:
        moved = points + masks.sample(mask, points)[..., None] * (inside_points - points)
    canvases = masks.paste(source, inside, mask)
    return Forged(canvases, moved.astype(np.float32), mask, fake_frames(source, canvases, mask), breaks_sync)


def fake_frames(source: Pixels, canvases: Pixels, mask: Floats) -> NDArray[np.bool_]:
    """bool (T,): frames where the mask is at least a quarter of its peak and some byte did change."""
    peaks = mask.max((1, 2))
    return (peaks >= 0.25 * peaks.max()) & (canvases != source).any((1, 2, 3))


def _random_colour(canvases: Pixels, rng: np.random.Generator) -> Pixels:
    gain = rng.uniform(0.88, 1.12) * rng.uniform(0.95, 1.05, 3)
    table = pixels.look_up(gain, rng.uniform(-10, 10, 3), rng.uniform(0.9, 1.12))
    return pixels.colour(canvases, table, pixels.hue_saturation(rng.uniform(-8, 8), rng.uniform(0.75, 1.25)))


def _random_texture(canvases: Pixels, rng: np.random.Generator) -> Pixels:
    kind = rng.choice(["sharpen", "blur", "rescale", "noise", "none"], p=[0.25, 0.2, 0.3, 0.1, 0.15])
    if kind == "sharpen":
        return pixels.sharpen(canvases, rng.uniform(0.7, 2.0), rng.uniform(0.3, 1.0))
    if kind == "blur":
        return pixels.blur(canvases, rng.uniform(0.5, 1.3))
    if kind == "rescale":
        return pixels.rescale(canvases, int(rng.integers(32, 84)), rng.choice(pixels.DOWN), rng.choice(pixels.UP))
    if kind == "noise":
        noise = rng.normal(0, rng.uniform(1.5, 5), canvases.shape).astype(np.float32)
        return np.clip(canvases + noise, 0, 255).astype(np.uint8)
    return canvases


def _random_placement(points: Floats, rng: np.random.Generator) -> NDArray[np.float64]:
    """Small affine maps (T,2,3) about the face's centre: one for the window, a trace of jitter per frame."""
    width_px = float(np.ptp(points[:, list(mesh.FACE_OVAL), 0], axis=1).mean())
    shift = rng.uniform(-0.03, 0.03, 2) * width_px
    degrees, scale = rng.uniform(-2.5, 2.5), rng.uniform(0.95, 1.05, 2)
    tremble = rng.normal(0, rng.uniform(0, 0.3), (len(points), 2))
    centres = points.mean(1)
    return np.stack([pixels.around(c, degrees, scale, shift + d) for c, d in zip(centres, tremble, strict=True)])


def self_blend(canvases: Pixels, points: Floats, rng: np.random.Generator, region: str | None = None) -> Forged:
    """The face's own copy, recoloured, resharpened and slightly moved, blended back through a soft mask.

    ``region``: one of masks.REGIONS, drawn when None.
    """
    region = region or str(rng.choice(["hull", "lower", "lower_nose", "lips"], p=[0.4, 0.25, 0.15, 0.2]))
    # A quarter of a small change on the lips alone would be a fake nobody could tell: a wrong label.
    weakest = 0.5 if region == "lips" else 0.25
    mask = masks.soft_mask(points, rng, region) * np.float32(rng.choice([weakest, 0.5, 0.75, 1, 1, 1]))
    placement = _random_placement(points, rng)
    inside = canvases if rng.random() < 0.15 else _random_colour(canvases, rng)
    inside = pixels.affine(
        _random_texture(inside, rng), placement, int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    )
    return forged(canvases, points, inside, mask, pixels.move_points(points, placement))


def envelope(frames: int, rng: np.random.Generator, shortest: int, longest: int, fade: int) -> Floats:
    """float32 (T,): one stretch of ones, ``shortest`` to ``longest`` frames long (the window at most), linear fades."""
    length = min(frames, int(rng.integers(shortest, max(shortest, longest) + 1)))
    start = int(rng.integers(-(length // 4), frames - length + length // 4 + 1))
    t = np.arange(frames)
    edge = np.minimum(t - start + 1, start + length - t) / (fade + 1)
    return np.clip(edge, 0, 1).astype(np.float32)


def time_shift_blend(canvases: Pixels, points: Floats, rng: np.random.Generator) -> Forged:
    """The lower face taken from 1 to 5 frames earlier or later, in one or two stretches of 0.5 to 1.5 s with fades."""
    frames = len(canvases)
    delay = int(rng.integers(1, 6)) * int(rng.choice([-1, 1]))
    when = np.clip(np.arange(frames) + delay, 0, frames - 1)
    over_time = envelope(frames, rng, 12, 37, int(rng.integers(1, 7)))
    if rng.random() < 0.3:
        over_time = np.maximum(over_time, envelope(frames, rng, 12, 24, int(rng.integers(1, 7))))
    # Beyond the window's end the delayed frame is the frame itself: nothing is forged there.
    over_time[when == np.arange(frames)] = 0
    mask = masks.soft_mask(points, rng, str(rng.choice(["lower", "lower_nose", "hull"], p=[0.5, 0.25, 0.25])))
    fit = warp.fit_similarity(points[when][:, list(mesh.STEADY)], points[:, list(mesh.STEADY)])
    inside = pixels.affine(canvases[when], fit, cv2.INTER_CUBIC)
    return forged(canvases, points, inside, mask * over_time[:, None, None], pixels.move_points(points[when], fit))


def low_res_mouth(canvases: Pixels, points: Floats, rng: np.random.Generator) -> Forged:
    """Mouth or lower face at the sharpness of a 16 to 64 px face, pasted back softly or as a plain box (Wav2Lip)."""
    region = str(rng.choice(["lips", "lower", "lower_nose", "box"], p=[0.3, 0.25, 0.2, 0.25]))
    inside = pixels.rescale(canvases, int(rng.integers(20, 64)), rng.choice(pixels.DOWN), rng.choice(pixels.UP))
    if rng.random() < 0.4:
        inside = pixels.blur(inside, rng.uniform(0.5, 1.2))
    if rng.random() < 0.25:
        inside = pixels.sharpen(inside, rng.uniform(1.0, 2.0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.4:
        inside = _smoothed_in_time(inside, rng.uniform(0.2, 0.5))
    if rng.random() < 0.5:
        gain = rng.uniform(0.94, 1.06) * rng.uniform(0.98, 1.02, 3)
        inside = pixels.colour(inside, pixels.look_up(gain, rng.uniform(-4, 4, 3), 1.0), np.eye(3, dtype=np.float32))
    return forged(canvases, points, inside, masks.soft_mask(points, rng, region))


def _smoothed_in_time(frames: Pixels, side_weight: float) -> Pixels:
    """Three-frame average with ``side_weight`` shared by the neighbours."""
    smooth = [
        cv2.addWeighted(f, 1 - side_weight, cv2.addWeighted(a, 0.5, b, 0.5, 0), side_weight, 0)
        for a, f, b in zip(frames[[0, *range(len(frames) - 1)]], frames, [*frames[1:], frames[-1]], strict=True)
    ]
    return np.stack(smooth)


def other_moments(points: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """Frame numbers (T,) of another moment of the window: half a second or more away (as far as the window allows), or
    played backwards. Of a few draws the one whose head poses fit best: a profile cannot be pasted on a front view."""
    frames = len(points)
    if rng.random() < 0.2:
        return np.arange(frames)[::-1].copy()
    least = min(12, max(1, frames // 3))
    delays = rng.integers(least, max(least, frames - least) + 1, 4)
    steady = points[:, list(mesh.STEADY)]
    draws = [(np.arange(frames) + int(delay)) % frames for delay in delays]
    return min(draws, key=lambda when: float(np.abs(warp.misfit(steady[when], steady)).mean()))


def stretched(available: int, wanted: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """``wanted`` consecutive frame numbers of a clip of ``available`` frames, random start, turning at its ends."""
    if available == 1:
        return np.zeros(wanted, np.intp)
    walk = (int(rng.integers(0, available)) + np.arange(wanted)) % (2 * available - 2)
    return np.where(walk < available, walk, 2 * available - 2 - walk).astype(np.intp)


def _matched(inside: Pixels, outside: Pixels, mask: Floats) -> Pixels:
    """``inside`` with its window-mean colour under the mask made that of ``outside``."""
    weight = mask[::4, ::2, ::2, None] / max(float(mask[::4, ::2, ::2].sum()), 1e-6)
    gap = ((outside[::4, ::2, ::2].astype(np.float32) - inside[::4, ::2, ::2]) * weight).sum((0, 1, 2))
    return pixels.colour(inside, pixels.look_up(np.ones(3), gap, 1.0), np.eye(3, dtype=np.float32))


def other_moment_mouth(canvases: Pixels, points: Floats, rng: np.random.Generator,
                       donor_canvases: Pixels | None = None, donor_points: Floats | None = None) -> Forged:  # fmt: skip
    """Mouth or lower face from another moment of the window, or from another clip of the person, fitted on the nose,
    eyes and cheeks. The lips no longer fit the voice: ``breaks_sync`` is True."""
    if donor_canvases is None or donor_points is None:
        donor_canvases, donor_points, when = canvases, points, other_moments(points, rng)
    else:
        mesh.check_window(donor_canvases, donor_points)
        when = stretched(len(donor_canvases), len(canvases), rng)
    there, fit_on = donor_points[when], list(mesh.STEADY)
    fit = (warp.fit_affine if rng.random() < 0.3 else warp.fit_similarity)(there[:, fit_on], points[:, fit_on])
    inside, inside_points = pixels.affine(donor_canvases[when], fit, cv2.INTER_CUBIC), pixels.move_points(there, fit)
    region = str(rng.choice(["lips", "lower", "lower_nose"], p=[0.3, 0.45, 0.25]))
    mask = masks.soft_mask_of_both(points, inside_points, rng, region)
    if rng.random() < 0.7:
        inside = _matched(inside, canvases, mask)
    return forged(canvases, points, inside, mask, inside_points, breaks_sync=True)
