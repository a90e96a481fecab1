# SPDX-License-Identifier: Apache-2.0
"""Streaming equals batch, to the byte: however a clip is cut, and however many sessions take turns."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avguard import _core
from avguard.spec import load_spec
from tests.core import talking
from tests.core.talking import Block, Item

SPEC = load_spec()
FRAMES = 60
SECONDS = FRAMES / 25
# See tests/core/test_session.py.
LAG_US = (SPEC.window.stream_lag_frames - 4) * SPEC.video.period_us
SESSIONS = 32


def film() -> list[Item]:
    return list(talking.pictures()[:FRAMES])


@cache
def batch() -> str:
    """The verdict when all of the sound comes first and in one piece, then all of the pictures."""
    return talking.judge([*talking.blocks([1 << 20], SECONDS), *film()])


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    sizes=st.lists(st.one_of(st.integers(20, 200), st.integers(200, 40_000)), min_size=1, max_size=12),
    lag_us=st.integers(-LAG_US, LAG_US),
)
def test_any_cut_and_any_lag_give_the_bytes_of_the_batch(sizes: list[int], lag_us: int) -> None:
    items = talking.by_time([*film(), *talking.blocks(sizes, SECONDS)], lag_us)
    assert talking.judge(items) == batch()


def quieter(items: list[Item], share: float) -> list[Item]:
    gain = np.float32(1 - 0.9 * share)
    return [Block(item.t_us, gain * item.samples) if isinstance(item, Block) else item for item in items]


def test_32_interleaved_sessions_are_32_serial_ones() -> None:
    items = talking.by_time([*talking.pictures()[:50], *talking.blocks([1024], 2.0)])
    clips = [quieter(items, k / SESSIONS) for k in range(SESSIONS)]
    sessions = [_core.Session(talking.model()) for _ in clips]
    for turn in zip(*clips, strict=True):
        for session, item in zip(sessions, turn, strict=True):
            talking.push(session, item)
    answers = [session.finish() for session in sessions]
    assert answers == [talking.judge(clip) for clip in clips]
    assert len(set(answers)) > SESSIONS // 2
