# SPDX-License-Identifier: Apache-2.0
"""The scan itself: who judges what next, what is done already, and what becomes of a file whose worker died.

A file goes to a worker twice: first for its content hash, then, unless the journal answers for that content, to be
judged.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from avguard.errors import AvguardError, DecodeTimeoutError
from avguard.scan.journal import Journal
from avguard.scan.row import Failure, Found, Row, from_error
from avguard.scan.team import Lost, Team
from avguard.scan.worker import Answer, Identity, Request

TRIES = 2  # A worker may die of something else than its file: memory taken by others, a machine that goes away.
TICK_S = 0.25


class WorkerDiedError(AvguardError):
    """Every worker that was given this file died."""


class ScanStoppedError(AvguardError):
    """The scan gave up because of too many errors; what is done is kept."""


@dataclass
class Tally:
    """What a scan has come to. ``skipped`` were done before; the labels and ``errors`` count this run's rows."""

    total: int
    skipped: int = 0
    errors: int = 0
    twins: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    began_s: float = field(default_factory=time.monotonic)
    stopped: bool = False

    @property
    def done(self) -> int:
        """Rows written by this run."""
        return self.errors + sum(self.labels.values())

    @property
    def rate(self) -> float:
        """Files a second of this run."""
        return self.done / max(time.monotonic() - self.began_s, 1e-9)

    @property
    def eta_s(self) -> float | None:
        """Seconds left at that rate; None before the first row."""
        return (self.total - self.skipped - self.done) / self.rate if self.done else None

    def add(self, row: Row) -> None:
        """Count a row."""
        self.twins += row.same_as is not None
        if row.label is None:
            self.errors += 1
        else:
            self.labels[row.label] = self.labels.get(row.label, 0) + 1


@dataclass(frozen=True)
class Options:
    """``workers``; ``timeout_s`` for one file; ``max_errors`` to give up after (0: never); what not to skip."""

    workers: int = 2
    timeout_s: float = 1800.0
    max_errors: int = 0
    retry_errors: bool = False
    rehash: bool = False


@dataclass(eq=False)
class _Job:
    found: Found
    tries: int = 0
    identity: Identity | None = None
    member: Any = None
    deadline_s: float = 0.0


