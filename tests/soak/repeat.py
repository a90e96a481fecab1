# SPDX-License-Identifier: Apache-2.0
"""A thousand times open, check, close in one process: memory, descriptors, threads and children stay where they are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from avguard import Checker
from tests import make_demo
from tests.soak.crew import descendants
from tests.soak.long_run import resident_mb

ROUNDS, WARM = 1000, 100
CLIP_S = 1.0
MOST_GROWTH_MB = 5.0


def state() -> tuple[int, int, int]:
    """(descriptors, threads, processes that it started) of this process."""
    descriptors, threads = (len(list(Path(f"/proc/self/{name}").iterdir())) for name in ("fd", "task"))
    return descriptors, threads, len(descendants(os.getpid()))


def rounds(clip: Path, count: int) -> tuple[list[tuple[float, tuple[int, int, int]]], set[str]]:
    """(resident MB, state) after each round; and the verdicts' JSON, of which there must be one."""
    found, verdicts = [], set()
    for _ in range(count):
        with Checker() as checker:
            verdicts.add(checker.check(clip).to_json())
        found.append((resident_mb(os.getpid()), state()))
    return found, verdicts


def run(count: int = ROUNDS, warm: int = WARM) -> tuple[str, list[str]]:
    """(table, faults)."""
    with tempfile.TemporaryDirectory() as folder:
        found, verdicts = rounds(make_demo.write_demo(Path(folder) / "clip.mp4", CLIP_S), count)
    settled, last = found[warm - 1], found[-1]
    growth = max(mb for mb, _ in found[warm:]) - settled[0]
    heads = ("rounds", "first", "settled", "last", "growth since", "descriptors, threads, processes", "verdicts")
    text = "| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|\n"
    text += f"| {count} | {found[0][0]:.1f} MB | {settled[0]:.1f} MB (round {warm}) | {last[0]:.1f} MB "
    text += f"| {growth:+.1f} MB | {settled[1]} to {last[1]} | {len(verdicts)} |"
    faults = [f"repeat: grew by {growth:.1f} MB"] if growth > MOST_GROWTH_MB else []
    faults += [f"repeat: {len(verdicts)} different verdicts"] if len(verdicts) > 1 else []
    return text, faults + ([f"repeat: {settled[1]} became {last[1]}"] if settled[1] != last[1] else [])
