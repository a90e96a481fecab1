# SPDX-License-Identifier: Apache-2.0
"""A drawn face that talks, with a mesh whose named points (oval, lips, eyes, nose, cheeks) sit where they belong."""

from __future__ import annotations

import cv2
import numpy as np

from avguard.train import mesh
from avguard.train.mesh import Floats, Pixels

_SPOTS = {
    168: (55.5, 38), 6: (55.5, 43), 197: (55.5, 50), 4: (55.5, 60), 1: (55.5, 62), 98: (48.5, 63), 2: (55.5, 66),
    50: (36, 58), 205: (40, 68), 118: (40, 50), 129: (45, 60), 70: (28, 30), 105: (36, 28), 107: (48, 31),
}  # fmt: skip


def _ring(count: int, centre: tuple[float, float], radii: tuple[float, float], first_deg: float) -> Floats:
    angles = np.radians(first_deg) + 2 * np.pi * np.arange(count) / count
    return np.stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], 1)


def resting_mesh(opening_px: float) -> Floats:
    """(468,2), symmetric about x = 55.5, the inner lips ``opening_px`` apart."""
    generator = np.random.default_rng(5)
    points = _ring(mesh.POINTS, (55.5, 58), (1, 1), 0) + generator.uniform(-18, 18, (mesh.POINTS, 2))
    points[list(mesh.FACE_OVAL)] = _ring(36, (55.5, 57), (36, 47), -90)
    # Both lip tables start in the corner at the viewer's left and run along the lower lip.
    for table, radii in ((mesh.OUTER_LIPS, (13, 5 + opening_px / 2)), (mesh.INNER_LIPS, (10, opening_px / 2))):
        points[list(table)] = _ring(20, (55.5, 79), radii, 180) * (1, -1) + (0, 158)
    for table, x in zip(mesh.EYES, (37.5, 73.5), strict=True):
        points[list(table)] = _ring(6, (x, 40), (6, 2.5), 180 if x < 55 else 0)
    for index, spot in _SPOTS.items():
        points[index] = spot
    left = np.arange(mesh.POINTS) < mesh.MIRROR
    middle = np.arange(mesh.POINTS) == mesh.MIRROR
    points[mesh.MIRROR[left]] = (111, 0) + points[left] * (-1, 1)
    points[middle, 0] = 55.5
    return points.astype(np.float32)


def _texture(generator: np.random.Generator) -> Floats:
    coarse, fine = generator.normal(0, 14, (14, 14, 3)), generator.normal(0, 5, (112, 112, 3))
    return cv2.resize(coarse, (112, 112), interpolation=cv2.INTER_CUBIC) + fine


def _paint(points: Floats, skin: tuple[int, int, int]) -> Pixels:
    picture = np.full((112, 112, 3), (40, 70, 110), np.uint8)
    inks = [(mesh.FACE_OVAL, skin), (mesh.OUTER_LIPS, (170, 70, 80)), (mesh.INNER_LIPS, (40, 15, 15))]
    for table, ink in [*inks, *((eye, (245, 245, 245)) for eye in mesh.EYES)]:
        cv2.fillPoly(picture, [np.rint(points[list(table)] * 16).astype(np.int32)], ink, cv2.LINE_AA, 4)
    return picture


def talking_face(frames: int, seed: int = 0) -> tuple[Pixels, Floats]:
    """canvases uint8 (T,112,112,3), points float32 (T,468,2): mouth opens and shuts, head sways, sensor noise."""
    generator = np.random.default_rng(seed)
    skin, texture = tuple(int(v) for v in generator.integers(120, 220, 3)), _texture(generator)
    t = np.arange(frames)
    openings = 5 + 4 * np.sin(t * generator.uniform(0.6, 1.1)) + generator.uniform(-1, 1, frames)
    sway = 1.5 * np.sin(t[:, None] * [0.21, 0.13] + generator.uniform(0, 6, 2))
    points = np.stack([resting_mesh(o) + s for o, s in zip(openings, sway, strict=True)]).astype(np.float32)
    pictures = np.stack([_paint(p, skin) for p in points]).astype(np.float32)
    pictures += texture + generator.normal(0, 2, pictures.shape)
    return np.clip(pictures, 0, 255).astype(np.uint8), points
