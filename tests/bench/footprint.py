# SPDX-License-Identifier: Apache-2.0
"""Memory of a check and of its decoding child, and what importing costs; each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# /proc, because the maximum in getrusage is inherited from the process that started this one.
MEMORY = """
import json, os, sys
sys.path[:] = json.loads(sys.argv[1])
import avguard

peaks = {}

def peak(pid):
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)

def note(*_):
    with open(f"/proc/self/task/{os.getpid()}/children") as children:
        for pid in children.read().split():
            peaks[pid] = max(peaks.get(pid, 0), peak(pid))  # a zombie has none

avguard.check(sys.argv[2], model=sys.argv[3], progress=note)
print(json.dumps([peak("self"), max(peaks.values(), default=0)]))
"""
IMPORT = """
import json, sys, time
sys.path[:] = json.loads(sys.argv[1])
start = time.perf_counter()
import avguard
first = time.perf_counter() - start
avguard.check
print(json.dumps([first, time.perf_counter() - start]))
"""


def _run(program: str, *arguments: str) -> list[float]:
    command = [sys.executable, "-c", program, json.dumps(sys.path), *arguments]
    numbers: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return numbers


def peaks_mib(clip: Path, model: Path) -> tuple[float, float]:
    """Peak resident memory, MiB, of (the process that checks, its decoding child)."""
    parent_kib, child_kib = _run(MEMORY, str(clip), str(model))
    return parent_kib / 1024, child_kib / 1024


def import_seconds(rounds: int) -> tuple[float, float]:
    """(``import avguard``, the same and ``avguard.check``), the fastest of ``rounds``."""
    runs = [_run(IMPORT) for _ in range(rounds)]
    return min(run[0] for run in runs), min(run[1] for run in runs)
