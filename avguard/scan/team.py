# SPDX-License-Identifier: Apache-2.0
"""What a scan needs of a group of workers, and the group that is local processes.

``concurrent.futures`` gives up a whole pool when one process dies, and a native crash is just what a hostile clip may
cause; hence one pipe per worker.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from avguard.errors import ModelError
from avguard.scan.cores import hold
from avguard.scan.worker import Answer, Request, Settings, Worker

JOIN_S = 5.0


@dataclass(frozen=True)
class Lost:
    """A member that died. ``how``: in words."""

    how: str


class Team(Protocol):
    """Workers somewhere. A member does one request at a time; ``M`` is whatever the team knows it by."""

    def start(self) -> Any:  # noqa: ANN401 - each team's own
        """A new member; it may still be starting when this returns."""
        ...

    def ask(self, member: Any, request: Request) -> None:  # noqa: ANN401
        """Give an idle member something to do."""
        ...

    def wait(self, busy: Collection[Any], seconds: float) -> list[tuple[Any, Answer | Lost]]:
        """Answers of the ``busy`` members that come within ``seconds``. Raises ModelError when one cannot start."""
        ...

    def end(self, member: Any, *, kill: bool = False) -> None:  # noqa: ANN401
        """Let a member go; ``kill``: even in the middle of a file."""
        ...

    def close(self) -> None:
        """End whatever is left."""
        ...


@dataclass(eq=False)
class Process:
    """A worker process, the pipe to it, and the core that it keeps to, if any."""

    process: SpawnProcess
    pipe: Connection[Any, Any]
    core: int | None = None


class LocalTeam:
    """Processes on this machine. ``cores``: one for each member to keep to, see ``cores``; the rest run anywhere."""

    def __init__(self, settings: Settings, cores: Sequence[int] = ()) -> None:
        self._settings = settings
        self._free_cores = list(cores)
        self._members: set[Process] = set()

    def start(self) -> Process:
        """A new process."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(self._settings, theirs), daemon=True)
        process.start()
        theirs.close()
        member = Process(process, ours, self._free_cores.pop(0) if self._free_cores else None)
        if member.core is not None and process.pid is not None:
            # Before it has imported anything: threads and the decoder inherit it.
            hold(process.pid, member.core)
        self._members.add(member)
        return member

    def ask(self, member: Process, request: Request) -> None:
        """Send; a process that is gone is met by ``wait``."""
        with suppress(OSError):
            member.pipe.send(request)

    def wait(self, busy: Collection[Process], seconds: float) -> list[tuple[Process, Answer | Lost]]:
        """Answers, in no order."""
        members = {member.pipe: member for member in busy}
        ready = wait(list(members), seconds)
        return [(members[pipe], _receive(members[pipe])) for pipe in ready]  # type: ignore[index]

    def end(self, member: Process, *, kill: bool = False) -> None:
        """Close the pipe, which ends an idle process; kill one that is not."""
        self._members.discard(member)
        member.pipe.close()
        if kill:
            member.process.kill()
        member.process.join(JOIN_S)
        if member.process.is_alive():
            member.process.kill()
            member.process.join()
        if member.core is not None:
            self._free_cores.append(member.core)

    def close(self) -> None:
        """End every process."""
        for member in list(self._members):
            self.end(member, kill=True)


def _receive(member: Process) -> Answer | Lost:
    try:
        answer: Answer | str = member.pipe.recv()
    except (EOFError, OSError):
        member.process.join(JOIN_S)
        return Lost(f"exit status {member.process.exitcode}")
    if isinstance(answer, str):
        raise ModelError(f"a worker could not start: {answer}")
    return answer


def work(settings: Settings, pipe: Connection[Any, Any]) -> None:
    """Body of a process: answers until the pipe closes. A worker that cannot be built says so in words."""
    # An interrupt at the keyboard reaches every process; what it means is for the scan to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        worker = Worker(settings)
    except Exception as error:  # it must reach the scan in words, whatever it is
        with suppress(OSError):
            pipe.send(f"{type(error).__name__}: {error}")
        return
    with suppress(EOFError, OSError):
        while True:
            pipe.send(worker.answer(pipe.recv()))
