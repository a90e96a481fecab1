# SPDX-License-Identifier: Apache-2.0
"""``python -m export.held_out``: raw logits of clips by models that have not seen them, to calibrate one by.

As many sources as can be had: the validation sources, judged by the model itself, and both halves of the test split
(``avguard.train.splits.FOLDS``). A model that was trained without the test split judges these itself too; for one that
was trained on it, ``--folds`` names the runs of ``experiments run --only folds``, each of which judges the half that it
was not given. Every clip passes the product's session; bona fide ones under each of CONDITIONS and
moved by MOVED_MS too. One JSON file per
part; what is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from avguard.evaluate.manifest import Row, read_manifest
from avguard.train.calibrate import ClipLogits, Moved, collect_logits
from avguard.train.checkpoint import load_checkpoint
from avguard.train.conditions import CONDITIONS, MOVED_MS, moved
from avguard.train.splits import FOLDS, part_of
from export.to_executorch import export_float

PLAIN = "as they are"


def parts(checkpoint: Path, folds: Path | None, rows: list[Row]) -> dict[str, tuple[Path, list[Row]]]:
    """By name: the checkpoint that judges, and the clips, which it has not seen."""
    found = {"validation": (checkpoint, [row for row in rows if part_of(row) == "validation"])}
    for number, sources in enumerate(FOLDS):
        judge = checkpoint if folds is None else fold_checkpoint(folds, number)
        found[f"fold{number}"] = (judge, [row for row in rows if row.source in sources and row.split == "test"])
    return found


def fold_checkpoint(runs: Path, number: int) -> Path:
    """What the run without half ``number`` of the test split ended with."""
    return runs / f"folds-{number}-joint-0" / "checkpoint.pt"


def judge(checkpoint: Path, rows: list[Row], data: Path, workers: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Condition -> path of the clip -> its raw window logits by head, and its offset."""
    program = export_float(load_checkpoint(checkpoint))
    found = {PLAIN: collect_logits(rows, data, program, workers)}
    honest = [row for row in rows if row.kind == "real"]
    for name in CONDITIONS:
        found[name] = collect_logits(honest, data, program, workers, CONDITIONS[name])
    for by in MOVED_MS:
        found[late(by)] = collect_logits(honest, data, program, workers, partial(moved, by))
    return {name: {clip.row.path: _plain(clip) for clip in clips} for name, clips in found.items()}


def late(milliseconds: int) -> str:
    """Name of the condition under which sound was made late."""
    return f"{milliseconds:+d} ms"


def _plain(clip: ClipLogits) -> dict[str, Any]:
    logits = {head: [round(value, 5) for value in values] for head, values in clip.logits.items()}
    return {"logits": logits, "offset_ms": clip.offset_ms, "offset_contrast": clip.offset_contrast}


def load(paths: Iterable[Path], rows: Iterable[Row]) -> tuple[list[ClipLogits], list[list[ClipLogits]], Moved]:
    """What ``judge`` found, of the parts in ``paths``: as they are, a list for each of CONDITIONS, and of MOVED_MS."""
    by_path = {row.path: row for row in rows}
    files = [json.loads(path.read_text()) for path in paths]

    def of(condition: str) -> list[ClipLogits]:
        return [ClipLogits(by_path[path], **found) for file in files for path, found in file[condition].items()]

    return of(PLAIN), [of(name) for name in CONDITIONS], {by: of(late(by)) for by in MOVED_MS}


def main() -> int:
    """Make what is missing; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m export.held_out", description=__doc__)
    shared = os.environ.get("AVGUARD_SHARED", "../shared")
    parser.add_argument("--data", type=Path, default=Path(shared) / "data")
    parser.add_argument("--checkpoint", type=Path, default=Path("export/checkpoints/joint.pt"))
    parser.add_argument("--folds", type=Path, help="folder of the runs that judge in place of it on the test split")
    parser.add_argument("--out", type=Path, default=Path("runs/held_out"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="start of the names of parts")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, (checkpoint, rows) in parts(args.checkpoint, args.folds, list(read_manifest(args.data))).items():
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
