# SPDX-License-Identifier: Apache-2.0
"""Index tables of the 468-point face mesh (MediaPipe numbering) and its left-right mirror."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avguard.errors import UsageError
from avguard.spec import load_spec

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

POINTS = 468
SIDE_PX = load_spec().video.canvas_px

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
LOWER_INNER_LIPS = (95, 88, 178, 87, 14, 317, 402, 318, 324)
JAW = (361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132)
LOWER_FACE = (*JAW, 205, 98, 2, 327, 425)
LOWER_FACE_WITH_NOSE = (323, *JAW, 93, 50, 129, 4, 358, 280)
EYES = ((33, 160, 158, 133, 153, 144), (263, 387, 385, 362, 380, 373))
BROWS = (70, 105, 107, 336, 334, 300)
NOSE = (168, 6, 197, 4, 98, 2, 327)
CHEEKS = (50, 280, 205, 425, 118, 347)
# What a jaw opening does not move: the frame a mouth is pasted into.
STEADY = (168, 6, 197, 4, 98, 2, 327, 50, 280, 118, 347, 33, 133, 362, 263)
# Control points of piecewise warps: enough for expression and pose, few enough for a triangulation per frame.
ANCHORS = tuple(dict.fromkeys(FACE_OVAL[::2] + OUTER_LIPS + INNER_LIPS[::2] + sum(EYES, ()) + BROWS + NOSE + CHEEKS))

_MIDLINE = (
    0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 94, 151, 152, 164, 168, 175, 195, 197, 199, 200,
)  # fmt: skip


def _mirror_table() -> NDArray[np.int64]:
    """The mesh numbers one side 0..247 (with the midline) and the other 248..467, both in the same order."""
    table = np.arange(POINTS)
    one = np.setdiff1d(np.arange(248), _MIDLINE)
    other = np.arange(248, POINTS)
    table[one], table[other] = other, one
    return table


MIRROR = _mirror_table()
"""int64 (468,): point i of a mirrored face is point MIRROR[i] of the face."""


def mirror_points(points: Floats, side_px: int = SIDE_PX) -> Floats:
    """Mesh points (T,468,2) of the horizontally flipped picture: x becomes side-1-x and the sides change names."""
    flipped = points[:, MIRROR].copy()
    flipped[..., 0] = (side_px - 1) - flipped[..., 0]
    return flipped


def check_window(canvases: Pixels, points: Floats) -> None:
    """Raise UsageError unless canvases are uint8 (T,side,side,3) and points are finite float32 (T,468,2), T >= 1."""
    frames = len(canvases)
    if canvases.dtype != np.uint8 or canvases.shape != (frames, SIDE_PX, SIDE_PX, 3) or not frames:
        raise UsageError(f"canvases must be uint8 (T,{SIDE_PX},{SIDE_PX},3) with T >= 1, not {canvases.shape}")
    if points.dtype != np.float32 or points.shape != (frames, POINTS, 2):
        raise UsageError(f"points must be float32 ({frames},{POINTS},2), not {points.dtype} {points.shape}")
    if not np.isfinite(points).all():
        raise UsageError("points hold NaN or infinity; drop the frames without a face before forging")
