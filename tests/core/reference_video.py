# SPDX-License-Identifier: Apache-2.0
"""The picture stations again, in float64 NumPy straight from their definitions; independent of the C++ core."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avguard.spec import load_spec

Real = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# Luma weights of red and blue: ITU-R BT.601, BT.709, BT.2020.
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
MOST_TAPS = 4


def smooth_picture(height: int, width: int, seed: int = 0, channels: int = 3) -> Bytes:
    """(height, width, channels) uint8: waves of a few pixels' length over the whole range of levels."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    layers = []
    for _ in range(channels):
        waves = [np.sin(generator.uniform(-0.35, 0.35) * x + generator.uniform(-0.35, 0.35) * y + k) for k in range(4)]
        layers.append(127.5 + 90 * np.sum(waves, axis=0) / 2)
    return np.clip(np.rint(np.stack(layers, axis=-1)), 0, 255).astype(np.uint8)


def smooth_planes(form: str, height: int, width: int, seed: int = 0) -> list[Bytes]:
    """Tight planes of a picture in ``form``; in limited range where the format is YUV."""
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    if form in ("rgb24", "bgra", "rgba"):
        return [smooth_picture(height, width, seed, 3 if form == "rgb24" else 4)]
    luma = smooth_picture(height, width, seed, 1)[:, :, 0]
    if form == "gray8":
        return [luma]
    # Reined in: colours that do not exist would be clipped, and clipping hides errors.
    luma = (60 + luma.astype(np.float64) * 0.5).astype(np.uint8)
    chroma = (98 + smooth_picture(half_height, half_width, seed + 1, 2).astype(np.float64) * 0.23).astype(np.uint8)
    if form == "i420":
        return [luma, np.ascontiguousarray(chroma[:, :, 0]), np.ascontiguousarray(chroma[:, :, 1])]
    return [luma, chroma.reshape(half_height, 2 * half_width)]


def bilinear(plane: Real, x: Real, y: Real) -> Real:
    """Values at (x, y) measured from the centre of the first pixel; edges replicate."""
    height, width = plane.shape
    left, top = np.floor(x), np.floor(y)
    columns = [np.clip(left + i, 0, width - 1).astype(np.int64) for i in (0, 1)]
    rows = [np.clip(top + i, 0, height - 1).astype(np.int64) for i in (0, 1)]
    fx, fy = x - left, y - top
    upper = plane[rows[0], columns[0]] * (1 - fx) + plane[rows[0], columns[1]] * fx
    lower = plane[rows[1], columns[0]] * (1 - fx) + plane[rows[1], columns[1]] * fx
    return np.asarray(upper * (1 - fy) + lower * fy)


def to_stored(x: Real, y: Real, width: int, height: int, turn_deg: int, mirrored: bool) -> tuple[Real, Real]:
    """Upright coordinates to those of the stored picture, which is flipped first and then turned clockwise."""
    sx, sy = {0: (x, y), 90: (y, height - x), 180: (width - x, height - y), 270: (width - y, x)}[turn_deg]
    return (width - sx, sy) if mirrored else (sx, sy)


def yuv_to_rgb(y: Real, u: Real, v: Real, matrix: str, full_range: bool) -> Real:
    """(..., 3) levels of full-range RGB."""
    kr, kb = WEIGHTS[matrix]
    luma = y / 255 if full_range else (y - 16) / 219
    blue, red = ((c - 128) / (255 if full_range else 224) * 2 for c in (u, v))
    r, b = luma + red * (1 - kr), luma + blue * (1 - kb)
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.asarray(np.clip(np.stack([r, g, b], axis=-1) * 255, 0, 255))


def components(planes: Sequence[Bytes], form: str) -> list[Real]:
    """Three planes in the order R, G, B or Y, U, V."""
    whole = [plane.astype(np.float64) for plane in planes]
    if form == "i420":
        return whole
    if form in ("nv12", "nv21"):
        first, second = whole[1][:, 0::2], whole[1][:, 1::2]
        return [whole[0], first, second] if form == "nv12" else [whole[0], second, first]
    if form == "gray8":
        return [whole[0]] * 3
    order = (2, 1, 0) if form == "bgra" else (0, 1, 2)
    return [whole[0][:, :, i] for i in order]


