# SPDX-License-Identifier: Apache-2.0
"""``python -m export.crossed``: the test split judged by the product with weights that have not seen it.

A model that is trained on everything leaves nothing to be judged on. So each half of the test split
(``avguard.train.splits.FOLDS``) is checked with a bundle made from the run that went without that half, calibrated on
the other parts of ``export.held_out`` alone. Results of both halves lie in one file, for ``python -m avguard.evaluate
--data … --report-only --out FILE``. Interrupt it and run it again to go on.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from pathlib import Path

import torch

from avguard.evaluate.manifest import Row, read_manifest
from avguard.evaluate.product import make_checker
from avguard.evaluate.run import Progress, run
from avguard.train.checkpoint import load_checkpoint
from avguard.train.graph import deployable
from avguard.train.quantize import int8_graph
from avguard.train.splits import FOLDS
from avguard.train.validation import load_validation
from export.bundle import golden_vectors, make_card, parity, ranges_batch, write_bundle
from export.held_out import fold_checkpoint
from export.held_out import load as load_held_out
from export.thresholds import fit
from export.to_executorch import export_float, lower_int8
from export.versions import MODEL_ID


def make_bundle(checkpoint: Path, windows: Path, others: list[Path], rows: list[Row], out: Path) -> None:
    """The bundle of one run, calibrated on the parts in ``others``. Raises ModelError."""
    model = load_checkpoint(checkpoint)
    with torch.no_grad():
        graph = int8_graph(checkpoint, ranges_batch(load_validation(windows, rows)))
    programs = {"joint_float": export_float(model), "joint_int8": lower_int8(graph)}
    golden = golden_vectors({"joint_float": deployable(model), "joint_int8": graph})
    errors = parity(programs, golden)
    parts = [load_held_out([path], rows) for path in others]
    clips = [clip for part, _ in parts for clip in part]
    write_bundle(out, programs, golden, fit(parts), make_card(model, clips, programs, errors))


def main() -> int:
    """Make the bundles that are missing, check what was not checked; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m export.crossed", description=__doc__)
    shared = os.environ.get("AVGUARD_SHARED", "../shared")
    parser.add_argument("--data", type=Path, default=Path(shared) / "data")
    parser.add_argument(
        "--folds", type=Path, required=True, help="folder of the runs of `experiments run --only folds`"
    )
    parser.add_argument("--held-out", type=Path, required=True, help="what export.held_out wrote")
    parser.add_argument("--windows", type=Path, default=Path("runs/store/windows"))
    parser.add_argument("--out", type=Path, default=Path("runs/crossed"), help="folder of bundles and results.jsonl")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = list(read_manifest(args.data))
    for number, sources in enumerate(FOLDS):
        bundle = args.out / f"fold{number}"
        if not (bundle / "manifest.json").exists():
            others = sorted(p for p in args.held_out.glob("*.json") if p.stem != bundle.name)
            make_bundle(fold_checkpoint(args.folds, number), args.windows, others, rows, bundle)
        left_out = [row for row in rows if row.source in sources and row.split == "test"]
        run(
            functools.partial(make_checker, str(bundle), "int8"), args.data, left_out, args.out / "results.jsonl",
            model_id=f"{MODEL_ID}, crossed", workers=args.workers, progress=_tell,
        )  # fmt: skip
    return 0


def _tell(state: Progress) -> None:
    text = f"\r{state.done}/{state.total} checked, {state.eta_s / 60:.1f} min left  "
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
