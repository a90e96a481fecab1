# SPDX-License-Identifier: Apache-2.0
"""The next batch, drawn while this one is trained on, without running ahead of what a checkpoint remembers."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np

from avguard.train.dataset import Batch, Sampler


class Ahead:
    """Draws with ``rng`` in a thread. ``state``: of ``rng`` before the batch that nobody took yet, which is where a
    resumed run must go on; leaving the context puts ``rng`` back there.
    """

    def __init__(self, sampler: Sampler, size: int, rng: np.random.Generator) -> None:
        self._sampler, self._size, self._rng = sampler, size, rng
        self._thread = ThreadPoolExecutor(1)
        self.state: dict[str, Any] = dict(rng.bit_generator.state)
        self._pending: Future[Batch] = self._draw()

    def take(self) -> Batch:
        """The batch that was drawn meanwhile; the one after it is begun."""
        batch = self._pending.result()
        self.state = dict(self._rng.bit_generator.state)
        self._pending = self._draw()
        return batch

    def again(self, refresh: bool) -> None:
        """Wait until the sampler may be changed; with ``refresh`` reindex it and draw the waiting batch anew."""
        self._pending.result()
        if refresh:
            self._rng.bit_generator.state = self.state
            self._sampler.reindex()
            self._pending = self._draw()

    def _draw(self) -> Future[Batch]:
        return self._thread.submit(self._sampler.draw, self._size, self._rng)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)
        self._rng.bit_generator.state = self.state
