# SPDX-License-Identifier: Apache-2.0
"""Pseudo-fakes of texture: what generators do to skin, to noise and to the pixel grid, inside a soft face mask.

Same contract as ``blends``: canvases uint8 (T,112,112,3), points float32 (T,468,2) in, Forged out; pixels outside the
mask are the source's. Own code; the artefacts are those described by Odena et al. (2016, checkerboards), Frank et al.
(2020, spectra) and Zheng et al. (2021, temporal coherence).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avguard.train import mesh, pixels
from avguard.train.forge import masks, warp
from avguard.train.forge.blends import Forged, forged
from avguard.train.mesh import SIDE_PX, Floats, Pixels


def _face_mask(points: Floats, rng: np.random.Generator) -> Floats:
    return masks.soft_mask(points, rng, str(rng.choice(["hull", "lower_nose", "lower"], p=[0.65, 0.2, 0.15])))


def _cored(canvases: Pixels, sigma_px: float, threshold: float) -> Floats:
    """Detail weaker than about ``threshold`` grey levels removed, strong edges kept."""
    low = pixels.blur(canvases, sigma_px).astype(np.float32)
    detail = canvases - low
    power = detail * detail
    return low + detail * (power / (power + threshold * threshold))


def over_smooth(canvases: Pixels, points: Floats, rng: np.random.Generator) -> Forged:
    """Skin smoothed as by a beauty filter or a generator, then often sharpened at the edges that are left."""
    mask = _face_mask(points, rng)
    kind = rng.choice(["bilateral", "median", "coring"])
    if kind == "bilateral":
        spread = rng.uniform(18, 50)
        inside = pixels.each(canvases, lambda f: cv2.bilateralFilter(f, 5, spread, 2.5))
    elif kind == "median":
        inside = pixels.each(canvases, lambda f: cv2.medianBlur(f, 5))
    else:
        inside = np.clip(_cored(canvases, rng.uniform(1.2, 2.5), rng.uniform(6, 16)), 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        inside = pixels.sharpen(inside, rng.uniform(0.8, 1.6), rng.uniform(0.3, 1.0))
    return forged(canvases, points, inside, mask)


def denoise_time(canvases: Pixels, points: Floats, rng: np.random.Generator) -> Forged:
    """Face texture averaged along the head's motion: skin without the camera's noise, as generators leave it."""
    mask = _face_mask(points, rng)
    weight, threshold = np.float32(rng.uniform(0.6, 0.9)), np.float32(rng.uniform(8, 22))
    fit = warp.fit_affine(points[:-1][:, list(mesh.STEADY)], points[1:][:, list(mesh.STEADY)])
    inside = canvases.astype(np.float32)
    for t in range(1, len(inside)):
        moved = cv2.warpAffine(inside[t - 1], fit[t - 1], (SIDE_PX, SIDE_PX), flags=cv2.INTER_CUBIC, borderMode=2)
        gap = moved - inside[t]
        size = gap * gap / (threshold * threshold)
        # Large differences are motion, not noise: averaging them would leave ghosts of the lips.
        inside[t] += gap * (weight / (1 + size * size))
    return forged(canvases, points, inside, mask)


def texture_flicker(canvases: Pixels, points: Floats, rng: np.random.Generator) -> Forged:
    """Low-frequency light and colour that trembles from frame to frame inside the face."""
    mask = _face_mask(points, rng)
    frames, cells = len(canvases), int(rng.choice([1, 2, 3, 5, 8]))
    noise = rng.normal(0, 1, (frames, cells, cells, 1)) + rng.uniform(0, 0.7) * rng.normal(
        0, 1, (frames, cells, cells, 3)
    )
    memory = rng.uniform(0, 0.8)
    for t in range(1, frames):
        noise[t] = memory * noise[t - 1] + np.sqrt(1 - memory * memory) * noise[t]
    gain = (noise * rng.uniform(0.02, 0.07)).astype(np.float32)
    size = (SIDE_PX, SIDE_PX)
    field = np.stack([cv2.resize(g, size, interpolation=cv2.INTER_CUBIC).reshape(*size, 3) for g in gain])
    return forged(canvases, points, canvases * (1 + field), mask)


def _zero_stuffed(small: Pixels, factor: int, kernel: Floats) -> Pixels:
    """Transposed convolution: ``factor`` times larger, zeros between samples, then ``kernel``."""
    big = np.zeros((small.shape[0] * factor, small.shape[1] * factor, 3), np.float32)
    big[::factor, ::factor] = small
    return np.clip(np.rint(cv2.filter2D(big, -1, kernel)), 0, 255).astype(np.uint8)


def _uneven_kernel(factor: int, rng: np.random.Generator) -> Floats:
    """A bilinear-like kernel, its taps disturbed so that the grid's phases get unequal gain (a checkerboard)."""
    line = np.convolve(np.ones(factor), np.ones(factor)) / factor
    kernel = np.outer(line, line) * rng.normal(1, rng.uniform(0.03, 0.1), (len(line), len(line)))
    return (kernel * factor * factor / kernel.sum()).astype(np.float32)


