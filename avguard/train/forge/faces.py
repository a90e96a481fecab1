# SPDX-License-Identifier: Apache-2.0
"""Whole-face pseudo-fakes: another person's face on the target's mesh, and a talking face made from one still."""

from __future__ import annotations

import cv2
import numpy as np

from avguard.errors import UsageError
from avguard.train import mesh, pixels
from avguard.train.forge import masks, warp
from avguard.train.forge.blends import Forged, forged, other_moments, stretched
from avguard.train.mesh import SIDE_PX, Floats, Pixels

_ANCHORS = list(mesh.ANCHORS)


def _lab_statistics(canvases: Pixels, mask: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation (3,) of 8-bit L*a*b* under the mask, from every eighth frame."""
    lab = pixels.each(canvases[::8], lambda f: cv2.cvtColor(f, cv2.COLOR_RGB2LAB))
    inside = lab[mask[::8] > 0.5].astype(np.float32)
    if not len(inside):
        inside = lab.reshape(-1, 3).astype(np.float32)
    return inside.mean(0), inside.std(0) + 1


def _recoloured(canvases: Pixels, mask: Floats, target: Pixels, target_mask: Floats, amount: float) -> Pixels:
    """Reinhard et al. (2001): mean and deviation of L*a*b* moved ``amount`` of the way to the target's."""
    mean, spread = _lab_statistics(canvases, mask)
    wanted_mean, wanted_spread = _lab_statistics(target, target_mask)
    gain = 1 + amount * (np.clip(wanted_spread / spread, 0.6, 1.6) - 1)
    level = np.arange(256)[:, None]
    table = np.clip(np.rint((level - mean) * gain + mean + amount * (wanted_mean - mean)), 0, 255).astype(np.uint8)[
        None
    ]

    def change(frame: Pixels) -> Pixels:
        return cv2.cvtColor(cv2.LUT(cv2.cvtColor(frame, cv2.COLOR_RGB2LAB), table), cv2.COLOR_LAB2RGB)

    return pixels.each(canvases, change)


def _mouth_hole(points: Floats) -> Floats:
    """Soft mask (T,side,side) of the open mouth."""
    return np.stack([cv2.GaussianBlur(masks.draw(p[list(mesh.INNER_LIPS)]), (0, 0), 0.8) for p in points])


def face_swap(canvases: Pixels, points: Floats, donor_canvases: Pixels, donor_points: Floats,
              rng: np.random.Generator) -> Forged:  # fmt: skip
    """The donor's face warped onto the target's mesh frame by frame, recoloured, blended through a feathered hull.

    Donor: another person's window, uint8 (D,112,112,3) and float32 (D,468,2). The donor plays along, or one of its
    frames is held; the target's inner mouth is kept half of the time. Lips follow the target's mesh: sync holds.
    """
    mesh.check_window(donor_canvases, donor_points)
    when = stretched(len(donor_canvases), len(canvases), rng)
    if rng.random() < 0.35:
        when[:] = when[0]
    face, face_points = donor_canvases[when], donor_points[when]
    amount = rng.uniform(0.5, 1.0)
    held = _steady_shape(points, face_points, rng.choice([0.0, 0.3, 0.6]))
    triangles = warp.triangulate(points)
    moved = warp.piecewise(face, face_points[:, _ANCHORS], held[:, _ANCHORS], triangles, rng.uniform(0.0, 1.5))
    region = "hull" if rng.random() < 0.75 else "lower_nose"
    # The donor's background begins at its hull, and chords of the triangulation cut into it.
    mask = np.minimum(masks.soft_mask(held, rng, region, rng.uniform(1.0, 4.0)), masks.face(held, 0.95))
    moved = _recoloured(moved, mask, canvases, mask, amount)
    if rng.random() < 0.5:
        mask = mask * (1 - _mouth_hole(points))
    if rng.random() < 0.3:
        moved = pixels.rescale(moved, int(rng.integers(48, 96)), rng.choice(pixels.DOWN), rng.choice(pixels.UP))
    return forged(canvases, points, moved, mask, held)


def _steady_shape(points: Floats, donor: Floats, weight: float) -> Floats:
    """Target's mesh with ``weight`` of the donor's mean shape mixed in: an identity changes shape, not only texture."""
    mean = points.mean(0, keepdims=True)
    fit = warp.fit_similarity(donor.mean(0, keepdims=True), mean)
    shape = pixels.move_points(donor.mean(0, keepdims=True), fit) - mean
    # The outline and the lips stay: a face must fill its old place and keep saying what it said.
    shape[:, [*mesh.FACE_OVAL, *mesh.OUTER_LIPS, *mesh.INNER_LIPS]] = 0
    return (points + weight * shape).astype(np.float32)


def _border(side_px: int) -> Floats:
    """Twelve points around the canvas's edge, (12,2)."""
    steps = np.linspace(0, side_px - 1, 4)
    ring = [(x, y) for x in steps for y in steps if x in steps[[0, -1]] or y in steps[[0, -1]]]
    return np.array(ring, np.float32)


def _with_border(points: Floats, follow: float) -> Floats:
    """ANCHORS and border points (T,N,2); the border follows ``follow`` of the head's mean motion."""
    drift = follow * (points[:, list(mesh.STEADY)].mean(1) - points[:, list(mesh.STEADY)].mean((0, 1)))
    border = _border(SIDE_PX)[None] + drift[:, None]
    # Grown past the edge so that the following border never uncovers a corner.
    centre = np.float32((SIDE_PX - 1) / 2)
    return np.concatenate([points[:, _ANCHORS], centre + (border - centre) * 1.15], 1).astype(np.float32)


def _opening(points: Floats) -> Floats:
    """(T,) height of the inner lips over their width."""
    height = np.abs(points[:, 14, 1] - points[:, 13, 1])
    width = np.hypot(*(points[:, 308] - points[:, 78]).T)
    return height / np.maximum(width, 1)


def _fill_mouth(frames: Pixels, points: Floats, still_opening: Floats, rng: np.random.Generator) -> Pixels:
    """Darken the warped inner mouth where it is wider open than the picture's was: there was no texture to show.

    ``still_opening``: (T,) or (1,), what ``_opening`` says of the unwarped faces.
    """
    depth = np.clip((_opening(points) - still_opening) * 4, 0, 1) * rng.uniform(0.5, 0.95)
    tone = np.array([rng.uniform(30, 75), rng.uniform(12, 35), rng.uniform(12, 35)], np.float32)
    inside = (0.25 * frames + 0.75 * tone).astype(np.float32)
    if rng.random() < 0.5:
        inside = _with_teeth(inside, points, rng.uniform(110, 190))
    return masks.paste(frames, inside, _mouth_hole(points) * depth[:, None, None].astype(np.float32))


def _with_teeth(inside: Floats, points: Floats, level: float) -> Floats:
    """A blurred pale band under the upper lip, the way coarse generators draw teeth."""
    upper = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
    lower = points[:, [308, 324, 318, 402, 317, 14, 87, 178, 88, 95, 78]]
    edge = points[:, upper]
    band = np.concatenate([edge, 0.65 * edge[:, ::-1] + 0.35 * lower], 1)
    weight = np.stack([cv2.GaussianBlur(masks.draw(b), (0, 0), 0.9) for b in band])[..., None]
    return inside + weight * (np.array([level, level * 0.93, level * 0.85], np.float32) - inside)


def still_animation(still: Pixels, still_points: Floats, driver_points: Floats, rng: np.random.Generator,
                    breaks_sync: bool = False) -> Forged:  # fmt: skip
    """One frame uint8 (112,112,3) with its points (468,2) made to follow the motion of driver_points (T,468,2).

    The driver's motion relative to its own frame nearest to the still is put on the still's face, a little damped or
    exaggerated. ``breaks_sync``: True when the driver speaks other words than the voice. The whole canvas is made anew:
    the mask is one everywhere. Raises UsageError on other shapes.
    """
    if still_points.shape != (mesh.POINTS, 2):
        raise UsageError(f"still_points must be ({mesh.POINTS},2), not {still_points.shape}")
    frames = len(driver_points)
    mesh.check_window(np.repeat(still[None], frames, 0), driver_points)
    to_still = warp.fit_similarity(driver_points.mean(0, keepdims=True), still_points[None].astype(np.float32))
    driver = pixels.move_points(driver_points, np.repeat(to_still, frames, 0))
    start = int(((driver - still_points) ** 2).sum((1, 2)).argmin())
    motion = (driver - driver[start]) * rng.uniform(0.8, 1.1)
    moved = (still_points + motion).astype(np.float32)
    follow = rng.choice([0.0, 0.5, 1.0])
    target = _with_border(moved, follow)
    source = np.repeat(_with_border(still_points[None].astype(np.float32), follow), frames, 0)
    triangles = warp.triangulate(moved, target[:, len(_ANCHORS) :].mean(0))
    held = np.repeat(still[None], frames, 0)
    canvases = warp.piecewise(held, source, target, triangles, rng.uniform(0.5, 2.0))
    canvases = _fill_mouth(canvases, moved, _opening(still_points[None]), rng)
    mask = np.ones((frames, SIDE_PX, SIDE_PX), np.float32)
    return Forged(canvases, moved, mask, np.ones(frames, np.bool_), breaks_sync)


_SPEAKING = [*mesh.OUTER_LIPS, *mesh.INNER_LIPS, *mesh.JAW[3:14]]


def lip_reenact(canvases: Pixels, points: Floats, rng: np.random.Generator,
                driver_points: Floats | None = None) -> Forged:  # fmt: skip
    """The window's own lips and jaw warped to say what another moment, or the clip of driver_points (D,468,2), says.

    The look of lip-sync by warping: everything but the lower face is the source's. ``breaks_sync`` is True.
    """
    if driver_points is None:
        driver = points[other_moments(points, rng)]
    else:
        driver = driver_points[stretched(len(driver_points), len(points), rng)]
    steady = list(mesh.STEADY)
    driver = pixels.move_points(driver, warp.fit_similarity(driver[:, steady], points[:, steady]))
    local = points - points[:, steady].mean(1, keepdims=True)
    wanted = driver - driver[:, steady].mean(1, keepdims=True)
    target = points.copy()
    change = (wanted - wanted.mean(0)) * rng.uniform(0.8, 1.1) - (local - local.mean(0))
    target[:, _SPEAKING] += change[:, _SPEAKING]
    triangles = warp.triangulate(points)
    moved = warp.piecewise(canvases, points[:, _ANCHORS], target[:, _ANCHORS], triangles, rng.uniform(0.5, 1.5))
    moved = _fill_mouth(moved, target, _opening(points), rng)
    if rng.random() < 0.4:
        moved = pixels.rescale(moved, int(rng.integers(48, 90)), rng.choice(pixels.DOWN), rng.choice(pixels.UP))
    mask = masks.soft_mask_of_both(points, target, rng, str(rng.choice(["lower", "lower_nose"])))
    return forged(canvases, points, moved, mask, target, breaks_sync=True)
