# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.experiments run|table|partial``: run the plan, print tables of what has been run, or
measure how well the product tells where a clip was forged and by how much its sound is late (``partial``; no store).

The store must hold windows (``python -m avguard.train produce``). Every run resumes; results are JSON files.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from avguard import Checker
from avguard.evaluate.manifest import read_manifest
from avguard.train.experiments.partial import measure, table
from avguard.train.experiments.plan import plan
from avguard.train.experiments.run import NATURAL, run_all
from avguard.train.experiments.table import ablation_table, claims_table, folds_table, read_results, unseen_table
from avguard.train.loop import Settings


def main() -> int:
    """Run the chosen step; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.experiments", description=__doc__)
    parser.add_argument("step", choices=("run", "table", "partial"))
    shared = os.environ.get("AVGUARD_SHARED", "../shared")
    parser.add_argument("--data", type=Path, default=Path(shared) / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/store"), help="folder of cached tensors and windows")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--only", default="", help="start of the names to run")
    parser.add_argument("--minutes", type=float, default=30.0, help="training time of each run")
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
        results, rows = read_results(args.out), list(read_manifest(args.data))
        for title, make in (
            ("Joint against trained apart", claims_table),
            ("A family of generators left out", unseen_table),
            ("Ablations", ablation_table),
            ("More sources, judged on those left out", folds_table),
        ):
            sys.stdout.write(f"## {title}\n\n{make(results, rows)}\n\n")
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    if not (args.work / "windows" / NATURAL).exists():
        from avguard.train.produce import produce_natural

        produce_natural(args.data, args.work / "cache", args.work / "windows" / NATURAL)
    base = Settings(minutes=args.minutes, threads=args.threads, device=args.device)
    chosen = [e for e in plan(base, args.seeds, args.start) if e.name.startswith(args.only)]
    run_all(chosen, args.data, args.work / "windows", args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
