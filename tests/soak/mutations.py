# SPDX-License-Identifier: Apache-2.0
"""Ways to break a file: cut it off, flip its bytes, zero parts of it, swap its boxes; each is told by a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

COUNTS = {"cut": 50, "flip": 50, "zero": 40, "swap": 34}
"""How many of each kind one seed gets: 174 of 12 seeds are 2,088 files."""
BOX_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"edts", b"dinf")


def cut(content: bytes, k: int) -> bytes:
    """The front of the file: the first points lie close together, where headers are."""
    share = ((k + 1) / (COUNTS["cut"] + 1)) ** 2
    return content[: max(1, int(share * len(content)))]


def flip(content: bytes, k: int) -> bytes:
    """One byte in a hundred gets another value; every second time only in the first or last 4 kB, for the index."""
    generator = np.random.default_rng([1, k])
    broken = np.frombuffer(content, np.uint8).copy()
    where = broken if k % 2 == 0 else broken[:4096] if k % 4 == 1 else broken[-4096:]
    at = generator.integers(0, len(where), max(1, len(where) // 100))
    where[at] ^= generator.integers(1, 256, len(at)).astype(np.uint8)
    return broken.tobytes()


def zero(content: bytes, k: int) -> bytes:
    """A range of 16 bytes to a fifth of the file is zero."""
    generator = np.random.default_rng([2, k])
    size = min(16 << k % 14, max(16, len(content) // 5))
    begin = int(generator.integers(0, max(1, len(content) - size)))
    return content[:begin] + bytes(len(content[begin : begin + size])) + content[begin + size :]


def swap(content: bytes, k: int) -> bytes:
    """Two neighbouring boxes of an mp4 change places; of other files two ranges of equal length."""
    generator = np.random.default_rng([3, k])
    pairs = [pair for boxes in _siblings(content, 0, len(content)) for pair in pairwise(boxes)]
    if pairs:
        (a, b), (_, c) = pairs[k % len(pairs)]
        return content[:a] + content[b:c] + content[a:b] + content[c:]
    size = min(16 << k % 10, len(content) // 4)
    a, b = sorted(generator.integers(0, len(content) - size, 2).tolist())
    b = max(b, a + size)
    one, other = content[a : a + size], content[b : b + size]
    return content[:a] + other + content[a + size : b] + one + content[b + size :]


KINDS: dict[str, Callable[[bytes, int], bytes]] = {"cut": cut, "flip": flip, "zero": zero, "swap": swap}


def names() -> list[tuple[str, int]]:
    """(kind, number) of every way to break a seed."""
    return [(kind, k) for kind, count in COUNTS.items() for k in range(count)]


def _siblings(content: bytes, begin: int, end: int) -> Iterator[list[tuple[int, int]]]:
    """The (begin, end) of boxes that lie side by side, level by level; nothing for what is no mp4."""
    boxes, at = [], begin
    while at + 8 <= end:
        size = int.from_bytes(content[at : at + 4], "big")
        kind = content[at + 4 : at + 8]
        if size < 8 or at + size > end or not kind.isalnum():
            return
        boxes.append((at, at + size))
        if kind in BOX_PARENTS:
            yield from _siblings(content, at + 8, at + size)
        at += size
    yield boxes
