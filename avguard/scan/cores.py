# SPDX-License-Identifier: Apache-2.0
"""A core for each worker. A worker is two processes, judge and decoder, which take turns more often than not: on one
core they are nearly as fast as on two, and N workers then take N cores of a machine and leave the others alone.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

LOOK_S = 0.1


def choose(workers: int) -> list[int]:
    """One core for each worker, the idlest of those that this process may use.

    None at all where there are fewer cores than workers, or where the system does not let a process choose.
    """
    try:
        allowed = sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return []
    if workers > len(allowed):
        return []
    # Another scan, or whatever runs here, may keep to the first ones.
    return allowed if workers == len(allowed) else _idlest_first(allowed)[:workers]


def hold(pid: int, core: int) -> None:
    """Keep a process, and what it will start, to ``core``; without a word where the system does not let it."""
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(pid, {core})


def _idlest_first(cores: list[int]) -> list[int]:
    before = _idle_ticks()
    time.sleep(LOOK_S)
    after = _idle_ticks()
    return sorted(cores, key=lambda core: before.get(core, 0) - after.get(core, 0))


def _idle_ticks() -> dict[int, int]:
    """By core; empty where /proc/stat does not tell."""
    ticks = {}
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
            name, *fields = line.split()
            if name.startswith("cpu") and name[3:].isdigit():
                ticks[int(name[3:])] = int(fields[3])
    return ticks
