# SPDX-License-Identifier: Apache-2.0
"""``make soak``: the long tests, resumable, one table each. Only some: ``make soak ARGS="media"``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.soak import long_run, models, repeat, scanning, sweep

FOLDER = Path("build") / "soak"


def broken_media() -> tuple[str, list[str]]:
    """Twelve seed media broken in 2,088 ways."""
    rows = sweep.run(FOLDER, FOLDER / "sweep.jsonl", sweep.cases())
    return sweep.table(rows), sweep.faults(rows)


PARTS = {
    "media": broken_media,
    "models": models.run_all,
    "repeat": repeat.run,
    "scan": scanning.run,
    "ray": scanning.run_ray,
    "long": lambda: long_run.run(FOLDER),
}


def main(names: list[str]) -> int:
    """Returns 1 when a promise is broken, 2 for a part that there is not."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.stderr.write(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}\n")
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    bad = 0
    for name in names or PARTS:
        text, faults = PARTS[name]()
        print(f"\n## {name}\n\n{text}", flush=True)
        for fault in faults:
            print(f"- FAULT {fault}")
        bad += len(faults)
    print(f"\n{bad} faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
