# SPDX-License-Identifier: Apache-2.0
"""``python -m export.held_out``: raw logits of clips by models that have not seen them, for calibrating one that has.

The model that ships is trained on everything, so nothing is left to calibrate it on. Its stand-ins are the model it
went on from, which judges the validation sources, and the two of ``experiments run --only folds``, each of which judges
the half of the test split that it was not given (``avguard.train.splits.FOLDS``). Every clip passes the product's
session; bona fide ones under each of CONDITIONS too. One JSON file per stand-in; what is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from avguard.evaluate.manifest import Row, read_manifest
from avguard.train.calibrate import ClipLogits, collect_logits
from avguard.train.conditions import CONDITIONS
from avguard.train.splits import FOLDS, part_of
from export.to_executorch import export_float, load_checkpoint

PLAIN = "as they are"


def stand_ins(start: Path, folds: Path, rows: list[Row]) -> dict[str, tuple[Path, list[Row]]]:
    """Checkpoint and clips of every stand-in, by name."""
    parts = {"validation": (start, [row for row in rows if part_of(row) == "validation"])}
    for number, sources in enumerate(FOLDS):
        checkpoint = folds / f"folds-{number}-joint-0" / "checkpoint.pt"
        parts[f"fold{number}"] = (checkpoint, [row for row in rows if row.source in sources and row.split == "test"])
    return parts


def judge(checkpoint: Path, rows: list[Row], data: Path, workers: int) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Raw window logits: condition -> path of the clip -> head -> values."""
    program = export_float(load_checkpoint(checkpoint))
    found = {PLAIN: collect_logits(rows, data, program, workers)}
    honest = [row for row in rows if row.kind == "real"]
    for name in CONDITIONS:
        found[name] = collect_logits(honest, data, program, workers, condition=name)
    return {
        name: {clip.row.path: {h: [round(v, 5) for v in values] for h, values in clip.logits.items()} for clip in clips}
        for name, clips in found.items()
    }


def load(folder: Path, rows: Iterable[Row]) -> tuple[list[ClipLogits], list[list[ClipLogits]]]:
    """What ``judge`` found of every stand-in in ``folder``: clips as they are, and one list for each of CONDITIONS."""
    by_path = {row.path: row for row in rows}
    files = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]

    def of(condition: str) -> list[ClipLogits]:
        return [ClipLogits(by_path[path], logits) for file in files for path, logits in file[condition].items()]

    return of(PLAIN), [of(name) for name in CONDITIONS]


def main() -> int:
    """Make what is missing; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m export.held_out", description=__doc__)
    shared = os.environ.get("AVGUARD_SHARED", "../shared")
    parser.add_argument("--data", type=Path, default=Path(shared) / "data")
    parser.add_argument("--start", type=Path, default=Path("export/checkpoints/start.pt"))
    parser.add_argument("--folds", type=Path, default=Path("runs/experiments/runs"))
    parser.add_argument("--out", type=Path, default=Path("runs/held_out"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="start of the names of stand-ins")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, (checkpoint, rows) in stand_ins(args.start, args.folds, list(read_manifest(args.data))).items():
        path = args.out / f"{name}.json"
        if path.exists() or not name.startswith(args.only):
            continue
        print(f"{name}: {len(rows)} clips", file=sys.stderr, flush=True)
        aside = path.with_suffix(".tmp")
        aside.write_text(json.dumps(judge(checkpoint, rows, args.data, args.workers), indent=0, sort_keys=True))
        aside.rename(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
