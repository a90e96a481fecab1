# SPDX-License-Identifier: Apache-2.0
"""Soft masks from mesh polygons, and the paste that leaves everything outside them untouched bit for bit."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avguard.train import mesh
from avguard.train.mesh import SIDE_PX, Floats, Pixels

# Fractional bits of OpenCV's polygon coordinates: whole pixels would make the mask's edge tremble from frame to frame.
_SHIFT = 4
_FOOT = np.float32(0.01)
REGIONS = ("hull", "lower", "lower_nose", "lips", "box")


def draw(polygon: NDArray[np.floating]) -> Floats:
    """float32 (side,side) in 0..1, one inside ``polygon`` (N,2)."""
    canvas = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    corners = np.rint(polygon * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(canvas, [corners], 255, cv2.LINE_AA, _SHIFT)
    return canvas.astype(np.float32) / 255


def outline(points: Floats, region: str) -> Floats:
    """Polygon (N,2) of one frame's ``region``, one of REGIONS."""
    if region == "box":
        low, high = points[list(mesh.LOWER_FACE)].min(0), points[list(mesh.LOWER_FACE)].max(0)
        return np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float32)
    names = {"hull": mesh.FACE_OVAL, "lower": mesh.LOWER_FACE, "lower_nose": mesh.LOWER_FACE_WITH_NOSE}
    return points[list(names.get(region, mesh.OUTER_LIPS))]


def _grown(polygon: Floats, factor: float) -> Floats:
    centre = polygon.mean(0)
    return centre + (polygon - centre) * factor


def _wobble(rng: np.random.Generator, amplitude_px: float) -> tuple[Floats, Floats]:
    """Remap grids of a smooth random displacement (elastic deformation, Simard et al. 2003)."""
    coarse = rng.normal(0, amplitude_px, (6, 6, 2)).astype(np.float32)
    field = cv2.resize(coarse, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)
    return columns + field[..., 0], rows + field[..., 1]


def soft_mask(points: Floats, rng: np.random.Generator, region: str, feather_px: float | None = None) -> Floats:
    """Feathered, elastically deformed mask float32 (T,side,side) of ``region`` that follows the mesh.

    Shape parameters are drawn once for the window. ``feather_px``: Gaussian sigma, drawn when None.
    """
    small = region == "lips"
    sigma_px = feather_px or rng.uniform(1.0, 2.5 if small else 5.0)
    factor = rng.uniform(1.15, 1.8) if small else rng.uniform(0.86, 1.0)
    columns, rows = _wobble(rng, rng.uniform(0.5, 1.5 if small else 3.0))
    masks = np.empty((len(points), SIDE_PX, SIDE_PX), np.float32)
    for t, frame_points in enumerate(points):
        hard = draw(_grown(outline(frame_points, region), factor))
        bent = cv2.remap(hard, columns, rows, cv2.INTER_LINEAR, borderValue=0)
        masks[t] = cv2.GaussianBlur(bent, (0, 0), sigma_px)
    # A Gaussian never ends: cut its foot, or "outside the mask" would be no place at all.
    return np.clip((masks - _FOOT) / np.float32(1 - _FOOT), 0, 1)


def soft_mask_of_both(here: Floats, pasted: Floats, rng: np.random.Generator, region: str) -> Floats:
    """The union of ``region`` on two meshes, of one random shape: the old lips' mask would cut wider ones off.

    Kept to where both meshes have a face, for two poses that differ would paste background over cheeks.
    """
    seed = int(rng.integers(1 << 63))
    both = [soft_mask(p, np.random.default_rng(seed), region) for p in (here, pasted)]
    return np.minimum(np.maximum(*both), np.minimum(face(here, 1.03), face(pasted, 0.95)))


def face(points: Floats, factor: float) -> Floats:
    """Soft hull (T,side,side), ``factor`` times its size."""
    return np.stack([cv2.GaussianBlur(draw(_grown(outline(p, "hull"), factor)), (0, 0), 1.5) for p in points])


def paste(source: Pixels, fake: Pixels | Floats, mask: Floats) -> Pixels:
    """source + mask*(fake-source), rounded; where the mask is zero the bytes are the source's own.

    source, fake: (T,side,side,3); mask: float32 (T,side,side) or broadcastable to it.
    """
    mask = np.broadcast_to(mask, source.shape[:3])
    rows = np.flatnonzero(mask.any((0, 2)))
    columns = np.flatnonzero(mask.any((0, 1)))
    result = source.copy()
    if not len(rows):
        return result
    box = np.s_[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    base = source[box].astype(np.float32)
    mixed = base + mask[box][..., None] * (fake[box] - base)
    result[box] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return result


def sample(mask: Floats, points: Floats) -> Floats:
    """The mask's value under every point, float32 (T,468); points outside the canvas take the border's."""
    where = np.clip(np.rint(points), 0, SIDE_PX - 1).astype(np.intp)
    return mask[np.arange(len(points))[:, None], where[..., 1], where[..., 0]]
