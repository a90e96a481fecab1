# SPDX-License-Identifier: Apache-2.0
"""A session whose pictures and sound were decoded beforehand, with nothing else at work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from avguard import _core
from avguard.line import open_model
from avguard.media import Frame, Pcm, open_media
from tests.bench.stations import push, thread_seconds


def decoded(path: Path, until_us: int) -> list[Frame | Pcm]:
    """What the clip has up to ``until_us``, copied out of memory that the decoder uses again."""
    items: list[Frame | Pcm] = []
    with open_media(path) as reader:
        for item in reader:
            if item.t_us > until_us:
                break
            if isinstance(item, Frame):
                item = replace(item, planes=tuple(plane.copy() for plane in item.planes))
            else:
                item = replace(item, samples=np.array(item.samples))
            items.append(item)
    return items


def session_seconds(path: Path, folder: Path, clip_s: int, rounds: int) -> float:
    """Processor time of every push and of the verdict, frames lent as a camera does: the fastest of ``rounds``."""
    items, model = decoded(path, clip_s * 1_000_000), open_model(folder)

    def judge() -> None:
        session = _core.Session(model)
        for item in items:
            push(session, item, (lambda: None) if isinstance(item, Frame) else None)
        session.finish()

    return min(thread_seconds(judge) for _ in range(rounds))
