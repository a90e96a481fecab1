# SPDX-License-Identifier: Apache-2.0
"""``make soak``: the long tests, resumable, one table at the end. Name parts to run only these."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.soak import sweep

FOLDER = Path("build") / "soak"


def broken_media() -> tuple[str, list[str]]:
    rows = sweep.run(FOLDER, FOLDER / "sweep.jsonl", sweep.cases())
    return sweep.table(rows), sweep.faults(rows)


PARTS = {"media": broken_media}


def main(names: list[str]) -> int:
    """Returns 1 when a promise is broken."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    bad = 0
    for name in names or PARTS:
        text, faults = PARTS[name]()
        print(f"\n## {name}\n\n{text}")
        for fault in faults:
            print(f"- FAULT {fault}")
        bad += len(faults)
    print(f"\n{bad} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
