# SPDX-License-Identifier: Apache-2.0
"""The results file: one JSON line per file, only ever appended to, which says by content what is done.

A run that is killed leaves at most one half-written line, which the next run cuts off. Of several rows of one path the
last one counts.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from avguard.errors import UsageError
from avguard.scan.row import Row, parse_line

TAIL_BYTES = 1 << 20
SYNC_EVERY_S = 1.0


@dataclass(frozen=True)
class Done:
    """What is kept in memory of a row: a million of them must fit."""

    sha256: bytes
    stamp: str
    offset: int
    failed: bool
    lasting: bool


class Journal:
    """A results file open for appending, by one scan at a time; ``model`` says whose rows count as done.

    Raises UsageError when another scan writes to it, when it holds something else, or when it cannot be written.
    """

    def __init__(self, path: Path, model: str) -> None:
        self.model = model
        self._paths: dict[str, Done] = {}
        self._contents: dict[bytes, int] = {}
        self._synced_s = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as failure:
            raise UsageError(f"{path} cannot be written ({failure.strerror}). Name another results file.") from None
        try:
            _lock(self._file, path)
            _heal(self._file, path.name)
            for offset, row in _rows(self._file, path.name):
                self._remember(row, offset)
        except BaseException:
            self._file.close()
            raise

    def done(self, path: str) -> Done | None:
        """What is known of the file at ``path``, judged by this model."""
        return self._paths.get(path)

    def of_content(self, sha256: str) -> Row | None:
        """The row that answers for this content, if another check would end alike."""
        offset = self._contents.get(bytes.fromhex(sha256))
        if offset is None:
            return None
        self._file.seek(offset)
        row = parse_line(self._file.readline(), f"byte {offset}")
        self._file.seek(0, os.SEEK_END)
        return row

    def append(self, row: Row) -> None:
        """Add a row, and hand it to the system at once; to the disk, once a second."""
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(row.line())
        self._file.flush()
        self._remember(row, offset)
        if time.monotonic() - self._synced_s > SYNC_EVERY_S:
            self._sync()

    def close(self) -> None:
        """Write through to the disk, and let others in."""
        if not self._file.closed:
            self._sync()
            self._file.close()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced_s = time.monotonic()

    def _remember(self, row: Row, offset: int) -> None:
        if row.model != self.model:
            return
        digest = bytes.fromhex(row.sha256)
        self._paths[row.path] = Done(digest, row.stamp, offset, row.error is not None, row.lasting)
        if digest and row.lasting:
            self._contents[digest] = offset

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_rows(path: Path) -> Iterator[Row]:
    """The last row of every path, in the order of the file; a half-written last line is left out. Raises UsageError."""
    try:
        with path.open("rb") as file:
            last = {row.path: offset for offset, row in _rows(file, path.name)}
            for offset in last.values():
                file.seek(offset)
                yield parse_line(file.readline(), path.name)
    except OSError as failure:
        raise UsageError(f"{path} cannot be read ({failure.strerror}). Check the path.") from None


def _rows(file: IO[bytes], name: str) -> Iterator[tuple[int, Row]]:
    file.seek(0)
    offset = number = 0
    while (line := file.readline()).endswith(b"\n"):
        number += 1
        yield offset, parse_line(line, f"{name} line {number}")
        offset += len(line)


def _heal(file: IO[bytes], name: str) -> None:
    """Cut off what a killed run or a power cut left of a line: no line end, or blocks that were never written."""
    size = file.seek(0, os.SEEK_END)
    begin = max(0, size - TAIL_BYTES)
    file.seek(begin)
    tail = file.read()
    whole = tail.rfind(b"\n") + 1
    if not whole and size > len(tail):
        raise UsageError(f"{name} ends in a line of over {TAIL_BYTES} bytes: it is no results file of avguard scan.")
    zeros = tail.find(b"\0")
    if zeros >= 0:
        whole = min(whole, tail.rfind(b"\n", 0, zeros) + 1)
    file.truncate(begin + whole)


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"another scan is writing to {path}. Wait for it, or name another results file.") from None
    except OSError:
        return  # Some network file systems have no locks.
