# SPDX-License-Identifier: Apache-2.0
"""Pixel operations on a stack of frames, uint8 (T,H,W,3) RGB in and out, shared by the forge and the augmentation."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from avguard.train.mesh import Floats, Pixels

DOWN = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
UP = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def each(frames: Pixels, change: Callable[[Pixels], NDArray[np.uint8]]) -> Pixels:
    """``change`` applied to every frame."""
    return np.stack([change(frame) for frame in frames])


def blur(frames: Pixels, sigma_px: float) -> Pixels:
    """Gaussian blur."""
    return each(frames, lambda f: cv2.GaussianBlur(f, (0, 0), sigma_px))


def sharpen(frames: Pixels, sigma_px: float, amount: float) -> Pixels:
    """Unsharp mask."""
    return each(frames, lambda f: cv2.addWeighted(f, 1 + amount, cv2.GaussianBlur(f, (0, 0), sigma_px), -amount, 0))


def rescale(frames: Pixels, side_px: int, down: int, up: int) -> Pixels:
    """Down to ``side_px`` square and back, with OpenCV interpolations ``down`` and ``up``."""
    size = frames.shape[2], frames.shape[1]
    small = (side_px, side_px)
    return each(frames, lambda f: cv2.resize(cv2.resize(f, small, interpolation=down), size, interpolation=up))


def motion_kernel(length_px: float, angle_rad: float) -> Floats:
    """A line of ``length_px`` as a normalised blur kernel."""
    reach = int(np.ceil(length_px / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    dx, dy = np.cos(angle_rad) * length_px / 2, np.sin(angle_rad) * length_px / 2
    ends = [(round(16 * (reach + s * dx)), round(16 * (reach + s * dy))) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    return kernel / max(float(kernel.sum()), 1e-6)


def look_up(gain: NDArray[np.floating], bias: NDArray[np.floating], gamma: float) -> Pixels:
    """uint8 (1,256,3) table for cv2.LUT: 255*(gain*(x/255)^gamma)+bias per channel."""
    curve = (np.arange(256) / 255.0) ** gamma * 255.0
    table = curve[:, None] * np.asarray(gain) + np.asarray(bias)
    return np.clip(np.rint(table), 0, 255).astype(np.uint8)[None]


def hue_saturation(degrees: float, saturation: float) -> Floats:
    """3x3 RGB matrix that turns hue about the grey axis and scales saturation, keeping Rec.601 luma of greys."""
    luma = np.array([0.299, 0.587, 0.114])
    grey = np.tile(luma, (3, 1))
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    axis = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = cos * np.eye(3) + sin * cross + (1 - cos) * axis
    return (grey + saturation * (turn @ (np.eye(3) - grey))).astype(np.float32)


def colour(frames: Pixels, table: Pixels, matrix: Floats) -> Pixels:
    """Tone table, then colour matrix."""
    return each(frames, lambda f: cv2.transform(cv2.LUT(f, table), matrix))


def jpeg(frames: Pixels, quality: int) -> Pixels:
    """Every frame through JPEG."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]

    def trip(frame: Pixels) -> NDArray[np.uint8]:
        coded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)[1]
        return cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    return each(frames, trip)


def affine(frames: Pixels, matrices: NDArray[np.floating], interpolation: int = cv2.INTER_LINEAR) -> Pixels:
    """Warp frame t by the forward 2x3 matrix ``matrices[t]``; the border is reflected."""
    size = frames.shape[2], frames.shape[1]
    border = cv2.BORDER_REFLECT_101
    pairs = zip(frames, matrices, strict=True)
    return np.stack([cv2.warpAffine(f, m, size, flags=interpolation, borderMode=border) for f, m in pairs])


def around(centre: NDArray[np.floating], degrees: float, scale: NDArray[np.floating] | float,
           shift: NDArray[np.floating]) -> NDArray[np.float64]:  # fmt: skip
    """2x3 matrix: rotate and scale about ``centre`` (x,y), then shift, in pixels."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, -sin], [sin, cos]]) * np.asarray(scale)
    return np.c_[turn, np.asarray(centre) - turn @ np.asarray(centre) + np.asarray(shift)]


def move_points(points: Floats, matrices: NDArray[np.floating]) -> Floats:
    """Points (T,N,2) through forward matrices (T,2,3)."""
    moved = points @ np.swapaxes(matrices[:, :, :2], 1, 2) + matrices[:, None, :, 2]
    return moved.astype(np.float32)
