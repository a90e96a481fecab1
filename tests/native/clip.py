# SPDX-License-Identifier: Apache-2.0
"""Writes the raw frames and PCM of a clip as the records that cpp/tests/consumer/judge.c reads."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from avguard.media import Frame, MediaReader
from tests.core import talking

FORMATS = ("i420", "nv12", "nv21", "rgb24", "bgra", "rgba", "gray8")
MATRICES = ("bt601", "bt709", "bt2020")


def numbers(*values: int) -> bytes:
    return struct.pack(f"={len(values)}q", *values)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def frame(item: Frame) -> bytes:
    head = numbers(0, item.t_us, FORMATS.index(item.format), MATRICES.index(item.matrix), int(item.full_range))
    head += numbers(item.width, item.height, len(item.planes))
    planes = (np.ascontiguousarray(plane).reshape(plane.shape[0], -1) for plane in item.planes)
    return head + b"".join(numbers(*plane.shape) + padded(plane.tobytes()) for plane in planes)


def sound(t_us: int, rate_hz: int, samples: np.ndarray) -> bytes:
    return numbers(1, t_us, rate_hz, len(samples)) + padded(np.asarray(samples, np.float32).tobytes())


def of_file(reader: MediaReader) -> bytes:
    """Everything that ``reader`` gives, in its order."""
    return b"".join(
        frame(item) if isinstance(item, Frame) else sound(item.t_us, item.sample_rate_hz, item.samples)
        for item in reader
    )


def of_items(items: Iterable[talking.Item]) -> bytes:
    """The talking clip's pictures and sound."""
    rows = []
    for item in items:
        if isinstance(item, talking.Picture):
            height, width = item.rgb.shape[:2]
            rgb = np.ascontiguousarray(item.rgb).reshape(height, -1)
            rows.append(numbers(0, item.t_us, FORMATS.index("rgb24"), 0, 0, width, height, 1, *rgb.shape))
            rows.append(padded(rgb.tobytes()))
        else:
            rows.append(sound(item.t_us, talking.RATE_HZ, item.samples))
    return b"".join(rows)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
