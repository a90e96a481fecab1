# SPDX-License-Identifier: Apache-2.0
"""Packed windows on disk: shards that a producer writes while a trainer reads.

Values are kept small without loss that matters: colours as the bytes they came from, the luma of mouths and of frame
differences to the nearest level, the latter clipped to one byte, sound and motion as float16.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avguard.spec import load_spec
from avguard.train.windows import AudioWindow, VideoWindow

SPEC = load_spec()
PIXEL_SCALE, PIXEL_MEAN = SPEC.video.pixel_scale, SPEC.video.pixel_mean
DIFFERENCE = SPEC.video.difference_scale

Columns = dict[str, NDArray]
# Where a zip member's local header says how long its name and its extra field are (APPNOTE.TXT 4.3.7).
_NAME_LENGTH = 26


def encode_video(windows: Sequence[VideoWindow]) -> Columns:
    """Columns of a video shard."""
    face = np.stack([w.face for w in windows])
    mouth = np.stack([w.mouth for w in windows])
    return {
        **_common(windows),
        "breaks_sync": np.stack([w.breaks_sync for w in windows]),
        "rgb": _bytes(face[:, :, :3]),
        "difference": np.clip(np.round(face[:, :, 3:] / DIFFERENCE), -127, 127).astype(np.int8),
        "mouth": _bytes(mouth),
        "motion": np.stack([w.motion for w in windows]).astype(np.float16),
    }


def encode_audio(windows: Sequence[AudioWindow]) -> Columns:
    """Columns of an audio shard."""
    return {
        **_common(windows),
        "mel": np.stack([w.mel for w in windows]).astype(np.float16),
        "linear": np.stack([w.linear for w in windows]).astype(np.float16),
    }


def _common(windows: Sequence[VideoWindow] | Sequence[AudioWindow]) -> Columns:
    return {
        "clip": np.array([w.clip for w in windows]),
        "start": np.array([w.start for w in windows], np.int64),
        "label": np.array([w.label for w in windows], np.float32),
        "steps": np.stack([w.steps for w in windows]).astype(np.float32),
        "family": np.array([w.family for w in windows]),
    }


def _bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(values / PIXEL_SCALE + PIXEL_MEAN).astype(np.uint8)


def decode_video(pool: Pool, ids: NDArray[np.int64], faces: slice = slice(None)) -> tuple[NDArray[np.float32], ...]:
    """(face, mouth, motion) of some windows, as the core packed them but for the luma's fractions.

    -1: a window of nothing, all zero. ``faces``: those of a window that are wanted.
    """
    video, n = SPEC.video, len(ids)
    count = len(range(SPEC.window.frames // video.face_every)[faces])
    face = np.zeros((n, count, 4, video.canvas_px, video.canvas_px), np.float32)
    mouth = np.zeros((n, SPEC.window.frames, 1, video.mouth_px, video.mouth_px), np.float32)
    motion = np.zeros((n, SPEC.motion.dims, 1, SPEC.window.frames), np.float32)
    for i, number in enumerate(ids):
        if number < 0:
            continue
        _levels(pool.row("rgb", number)[faces], face[i, :, :3])
        np.multiply(pool.row("difference", number)[faces], np.float32(DIFFERENCE), out=face[i, :, 3:])
        _levels(pool.row("mouth", number), mouth[i])
        motion[i] = pool.row("motion", number)
    return face, mouth, motion


def _levels(values: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    np.subtract(values, np.float32(PIXEL_MEAN), out=out)
    np.multiply(out, np.float32(PIXEL_SCALE), out=out)


def write_shard(folder: Path, name: str, columns: Columns) -> None:
    """Write one shard whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{name}.{os.getpid()}.npz"
    with aside.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]
    aside.rename(folder / f"{name}.npz")


def map_shard(path: Path) -> Columns:
    """Columns of a shard as read-only maps of the file: what several runs read at once is in memory once.

    ``np.savez`` stores members as they are, so each is an ``.npy`` file at some offset.
    """
    columns: Columns = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for member in archive.infolist():
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, fortran, kind = read(stream)
                header = stream.tell()
            file.seek(member.header_offset + _NAME_LENGTH)
            name, extra = struct.unpack("<HH", file.read(4))
            start = member.header_offset + _NAME_LENGTH + 4 + name + extra + header
            order = "F" if fortran else "C"
            columns[member.filename.removesuffix(".npy")] = np.memmap(path, kind, "r", start, shape, order)
    return columns


class Pool:
    """All shards of one kind, mapped; the oldest go when there are more than ``limit`` windows.

    ``beside``: a folder of shards of the same names with more columns; one that has none there yet is not read.
    """

    def __init__(self, folder: Path, limit: int = 1_000_000, beside: Path | None = None) -> None:
        self.folder, self.limit, self.beside = folder, limit, beside
        self._parts: list[Columns] = []
        self._loaded: set[str] = set()
        self._place = np.zeros((0, 2), np.int64)  # window -> (part, row)

    def refresh(self) -> int:
        """Load the shards that were not loaded yet; returns how many windows were added."""
        fresh = sorted(self.folder.glob("*.npz"), key=lambda p: (p.stat().st_mtime, p.name))
        added = 0
        for path in fresh:
            more = self.beside / path.name if self.beside else None
            if path.name in self._loaded or (more and not more.exists()):
                continue
            self._parts.append(map_shard(path) | (map_shard(more) if more else {}))
            self._loaded.add(path.name)
            added += len(self._parts[-1]["start"])
        while sum(len(part["start"]) for part in self._parts) > self.limit and len(self._parts) > 1:
            self._parts.pop(0)
        places = [
            np.stack([np.full(len(p["start"]), i), np.arange(len(p["start"]))], 1) for i, p in enumerate(self._parts)
        ]
        self._place = np.concatenate(places) if places else self._place
        return added

    def column(self, key: str) -> NDArray:
        """One small column of all windows."""
        return np.concatenate([part[key] for part in self._parts])

    def take(self, key: str, ids: NDArray[np.int64]) -> NDArray:
        """One column of some windows."""
        return np.stack([self.row(key, number) for number in ids])

    def row(self, key: str, number: int) -> NDArray:
        """One column of one window, where it lies."""
        part, row = self._place[number]
        found: NDArray = self._parts[part][key][row]
        return found

    def __len__(self) -> int:
        return len(self._place)
