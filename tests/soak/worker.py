# SPDX-License-Identifier: Apache-2.0
"""Checks the files named on stdin, one line of JSON each on stdout: ``python -m tests.soak.worker``. See crew.py."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from avguard import AvguardError, Checker, Verdict
from tests.soak.crew import descendants


def state() -> dict[str, int]:
    """What must be the same after every file."""
    temporary = len(list(Path(os.environ["TMPDIR"]).iterdir()))
    descriptors, threads = (len(list(Path(f"/proc/self/{name}").iterdir())) for name in ("fd", "task"))
    return {
        "descriptors": descriptors,
        "threads": threads,
        "processes": len(descendants(os.getpid())),
        "temporary": temporary,
    }


def judge(checker: Checker, path: str) -> dict[str, object]:
    """What became of one file."""
    began_s = time.monotonic()
    try:
        verdict = checker.check(path)
        assert Verdict.from_json(verdict.to_json()) == verdict
        outcome, text = verdict.label, "; ".join(verdict.warnings)
    except AvguardError as error:
        outcome, text = type(error).__name__, str(error)
    return {"outcome": outcome, "text": text, "seconds": time.monotonic() - began_s}


def main() -> None:
    """Any other exception ends the process, which crew.py sees."""
    checker = Checker()
    for line in sys.stdin:
        answer = judge(checker, line.rstrip("\n")) | state()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
