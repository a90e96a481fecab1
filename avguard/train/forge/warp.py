# SPDX-License-Identifier: Apache-2.0
"""Warps driven by mesh points: least-squares similarity and affine per frame, and piecewise affine."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from avguard.train import mesh
from avguard.train.mesh import SIDE_PX, Floats, Pixels

_OPEN_PX = 8.0


def fit_similarity(source: Floats, target: Floats) -> NDArray[np.float64]:
    """Forward 2x3 matrices (T,2,3) that take source (T,N,2) nearest to target (Umeyama 1991, planar)."""
    a, b = source.astype(np.float64), target.astype(np.float64)
    ca, cb = a.mean(1, keepdims=True), b.mean(1, keepdims=True)
    a, b = a - ca, b - cb
    power = np.maximum((a**2).sum((1, 2)), 1e-9)
    cos = (a * b).sum((1, 2)) / power
    sin = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(1) / power
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], 1)
    return np.concatenate([turn, np.swapaxes(cb, 1, 2) - turn @ np.swapaxes(ca, 1, 2)], 2)


def misfit(source: Floats, target: Floats) -> Floats:
    """What the best similarity leaves: target - fit(source), (T,N,2) px."""
    fit = fit_similarity(source, target)
    return (target - source @ np.swapaxes(fit[:, :, :2], 1, 2) - fit[:, None, :, 2]).astype(np.float32)


def fit_affine(source: Floats, target: Floats) -> NDArray[np.float64]:
    """Forward affine 2x3 matrices (T,2,3), least squares, source (T,N,2) to target (T,N,2)."""
    a = np.concatenate([source, np.ones_like(source[..., :1])], 2).astype(np.float64)
    square = np.swapaxes(a, 1, 2) @ a + 1e-6 * np.eye(3)
    return np.swapaxes(np.linalg.solve(square, np.swapaxes(a, 1, 2) @ target), 1, 2)


def triangulate(points: Floats, extra: Floats | None = None) -> NDArray[np.int32]:
    """Triangles (M,3) over mesh.ANCHORS (and ``extra`` points after them) of the mean of points (T,468,2).

    The lower lip and the chin are pulled down first, so that the triangulation has a mouth to open even where the
    window's mouth is shut.
    """
    reference = points.mean(0)
    reference[list(mesh.LOWER_INNER_LIPS)] += (0, _OPEN_PX)
    reference[[*mesh.OUTER_LIPS[1:10], *mesh.JAW[4:13]]] += (0, _OPEN_PX)
    chosen = reference[list(mesh.ANCHORS)]
    if extra is not None:
        chosen = np.concatenate([chosen, extra])
    return Delaunay(chosen).simplices.astype(np.int32)


def _affine_of_triangles(source: Floats, target: Floats) -> Floats:
    """(T,M,2,3): for every triangle the affine map from target (T,M,3,2) back to source (T,M,3,2)."""
    p0, e1, e2 = target[..., 0, :], target[..., 1, :] - target[..., 0, :], target[..., 2, :] - target[..., 0, :]
    f1, f2 = source[..., 1, :] - source[..., 0, :], source[..., 2, :] - source[..., 0, :]
    area = e1[..., 0] * e2[..., 1] - e1[..., 1] * e2[..., 0]
    # A shut mouth has triangles without area; they cover no pixel, so any finite map will do.
    area = np.where(np.abs(area) < 1e-3, 1e-3, area)[..., None]
    dx = (f1 * e2[..., 1:] - f2 * e1[..., 1:]) / area
    dy = (f2 * e1[..., :1] - f1 * e2[..., :1]) / area
    offset = source[..., 0, :] - dx * p0[..., :1] - dy * p0[..., 1:]
    return np.stack([dx, dy, offset], -1).astype(np.float32)


def _labels(triangles: NDArray[np.int32]) -> NDArray[np.int16]:
    """Which triangle each pixel lies in, -1 for none; ``triangles`` are corners (M,3,2) with four fractional bits."""
    canvas = np.full((SIDE_PX, SIDE_PX), -1, np.int16)
    for index, corners in enumerate(triangles):
        cv2.fillConvexPoly(canvas, corners, index, cv2.LINE_8, 4)
    return canvas


def piecewise(frames: Pixels, source: Floats, target: Floats, triangles: NDArray[np.int32], smooth_px: float) -> Pixels:
    """Warp frames uint8 (T,side,side,3) so that control points source (T,N,2) land on target (T,N,2).

    Pixels outside every triangle keep the frame's own. ``smooth_px`` blurs the map: no visible creases.
    """
    back = _affine_of_triangles(source[:, triangles], target[:, triangles])
    corners = np.rint(target[:, triangles] * 16).astype(np.int32, order="C")
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)
    grid = np.stack([columns, rows], -1)
    result = np.empty_like(frames)
    for t, frame in enumerate(frames):
        label = _labels(corners[t])
        m = back[t][label]
        maps = m[..., 0] * columns[..., None] + m[..., 1] * rows[..., None] + m[..., 2]
        maps = np.where(label[..., None] < 0, grid, maps)
        if smooth_px > 0:
            maps = cv2.GaussianBlur(maps, (0, 0), smooth_px)
        result[t] = cv2.remap(frame, maps, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return result
