# SPDX-License-Identifier: Apache-2.0
"""What a bundle's scores were worth on clips of known truth, for the calibration plot of the report page.

``python -m export.reliability --results RESULTS.jsonl`` adds it to a bundle's manifest, from the results of
``avguard.evaluate``; ``reliability`` alone makes the value of ``calibration["reliability"]``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avguard.evaluate.journal import read_results
from avguard.evaluate.manifest import HEADS, read_manifest
from avguard.models.manifest import check_calibration

BINS = 8


def reliability(pairs: Mapping[str, Sequence[tuple[int, float]]], clips: str) -> dict[str, Any]:
    """``pairs``: by head, (truth 0 or 1, score) of every clip; ``clips``: what they are, in words for the page.

    Bins hold equally many clips: (mean score, share that was fake, count), from low scores to high.
    """
    return {"clips": clips, "heads": {head: _bins(some) for head, some in pairs.items() if len(some) >= BINS}}


def _bins(pairs: Sequence[tuple[int, float]]) -> list[list[float]]:
    ordered = np.array(sorted(pairs, key=lambda pair: pair[1]), np.float64)
    parts = np.array_split(ordered, BINS)
    return [[round(float(p[:, 1].mean()), 4), round(float(p[:, 0].mean()), 4), len(p)] for p in parts]


def main() -> int:
    """Write the manifest again with the reliability of one split's results."""
    parser = argparse.ArgumentParser(prog="python -m export.reliability", description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AVGUARD_SHARED", "../shared")) / "data")
    parser.add_argument("--split", default="test")
    parser.add_argument("--bundle", type=Path, default=Path("avguard/models/default"))
    args = parser.parse_args()
    path = args.bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    results = {clip: r for (clip, model), r in read_results(args.results).items() if model.startswith(manifest["id"])}
    rows = [row for row in read_manifest(args.data) if row.split == args.split and row.path in results]
    pairs: dict[str, list[tuple[int, float]]] = {head: [] for head in HEADS}
    for row in rows:
        for head in HEADS:
            truth, score = row.truth(head), results[row.path].score(head)
            if truth is not None and score is not None:
                pairs[head].append((truth, score))
    manifest["calibration"]["reliability"] = reliability(
        pairs, f"{len(rows)} clips of the project's {args.split} split"
    )
    check_calibration(manifest["calibration"])
    path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
