# SPDX-License-Identifier: Apache-2.0
"""Check every clip of a manifest once, in worker processes, and keep each answer the moment it is known."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from avguard.errors import UsageError
from avguard.evaluate.journal import Result, append, open_journal, read_results
from avguard.evaluate.judge import CheckerFactory
from avguard.evaluate.manifest import Row
from avguard.evaluate.pool import check_all, check_here


@dataclass(frozen=True)
class Progress:
    """State of a run. ``rate`` is clips per second of this run, ``eta_s`` seconds left at that rate."""

    done: int
    total: int
    skipped: int
    errors: int
    rate: float
    eta_s: float


def run(
    factory: CheckerFactory,
    data: Path,
    rows: Sequence[Row],
    out: Path,
    *,
    model_id: str,
    workers: int = 2,
    retry_errors: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, Result]:
    """Check the rows that ``out`` does not hold yet for ``model_id``; return all results of ``rows`` by clip.

    ``factory`` must be picklable: each of ``workers`` processes builds its own checker (0: in this process).
    Safe to interrupt: a later run goes on where this one stopped. Raises UsageError on a damaged ``out``,
    ModelError when a worker cannot build its checker; a clip that fails is a result with ``error``.
    """
    if workers < 0:
        raise UsageError(f"workers is {workers}: give 0 (this process) or more")
    known = {clip: r for (clip, model), r in read_results(out).items() if model == model_id}
    waiting = [row.path for row in rows if _is_open(known.get(row.path), retry_errors)]
    fresh = (check_all if workers else check_here)(factory, data, waiting, model_id, workers)
    tell = _Teller(len(waiting), len(rows) - len(waiting), progress)
    # closing: an interrupt must not leave workers behind.
    with contextlib.closing(fresh), open_journal(out) as journal:
        for result in fresh:
            append(journal, asdict(result))
            known[result.clip] = result
            tell.one(result)
    wanted = {row.path for row in rows}
    return {clip: result for clip, result in known.items() if clip in wanted}


def _is_open(result: Result | None, retry_errors: bool) -> bool:
    return result is None or (retry_errors and result.error is not None)


class _Teller:
    """Counts results and reports rate and time left."""

    def __init__(self, total: int, skipped: int, progress: Callable[[Progress], None] | None) -> None:
        self._total, self._skipped, self._progress = total, skipped, progress
        self._done = self._errors = 0
        self._started = time.monotonic()

    def one(self, result: Result) -> None:
        self._done += 1
        self._errors += result.error is not None
        if self._progress is None:
            return
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        left = (self._total - self._done) / rate
        self._progress(Progress(self._done, self._total, self._skipped, self._errors, rate, left))