def warp(
    planes: Sequence[Bytes],
    form: str,
    affine: Sequence[float],
    out_width: int,
    out_height: int,
    *,
    full_range: bool = False,
    matrix: str = "bt601",
    rotation_deg: int = 0,
    mirrored: bool = False,
    black_border: bool = False,
) -> Real:
    """(out_height, out_width, 3) real levels: the definition in ``warp.h``."""
    parts = components(planes, form)
    height, width = parts[0].shape
    a, b, c, d, e, f = affine
    taps = int(np.clip(np.ceil(np.sqrt(abs(a * e - b * d)) - 1e-6), 1, MOST_TAPS))
    shifts = (np.arange(taps) + 0.5) / taps - 0.5
    columns, rows = np.meshgrid(np.arange(out_width) + 0.5, np.arange(out_height) + 0.5)

    def stored(u: float, v: float) -> tuple[Real, Real]:
        x, y = columns + u, rows + v
        return to_stored(a * x + b * y + c, d * x + e * y + f, width, height, rotation_deg, mirrored)

    def mean(plane: Real) -> Real:
        points = [stored(u, v) for v in shifts for u in shifts]
        return np.asarray(np.mean([bilinear(plane, x - 0.5, y - 0.5) for x, y in points], axis=0))

    centre_x, centre_y = stored(0.0, 0.0)
    if form in ("i420", "nv12", "nv21"):
        # Chroma sits on even columns and between rows (H.264, HEVC).
        chroma = [bilinear(part, (centre_x - 0.5) / 2, (centre_y - 0.5 - 0.5) / 2) for part in parts[1:]]
        rgb = yuv_to_rgb(mean(parts[0]), chroma[0], chroma[1], matrix, full_range)
    else:
        rgb = np.stack([mean(part) for part in parts], axis=-1)
    if black_border:
        inside = (centre_x >= 0) & (centre_y >= 0) & (centre_x < width) & (centre_y < height)
        rgb = rgb * inside[..., None]
    return np.asarray(rgb)


def umeyama(source: Real, target: Real) -> Real:
    """(2, 3) least-squares similarity from (n, 2) to (n, 2) by singular values (Umeyama, 1991)."""
    from_mean, to_mean = source.mean(0), target.mean(0)
    x, y = source - from_mean, target - to_mean
    u, singular, vt = np.linalg.svd(y.T @ x / len(x))
    sign = np.diag([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    turn = u @ sign @ vt
    scale = np.trace(np.diag(singular) @ sign) / (x**2).sum(1).mean()
    return np.asarray(np.column_stack([scale * turn, to_mean - scale * turn @ from_mean]))


def template() -> Real:
    """(3, 2) canvas positions of right eye, left eye and nose base."""
    video = load_spec().video
    middle, eyes_px, eye_y = video.canvas_px / 2, video.canvas_eye_distance_px, video.canvas_eye_y_px
    nose_y = eye_y + video.canvas_nose_drop * eyes_px
    return np.array([[middle - eyes_px / 2, eye_y], [middle + eyes_px / 2, eye_y], [middle, nose_y]])


def anchors(points: NDArray[np.floating]) -> Real:
    """(3, 2) of a mesh (468, 2): middles of the eye corners, and the nose base."""
    mesh = points.astype(np.float64)
    return np.stack([mesh[[33, 133]].mean(0), mesh[[263, 362]].mean(0), mesh[2]])


def luma(rgb: Bytes) -> Real:
    """Rec. 601 luma of (..., 3) from 8-bit weights."""
    return np.asarray(rgb @ np.array([77, 150, 29]) / 256)


def pack_pixels(canvases: Bytes) -> tuple[Real, Real]:
    """(face, mouth) of canvases (frames, side, side, 3), from the spec's numbers."""
    video = load_spec().video
    scaled = (canvases.astype(np.float64) - video.pixel_mean) * video.pixel_scale
    grey = luma(canvases)
    looks = np.arange(0, len(canvases), video.face_every)
    change = (grey[looks + 1] - grey[looks]) * video.difference_scale
    face = np.concatenate([scaled[looks].transpose(0, 3, 1, 2), change[:, None]], axis=1)
    top, left, side = video.mouth_top_px, video.mouth_left_px, video.mouth_px
    mouth = (grey[:, None, top : top + side, left : left + side] - video.pixel_mean) * video.pixel_scale
    return face, mouth


def pack_motion(points: NDArray[np.float32], poses: NDArray[np.float32]) -> Real:
    """(dims, 1, frames) of mesh points (frames, 468, 2) and poses (frames, 4), from the spec's numbers."""
    spec = load_spec()
    video, motion = spec.video, spec.motion
    mesh = points.astype(np.float64)
    origin = np.array([video.canvas_px / 2, video.canvas_eye_y_px])
    lips = ((mesh[:, motion.lip_points] - origin) / video.canvas_eye_distance_px).reshape(len(mesh), -1)
    lids = [mesh[:, pair[1], 1] - mesh[:, pair[0], 1] for pair in (motion.right_eye_lids, motion.left_eye_lids)]
    brows = mesh[:, motion.brow_points, 1] - video.canvas_eye_y_px
    heights = np.concatenate([np.stack(lids, axis=1), brows], axis=1) / video.canvas_eye_distance_px
    values = np.concatenate([lips, heights, poses.astype(np.float64) * motion.pose_scale], axis=1)
    return np.asarray(((values - values.mean(0)) / motion.scale).T[:, None])
