# SPDX-License-Identifier: Apache-2.0
"""Starts a Python process that has this one's packages and nothing else of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

# The child must not run site hooks or read PYTHON* variables, yet find the same packages as its parent.
# What is imported stays, so it is not searched for garbage.
BOOT = (
    "import gc,sys,json,importlib;gc.disable();"
    "task=json.loads(sys.argv[1]);sys.path[:]=task['path'];"
    "module=importlib.import_module(task['module']);gc.freeze();gc.enable();module.main(task)"
)
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
# Where a Python build finds its own shared libraries.
INHERITED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
Stream = int | IO[bytes]


def boot(
    task: Mapping[str, Any],
    fds: Mapping[str, int] | None = None,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.DEVNULL,
    stderr: Stream = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Run ``task["module"].main(task)``, with ``fds`` in the task and open, in a session of its own. Raises OSError."""
    fds = fds or {}
    whole = {**task, **fds, "path": _search_path()}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", BOOT, json.dumps(whole)],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(fds.values()),
        env=ENVIRONMENT | {name: os.environ[name] for name in INHERITED if name in os.environ},
        start_new_session=True,
    )


def _search_path() -> list[str]:
    root = str(Path(__file__).resolve().parents[2])
    path = [entry for entry in sys.path if Path(entry).is_absolute()]
    return path if root in path else [*path, root]
