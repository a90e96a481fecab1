# SPDX-License-Identifier: Apache-2.0
"""Worker processes that survive each other: a worker that dies costs the clip it held, nothing more.

``concurrent.futures`` gives up the whole pool when one process dies, and a native crash is just what a hostile clip
may cause; hence one pipe per worker.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from avguard.errors import ModelError, UsageError
from avguard.evaluate.journal import Result
from avguard.evaluate.judge import CheckerFactory, judge

_JOIN_S = 5.0


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection[Any, Any]
    clip: str | None = None


def _work(factory: CheckerFactory, data: Path, model_id: str, pipe: Connection[Any, Any]) -> None:
    """Body of a worker: says whether its checker was built, then answers one clip at a time until told None."""
    try:
        checker = factory()
    except Exception as error:  # it must reach the parent in words, whatever it is
        pipe.send(f"{type(error).__name__}: {error}")
        return
    pipe.send(None)
    try:
        while (clip := pipe.recv()) is not None:
            pipe.send(judge(checker, data, clip, model_id))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def check_here(
    factory: CheckerFactory, data: Path, clips: Sequence[str], model_id: str, workers: int
) -> Generator[Result, None, None]:
    """As ``check_all`` with no worker at all: one checker in this process. Raises UsageError for other ``workers``."""
    if workers != 0:
        raise UsageError(f"workers is {workers}, but this process alone is none")
    checker = factory()
    for clip in clips:
        yield judge(checker, data, clip, model_id)


def check_all(
    factory: CheckerFactory, data: Path, clips: Sequence[str], model_id: str, workers: int
) -> Generator[Result, None, None]:
    """Results in the order they come, one per clip. Raises ModelError when a worker cannot build its checker."""
    waiting = list(reversed(clips))
    team: list[_Worker] = []
    try:
        for _ in range(min(workers, len(waiting))):
            team.append(_start(factory, data, model_id))
        while team:
            pipes = {worker.pipe: worker for worker in team}
            for pipe in wait(list(pipes)):
                yield from _serve(pipes[pipe], team, waiting, model_id)  # type: ignore[index]
            while waiting and len(team) < min(workers, len(waiting)):
                team.append(_start(factory, data, model_id))
    finally:
        for worker in team:
            worker.pipe.close()
        for worker in team:
            _end(worker.process)


def _serve(worker: _Worker, team: list[_Worker], waiting: list[str], model_id: str) -> Generator[Result, None, None]:
    try:
        answer = worker.pipe.recv()
    except (EOFError, OSError):
        team.remove(worker)
        yield _died(worker, model_id)
        return
    if isinstance(answer, str):
        raise ModelError(f"a worker could not build its checker: {answer}")
    if answer is not None:
        yield answer
    worker.clip = waiting.pop() if waiting else None
    # A worker that died meanwhile is met at the next recv, with its clip.
    with contextlib.suppress(BrokenPipeError):
        worker.pipe.send(worker.clip)
    if worker.clip is None:
        team.remove(worker)
        worker.pipe.close()
        _end(worker.process)


def _died(worker: _Worker, model_id: str) -> Result:
    worker.pipe.close()
    _end(worker.process)
    if worker.clip is None:
        raise ModelError(f"a worker died while it built its checker (exit code {worker.process.exitcode})")
    return Result(worker.clip, model_id, error=f"WorkerDied: exit code {worker.process.exitcode}")


def _start(factory: CheckerFactory, data: Path, model_id: str) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(factory, data, model_id, theirs))
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _end(process: SpawnProcess) -> None:
    process.join(_JOIN_S)
    if process.is_alive():
        process.kill()
        process.join()
