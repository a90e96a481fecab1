# SPDX-License-Identifier: Apache-2.0
"""The shared memory that pixels and samples cross in: the parent makes and sizes it, the child fills it."""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile

import numpy as np
from numpy.typing import NDArray

from avguard.media.info import MediaInfo
from avguard.media.items import Frame
from avguard.media.mono import to_mono
from avguard.media.wire import SOUNDS, FrameHead, PcmHead, garbled, padded_bytes, plane_shapes

MIN_SLOT_BYTES = 1 << 18
# While a window is judged the decoder goes on: some ten pictures, and so many must have room.
MANY_SLOTS, FEW_SLOTS = 16, 4
RING_BYTES = 25 << 20
PAGE_BYTES = 4096
# FFmpeg pads rows of luma to multiples of this, and chroma to half of it.
ROW_BYTES = 128


def create_file() -> int:
    """The descriptor of an empty file that has no name; the caller closes it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("avguard", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Ring:
    """The parent's read-only side. A slot belongs to the child until a message names it, and again once handed back."""

    def __init__(self, fd: int, info: MediaInfo) -> None:
        size = _slot_bytes(info.video.width, info.video.height) if info.video else 0
        self.slot_bytes = -(-max(size, MIN_SLOT_BYTES) // PAGE_BYTES) * PAGE_BYTES
        self.slots = min(MANY_SLOTS, max(FEW_SLOTS, RING_BYTES // self.slot_bytes))
        os.ftruncate(fd, self.slots * self.slot_bytes)
        if hasattr(fcntl, "F_ADD_SEALS"):
            # A child that shrank the file could crash the parent (SIGBUS) when it reads a slot.
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        self._map: mmap.mmap | None = mmap.mmap(fd, self.slots * self.slot_bytes, prot=mmap.PROT_READ)
        self._with_child = set(range(self.slots))

    def frame(self, head: FrameHead) -> Frame:
        """The picture a message announces. Raises DecoderCrashError when it cannot lie in its slot."""
        memory = self._take(head.slot, padded_bytes(head.format, head.height, head.strides))
        planes: list[NDArray[np.uint8]] = []
        begin = 0
        shapes = plane_shapes(head.format, head.width, head.height)
        for (rows, row_bytes), stride in zip(shapes, head.strides, strict=True):
            planes.append(memory[begin : begin + rows * stride].reshape(rows, stride)[:, :row_bytes])
            begin += rows * stride
        return Frame(
            t_us=head.t_us,
            format=head.format,
            planes=tuple(planes),
            width=head.width,
            height=head.height,
            full_range=head.full_range,
            matrix=head.matrix,
            rotation_deg=head.rotation_deg,
            mirrored=head.mirrored,
        )

    def samples(self, head: PcmHead) -> NDArray[np.float32]:
        """A mono copy of the samples a message announces, float32 (n,). Raises DecoderCrashError."""
        raw = self._take(head.slot, SOUNDS[head.form] * head.channels * head.samples)
        return to_mono(raw, head.form, head.planar, head.channels)

    def give_back(self, slot: int) -> None:
        """The child may fill this slot again."""
        self._with_child.add(slot)

    def close(self) -> None:
        """Let go of the memory; it goes when the last plane does."""
        self._map = None

    def _take(self, slot: int, size: int) -> NDArray[np.uint8]:
        if self._map is None or slot not in self._with_child or size > self.slot_bytes:
            raise garbled()
        self._with_child.remove(slot)
        return np.frombuffer(self._map, np.uint8, size, slot * self.slot_bytes)


def _slot_bytes(width: int, height: int) -> int:
    stride = -(-width // ROW_BYTES) * ROW_BYTES
    return padded_bytes("i420", height, (stride, stride // 2, stride // 2))
