# SPDX-License-Identifier: Apache-2.0
"""The group of workers that is actors of a Ray cluster: this machine's own, or one that is named by its address."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from typing import Any

from avguard.errors import ModelError, UsageError
from avguard.scan.team import Lost
from avguard.scan.worker import Answer, Request, Settings, Worker

# Requests and rows are small; nothing else goes through the object store.
STORE_BYTES = 80 << 20
# For the scheduler: what a worker with its decoder process is to be given room for.
WORKER_BYTES = 1 << 30
# Ray gives its own start 30 s and no more, which a busy machine may miss.
STARTS = 3


class RayTeam:
    """Ray actors, each one CPU and ``WORKER_BYTES`` of the scheduler's memory.

    Raises UsageError when Ray is not installed or the cluster cannot be reached.
    """

    def __init__(self, settings: Settings, workers: int, address: str | None = None) -> None:
        # No report of use leaves the machine.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise UsageError("Ray is not installed. pip install 'avguard[scan]', or leave out --engine ray.") from None
        local: dict[str, Any] = {"num_cpus": workers, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        self._ray, self._settings = ray, settings
        self._pending: dict[Any, Any] = {}  # reference of an answer -> its actor
        self._actors: list[Any] = []
        options = {} if address else local
        for left in reversed(range(STARTS)):
            try:
                ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
                break
            except Exception as failure:  # Ray's own are OSError, RuntimeError, and bare ones
                ray.shutdown()
                if not left or "timed out" not in str(failure):
                    raise UsageError(f"the Ray cluster cannot be used: {failure} Leave out --engine ray.") from None
        self._actor_class = ray.remote(num_cpus=1, memory=WORKER_BYTES, max_restarts=0)(Worker)

    def start(self) -> Any:  # noqa: ANN401 - Ray has no type for it
        """A new actor."""
        actor = self._actor_class.remote(self._settings)
        self._actors.append(actor)
        return actor

    def ask(self, member: Any, request: Request) -> None:  # noqa: ANN401
        """Send; an actor that is gone is met by ``wait``."""
        self._pending[member.answer.remote(request)] = member

    def wait(self, busy: Collection[Any], seconds: float) -> list[tuple[Any, Answer | Lost]]:
        """Answers, in no order."""
        references = [reference for reference, member in self._pending.items() if member in busy]
        ready, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        # One more look, without waiting: all that are there already.
        ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0) if ready else (ready, [])
        return [(self._pending.pop(reference), self._receive(reference)) for reference in ready]

    def _receive(self, reference: Any) -> Answer | Lost:  # noqa: ANN401
        errors = self._ray.exceptions
        try:
            answer: Answer = self._ray.get(reference)
        except (errors.ActorDiedError, errors.ActorUnavailableError, errors.WorkerCrashedError) as error:
            words = str(error)
            if "raised in its creation task" in words:
                raise ModelError(f"a worker could not start: {words.strip().splitlines()[-1]}") from None
            return Lost("the actor died")
        return answer

    def end(self, member: Any, *, kill: bool = False) -> None:  # noqa: ANN401, ARG002 - it is the same for an actor
        """Kill the actor: an idle one has nothing to lose."""
        self._actors.remove(member)
        self._pending = {reference: actor for reference, actor in self._pending.items() if actor is not member}
        self._ray.kill(member)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []
        self._ray.shutdown()
