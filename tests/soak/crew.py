# SPDX-License-Identifier: Apache-2.0
"""Runs the worker, hands it one file after the other, and watches its memory, its decoder's, and whether it lives."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

HANG_S = 60.0
LOOK_S = 0.01
BOOT = (
    "import sys,runpy;sys.path[:]=eval(sys.argv[1]);del sys.argv[1];runpy.run_module(sys.argv[1],run_name='__main__')"
)


def start(module: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """``python -m module`` that finds the packages which this process finds, and the installed avguard first."""
    command = [sys.executable, "-I", "-c", BOOT, repr(sys.path), module, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, **options)


def peak_kb(pid: int) -> int:
    """The high-water mark of a process's resident memory, 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.partition("VmHWM:")[2].split()[0]) if "VmHWM:" in status else 0


def cpu_s(pid: int) -> float:
    """Processor time of a process, its fork server, and of what both have waited for: on a busy machine the wall tells
    little.
    """
    return sum(map(_cpu_s, (pid, *children(pid))))


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The processes that any thread of ``pid`` started."""
    found: list[int] = []
    # A process or a thread may end while it is looked at.
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(word) for word in path.read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """The processes that ``pid`` started, and those that these started."""
    return [found for child in children(pid) for found in (child, *descendants(child))]


class Crew:
    """One worker at a time, a new one when it dies. Use as a context manager."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory()
        self._worker: subprocess.Popen[str] | None = None
        self.first: dict[str, int] = {}

    def judge(self, path: Path) -> dict[str, Any]:
        """What became of a file: the worker's answer, ``parent_mb`` and ``child_mb`` (peaks), or a crash or hang."""
        worker = self._living()
        assert worker.stdin is not None
        assert worker.stdout is not None
        # The mark starts anew for this file.
        Path(f"/proc/{worker.pid}/clear_refs").write_text("5")
        worker.stdin.write(f"{path}\n")
        worker.stdin.flush()
        parent_kb, child_kb, before_s = 0, 0, cpu_s(worker.pid)
        deadline_s = time.monotonic() + HANG_S
        while not select.select([worker.stdout], [], [], LOOK_S)[0]:
            # Pages that the fork server and a decoder share count twice.
            child_kb = max(child_kb, sum(map(peak_kb, descendants(worker.pid))))
            if time.monotonic() > deadline_s:
                self.close_worker()
                return {"outcome": "hang", "text": f"no answer in {HANG_S:.0f} s", "seconds": HANG_S}
        parent_kb = peak_kb(worker.pid)
        line = worker.stdout.readline()
        if not line:
            code = worker.wait()
            self._worker = None
            return {"outcome": "crash", "text": f"the worker ended with {code}", "seconds": 0.0}
        answer: dict[str, Any] = json.loads(line)
        spent_s = round(cpu_s(worker.pid) - before_s, 2)
        return answer | {"parent_mb": parent_kb / 1024, "child_mb": child_kb / 1024, "cpu_s": spent_s}

    def close_worker(self) -> None:
        """End the worker; the next file gets a new one."""
        if self._worker is not None:
            self._worker.kill()
            self._worker.communicate()
            self._worker = None

    def _living(self) -> subprocess.Popen[str]:
        if self._worker is None or self._worker.poll() is not None:
            environment = os.environ | {"TMPDIR": self._temporary.name}
            self._worker = start("tests.soak.worker", env=environment)
        return self._worker

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_worker()
        self._temporary.cleanup()
