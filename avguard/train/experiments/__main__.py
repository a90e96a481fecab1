# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.experiments run|table|partial``: run the plan, print tables of what has been run, or
measure how well the product tells where a clip was forged and by how much its sound is late (``partial``; no store).

The store must hold windows (``python -m avguard.train produce``). Every run resumes; results are JSON files. What was
measured with them is on the page beside: README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from avguard import Checker
from avguard.evaluate.manifest import read_manifest
from avguard.train.experiments.partial import measure, table
from avguard.train.experiments.plan import STEPS, plan
from avguard.train.experiments.results import read_clips, read_results
from avguard.train.experiments.run import NATURAL, run_all
from avguard.train.experiments.table import tables, with_tables
from avguard.train.frozen import make_features
from avguard.train.loop import Settings


def main() -> int:
    """Run the chosen step; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.experiments", description=__doc__)
    parser.add_argument("step", choices=("run", "table", "partial"))
    shared = os.environ.get("AVGUARD_SHARED", "../shared")
    parser.add_argument("--data", type=Path, default=Path(shared) / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/store"), help="folder of cached tensors and windows")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--page", type=Path, help="a page whose tables are made anew, in place of printing them")
    parser.add_argument("--only", default="", help="start of the names to run")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run with frozen trunks")
    parser.add_argument("--minutes", type=float, default=30.0, help="training time of each fold")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--start", default="export/checkpoints/joint.pt", help="checkpoint that folds go on from")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.step == "partial":
        rows = [row for row in read_manifest(args.data) if row.split == "test"]
        with Checker() as checker:
            sys.stdout.write(table(list(measure(rows, args.data, checker))) + "\n")
        return 0
    if args.step == "table":
        made = tables(read_results(args.out), read_clips(args.out))
        if args.page:
            args.page.write_text(with_tables(args.page.read_text(encoding="utf-8"), made), encoding="utf-8")
        else:
            sys.stdout.write(made)
        return 0
    if not (args.work / "windows" / NATURAL).exists():
        from avguard.train.produce import produce_natural

        produce_natural(args.data, args.work)
    base = Settings(minutes=args.minutes, threads=args.threads, device=args.device)
    chosen = [e for e in plan(base, args.seeds, args.start, args.steps, args.out) if e.name.startswith(args.only)]
    if any(e.settings.frozen_trunks for e in chosen):
        make_features(args.data, args.work / "windows")
    run_all(chosen, args.data, args.work / "windows", args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
