# SPDX-License-Identifier: Apache-2.0
"""PNG from arrays, without a dependency (ISO/IEC 15948)."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

# Dark to bright, even steps of lightness, readable without colour vision.
RAMP = ((8, 10, 32), (46, 28, 98), (122, 40, 110), (196, 70, 84), (240, 140, 60), (252, 222, 130))


def data_address(image: Bytes) -> str:
    """uint8 (h, w, 3) as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(encode(image)).decode()


def encode(image: Bytes) -> bytes:
    """uint8 (h, w, 3) -> a PNG file, lossless."""
    height, width, _ = image.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, width * 3)], 1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def heat(values: NDArray[np.float32]) -> Bytes:
    """(h, w) -> uint8 (h, w, 3): the lowest and highest hundredth are the ends of the ramp."""
    low, high = np.percentile(values, [1, 99]) if values.size else (0.0, 1.0)
    share = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1)
    stops = np.linspace(0, 1, len(RAMP))
    channels = [np.interp(share, stops, [colour[k] for colour in RAMP]) for k in range(3)]
    colours: Bytes = np.stack(channels, -1).round().astype(np.uint8)
    return colours