def scan(
    files: Sequence[Found],
    journal: Journal,
    team: Team,
    options: Options,
    *,
    progress: Callable[[Tally], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Tally:
    """Judge the ``files`` that ``journal`` does not know yet; every one of them gets a row.

    ``stop`` is asked between files: True ends the scan once the running files are done. Raises ScanStoppedError after
    ``max_errors``, ModelError when a worker cannot start.
    """
    return _Scan(files, journal, team, options, progress, stop).run()


class _Scan:
    def __init__(
        self,
        files: Sequence[Found],
        journal: Journal,
        team: Team,
        options: Options,
        progress: Callable[[Tally], None] | None,
        stop: Callable[[], bool],
    ) -> None:
        self._journal, self._team, self._options = journal, team, options
        self._progress, self._stop = progress, stop
        self._waiting = deque(_Job(found) for found in files if not self._is_done(found))
        self.tally = Tally(len(files), skipped=len(files) - len(self._waiting))
        self._busy: dict[Any, _Job] = {}
        # Files whose content is being judged for another file, by content.
        self._parked: dict[str, list[_Job]] = {}
        self._answered = False
        self._losses = 0

    def run(self) -> Tally:
        for _ in range(min(self._options.workers, len(self._waiting))):
            self._employ(self._team.start())
        while self._busy:
            for member, answer in self._team.wait(self._busy, TICK_S):
                self._take(member, answer)
            self._end_late()
            if self._progress is not None:
                self._progress(self.tally)
        if self._failed_too_often():
            raise ScanStoppedError(
                f"stopped after {self.tally.errors} errors (--max-errors); {self.tally.done} rows are kept. Look at "
                "their errors; the same command goes on from here."
            )
        return self.tally

    def _is_done(self, found: Found) -> bool:
        known = self._journal.done(found.path)
        if known is None or (self._options.retry_errors and known.failed):
            return False
        # A file that could not be found has no stamp, and neither have some stores' files: those are read again.
        same = known.stamp == found.stamp and (bool(found.stamp) or known.failed)
        return same and not self._options.rehash

    def _employ(self, member: Any) -> None:  # noqa: ANN401 - each team's own
        """Give the member its next file, or let it go."""
        if self._failed_too_often() or self._stop():
            self.tally.stopped = bool(self._waiting)
        elif self._waiting:
            job = self._waiting.popleft()
            self._ask(member, job, job.found)
            return
        self._team.end(member)

    def _ask(self, member: Any, job: _Job, request: Request) -> None:  # noqa: ANN401
        job.member, job.deadline_s = member, time.monotonic() + self._options.timeout_s
        self._busy[member] = job
        self._team.ask(member, request)

    def _take(self, member: Any, answer: Answer | Lost) -> None:  # noqa: ANN401
        job = self._busy.pop(member)
        if isinstance(answer, Lost):
            self._lost(member, job, answer)
            return
        self._answered = True
        if isinstance(answer, Row):
            self._record(job, answer)
            self._employ(member)
        else:
            job.identity = answer
            if self._needs_judging(job, answer):
                self._ask(member, job, answer)
            else:
                self._employ(member)

    def _needs_judging(self, job: _Job, identity: Identity) -> bool:
        """Whether a worker must look; if not, the job is done or waits for its twin."""
        sha256, known = identity.sha256, self._journal.done(job.found.path)
        unchanged = known is not None and known.sha256.hex() == sha256
        if unchanged and not (self._options.retry_errors and known is not None and known.failed):
            self.tally.skipped += 1
            return False
        twin = self._journal.of_content(sha256)
        if twin is not None and not (self._options.retry_errors and twin.error is not None):
            self._write(twin.for_twin(job.found))
            return False
        if sha256 in self._parked:
            self._parked[sha256].append(job)
            return False
        self._parked[sha256] = []
        return True

    def _record(self, job: _Job, row: Row) -> None:
        self._write(row)
        twins = self._parked.pop(row.sha256, []) if job.identity else []
        for twin in twins:
            if row.lasting:
                self._write(row.for_twin(twin.found))
            else:
                twin.identity = None
                self._waiting.appendleft(twin)

    def _write(self, row: Row) -> None:
        self._journal.append(row)
        self.tally.add(row)

    def _lost(self, member: Any, job: _Job, lost: Lost) -> None:  # noqa: ANN401
        job.tries += 1
        self._losses += 1
        # A content hash is no risk: workers that do not live to give one would not judge anything either.
        if not self._answered and self._losses > TRIES:
            raise WorkerDiedError(f"workers die before they answer ({lost.how}). Look at the memory; avguard doctor.")
        if job.tries < TRIES:
            self._release(job)
            self._waiting.appendleft(job)
        else:
            self._fail(job, WorkerDiedError(f"{job.tries} workers died of this file ({lost.how}). Do not trust it."))
        self._replace(member)

    def _end_late(self) -> None:
        now_s = time.monotonic()
        for member, job in list(self._busy.items()):
            if now_s > job.deadline_s:
                del self._busy[member]
                limit = self._options.timeout_s
                self._fail(job, DecodeTimeoutError(f"not done within {limit:g} s (--timeout); the worker was ended."))
                self._replace(member)

    def _replace(self, member: Any) -> None:  # noqa: ANN401
        self._team.end(member, kill=True)
        if self._waiting and not self._failed_too_often() and not self._stop():
            self._employ(self._team.start())

    def _release(self, job: _Job) -> None:
        """Its content is no longer being judged: a twin may take its turn."""
        if job.identity is not None:
            for twin in self._parked.pop(job.identity.sha256, []):
                twin.identity = None
                self._waiting.append(twin)
            job.identity = None

    def _fail(self, job: _Job, error: AvguardError) -> None:
        sha256 = job.identity.sha256 if job.identity else ""
        row = from_error(job.found, sha256, self._journal.model, Failure.of(error), 0.0)
        self._release(job)
        self._write(row)

    def _failed_too_often(self) -> bool:
        return 0 < self._options.max_errors <= self.tally.errors
