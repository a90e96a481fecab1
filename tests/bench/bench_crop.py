# SPDX-License-Identifier: Apache-2.0
"""Speed of crop and convert beside OpenCV's ``cvtColor`` and ``warpAffine``: I420 to an RGB crop of the canvas' size.

Usage: python -m tests.bench.bench_crop. Needs OpenCV, which avguard's core does not. One thread each, in turns.
OpenCV converts the whole picture first, as one does with it, and samples without a filter against aliasing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from avguard import _core
from avguard.spec import load_spec

WIDTH, HEIGHT = 1280, 720
SCALE, TURN = 1.6, 0.1  # source pixels per canvas pixel, radians
ROUNDS = 40


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def compare(rounds: int) -> tuple[float, float]:
    """Seconds of (OpenCV, avguard) for one picture, the fastest of ``rounds`` taken in turns."""
    cv2.setNumThreads(1)
    side = load_spec().video.canvas_px
    whole = np.random.default_rng(3).integers(0, 256, (HEIGHT * 3 // 2, WIDTH), np.uint8)
    luma, chroma = whole[:HEIGHT], whole[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    planes = (luma, chroma[0], chroma[1])
    a, b = SCALE * float(np.cos(TURN)), -SCALE * float(np.sin(TURN))
    affine = (a, b, 500.0, -b, a, 250.0)
    matrix = np.asarray(affine, np.float64).reshape(2, 3)

    def theirs() -> object:
        rgb = cv2.cvtColor(whole, cv2.COLOR_YUV2RGB_I420)
        return cv2.warpAffine(rgb, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)

    def ours() -> object:
        return _core.warp(planes, "i420", WIDTH, HEIGHT, affine, side, side)

    pairs = [(seconds(theirs), seconds(ours)) for _ in range(rounds)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def main() -> None:
    theirs, ours = compare(ROUNDS)
    print(f"crop and convert of {WIDTH}x{HEIGHT}: OpenCV {1e3 * theirs:.3f} ms, avguard {1e3 * ours:.3f} ms")
    print(f"ratio {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
