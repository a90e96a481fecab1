# SPDX-License-Identifier: Apache-2.0
"""How long it takes until the first window of a clip is scored."""

from __future__ import annotations

from pathlib import Path

from avguard import _core
from avguard.line import open_model
from avguard.media import Frame, Pcm
from tests.bench.session import decoded
from tests.bench.stations import push, thread_seconds

ENOUGH_US = 6_000_000


def first_window(path: Path, folder: Path, rounds: int) -> tuple[float, float, float]:
    """(seconds of clip that were pushed, processor seconds to open the model and a session, the same for the pushes
    until the event came), the fastest of ``rounds``.
    """
    items = decoded(path, ENOUGH_US)
    sessions: list[_core.Session] = []
    opening_s = [thread_seconds(lambda: sessions.append(_core.Session(open_model(folder)))) for _ in range(rounds)]
    pushing = [_until_scored(session, items) for session in sessions]
    return pushing[0][0], min(opening_s), min(spent for _, spent in pushing)


def _until_scored(session: _core.Session, items: list[Frame | Pcm]) -> tuple[float, float]:
    """(seconds of clip, processor seconds)."""
    spent = 0.0
    for item in items:
        spent += thread_seconds(lambda item=item: push(session, item))  # type: ignore[misc]
        if any(event["kind"] == "window" for event in session.poll()):
            return item.t_us / 1e6, spent
    raise SystemExit("no window was scored in the first seconds of the clip")