def _generator_grid(frame: Pixels, side_px: int, factor: int, kernel: Floats | None, up: int) -> Pixels:
    """One frame through a generator's own canvas of ``side_px``, its last layer an upsampling by ``factor``."""
    small = cv2.resize(frame, (side_px // factor, side_px // factor), interpolation=cv2.INTER_AREA)
    if kernel is None:
        grown = cv2.resize(small, None, fx=factor, fy=factor, interpolation=up)
    else:
        grown = _zero_stuffed(small, factor, kernel)
    return cv2.resize(grown, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)


def _periodic_gain(side_px: int, rng: np.random.Generator) -> Floats:
    """1 + a faint tile of period 2, 4 or 8 on a grid of ``side_px``, seen at canvas size: (side,side,3)."""
    period = int(rng.choice([2, 4, 8]))
    tile = rng.normal(0, rng.uniform(0.008, 0.03), (period, period, 3))
    times = -(-side_px // period)
    grid = np.tile(tile - tile.mean((0, 1)), (times, times, 1))[:side_px, :side_px]
    return (1 + cv2.resize(grid, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)).astype(np.float32)


def upsample_artefacts(canvases: Pixels, points: Floats, rng: np.random.Generator) -> Forged:
    """The face as a generator's upsampling layers would leave it: lost detail, checkerboards, faint periodic tiles.

    The generator's grid has its own size (96 to 256 px), so that its period on the canvas is not a whole number.
    """
    mask = _face_mask(points, rng)
    side_px, factor = 8 * int(rng.integers(12, 33)), int(rng.choice([2, 4], p=[0.65, 0.35]))
    kind = rng.choice(["transposed", "resize", "tile"])
    if kind == "tile":
        return forged(canvases, points, canvases * _periodic_gain(side_px, rng), mask)
    kernel = _uneven_kernel(factor, rng) if kind == "transposed" else None
    up = int(rng.choice([cv2.INTER_NEAREST, *pixels.UP]))
    coarse = pixels.each(canvases, lambda f: _generator_grid(f, side_px, factor, kernel, up))
    kept = rng.uniform(0, 0.4)
    return forged(canvases, points, coarse + np.float32(kept) * (canvases.astype(np.float32) - coarse), mask)


def _window_basis(canvases: Pixels, kept: int) -> Floats:
    """Every frame from the ``kept`` strongest components of the window (principal components over time)."""
    flat = canvases.reshape(len(canvases), -1).astype(np.float32)
    mean = flat.mean(0)
    flat -= mean
    _, vectors = np.linalg.eigh(flat @ flat.T)
    vectors = vectors[:, -kept:]
    return (vectors @ (vectors.T @ flat) + mean).reshape(canvases.shape)


def _patch_basis(canvases: Pixels, patch_px: int, kept: int, offset: NDArray[np.integer]) -> Floats:
    """Every patch from the ``kept`` strongest of 3*patch_px**2 components learnt on the window."""
    frames, count = len(canvases), SIDE_PX // patch_px
    shifted = np.roll(canvases, offset, (1, 2)).astype(np.float32)
    grid = shifted.reshape(frames, count, patch_px, count, patch_px, 3).transpose(0, 1, 3, 2, 4, 5)
    flat = grid.reshape(frames * count * count, -1)
    mean = flat.mean(0)
    flat = flat - mean
    some = flat[:: max(1, len(flat) // 2500)]
    vectors = np.linalg.eigh(some.T @ some)[1][:, -kept:].astype(np.float32)
    rebuilt = (flat @ vectors) @ vectors.T + mean
    whole = rebuilt.reshape(frames, count, count, patch_px, patch_px, 3).transpose(0, 1, 3, 2, 4, 5)
    return np.roll(whole.reshape(canvases.shape), -offset, (1, 2))


def _cosine_basis(canvases: Pixels, kept: int) -> Floats:
    """Every frame from its ``kept`` x ``kept`` lowest cosines: a band limit with ringing."""
    k, n = np.arange(kept)[:, None], np.arange(SIDE_PX)[None]
    basis = np.cos(np.pi * k * (n + 0.5) / SIDE_PX) * np.sqrt(2 / SIDE_PX)
    basis[0] /= np.sqrt(2)
    project = (basis.T @ basis).astype(np.float32)
    rows = project @ canvases.astype(np.float32).reshape(len(canvases), SIDE_PX, -1)
    return np.matmul(project, rows.reshape(canvases.shape))


def autoencoder_like(canvases: Pixels, points: Floats, rng: np.random.Generator) -> Forged:
    """The face rebuilt from few coefficients, of the window, of patches, or of the whole face, and pasted back."""
    mask = _face_mask(points, rng)
    kind = rng.choice(["window", "patch", "cosine"])
    if kind == "window":
        inside = _window_basis(canvases, int(rng.integers(2, max(3, min(9, len(canvases) // 3 + 1)))))
    elif kind == "patch":
        patch_px = int(rng.choice([4, 8]))
        kept = int(rng.integers(4, 9) if patch_px == 4 else rng.integers(8, 24))
        inside = _patch_basis(canvases, patch_px, kept, rng.integers(0, patch_px, 2))
    else:
        inside = _cosine_basis(canvases, int(rng.integers(22, 56)))
    return forged(canvases, points, inside, mask)
