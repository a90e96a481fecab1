# SPDX-License-Identifier: Apache-2.0
"""A short talking clip as plain values, and sessions fed with it in any order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.line import open_model
from tests.core import faces

RATE_HZ = 16000
FRAMES = 110
START_US = 80_000  # of the sound, which begins later than the picture


@dataclass(frozen=True)
class Block:
    """Sound from ``t_us`` on."""

    t_us: int
    samples: NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """RGB at ``t_us``."""

    t_us: int
    rgb: NDArray[np.uint8]


Item = Block | Picture


@cache
def model() -> _core.Model:
    """The shipped bundle."""
    return open_model()


@cache
def pictures() -> tuple[Picture, ...]:
    """The astronaut's face drifting about, 25 frames a second."""
    face = faces.astronaut()[:272, 84:356]
    drift = np.rint(4 * np.sin(np.arange(FRAMES) / 9)).astype(int)
    return tuple(Picture(k * faces.PERIOD_US, np.roll(face, (d, -d), (0, 1))) for k, d in enumerate(drift.tolist()))


def voice(seconds: float, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """Bursts of a buzzing tone, half of the time silent."""
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * 130 * k * times_s) / k for k in range(1, 20))
    on = np.clip(8 * np.sin(2 * np.pi * 1.7 * times_s), 0, 1)
    hiss = np.random.default_rng(4).normal(0, 1e-3, len(times_s))
    return np.asarray(0.1 * buzz * on + hiss, dtype=np.float32)


def blocks(sizes: Iterable[int], seconds: float = FRAMES / 25) -> list[Block]:
    """The whole sound cut into blocks of the given sizes, which are repeated."""
    samples, wanted, result, begin = voice(seconds), list(sizes), [], 0
    while begin < len(samples):
        count = wanted[len(result) % len(wanted)]
        result.append(Block(START_US + begin * 1_000_000 // RATE_HZ, samples[begin : begin + count]))
        begin += count
    return result


def by_time(items: Iterable[Item], picture_lag_us: int = 0) -> list[Item]:
    """Pictures and sound in the order of their times; pictures come ``picture_lag_us`` late."""
    return sorted(items, key=lambda item: item.t_us + (picture_lag_us if isinstance(item, Picture) else 0))


def push(session: _core.Session, item: Item) -> None:
    """Push one item."""
    if isinstance(item, Picture):
        faces.push(session, item.rgb, item.t_us)
    else:
        session.push_audio(item.samples, RATE_HZ, item.t_us)


def judge(items: Iterable[Item]) -> str:
    """The JSON of a session that is given ``items``."""
    session = _core.Session(model())
    for item in items:
        push(session, item)
    return session.finish()


@cache
def expected() -> str:
    """The JSON of the clip pushed in order."""
    return judge(by_time([*pictures(), *blocks([1024])]))
