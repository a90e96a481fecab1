# SPDX-License-Identifier: Apache-2.0
"""``avguard scan`` as a process of its own, and what it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.soak.crew import descendants

BOOT = "import sys; sys.path[:] = eval(sys.argv.pop(1)); from avguard.cli import main; sys.exit(main())"


def start(paths: Iterable[Path], out: Path, *options: str, **how: Any) -> subprocess.Popen[str]:
    """A running scan of ``paths``, its output in pipes; ``how``: whatever else Popen is to be told."""
    command = [sys.executable, "-c", BOOT, repr(sys.path), "scan", *map(str, paths), "--out", str(out), *options]
    # Ray puts the current folder in front of the path, and in a checkout that is avguard without its core.
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": out.parent} | how
    return subprocess.Popen(command, **how)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Every line of the journal, which must all be whole."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def outcomes(path: Path) -> dict[str, Any]:
    """What was found out about each file."""
    return {r["path"]: (r.get("label"), r["score"], r.get("error", {}).get("kind")) for r in rows_of(path)}


def kill_one_actor(driver: int) -> bool:
    """Kill one of the Ray workers that ``driver`` started; False while there is none."""
    for pid in descendants(driver):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::Worker"):
            os.kill(pid, signal.SIGKILL)
            return True
    return False
