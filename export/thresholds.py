# SPDX-License-Identifier: Apache-2.0
"""``python -m export.thresholds --held-out DIR``: calibrate a bundle on all clips that its model has not seen.

Thresholds that were set on a few sources do not hold on the next one, so all of ``export.held_out`` are used. What
such thresholds are worth on new sources is told by leaving one part out at a time: calibrated on the others, judged on
it. ``--write BUNDLE`` puts the calibration on all parts, and how its scores fared in that test, into the manifest.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avguard.evaluate.manifest import Row, read_manifest
from avguard.evaluate.metrics import auc
from avguard.models.manifest import check_calibration
from avguard.train.calibrate import ClipLogits, Moved, calibrate, overall_scores
from avguard.train.conditions import MOVED_MS
from export.card import add_sections
from export.held_out import load
from export.reliability import reliability

PEAK_WEIGHT = 0.3
Part = tuple[list[ClipLogits], list[list[ClipLogits]], Moved]
"""Clips as they are, bona fide ones under each condition, and with their sound moved."""


@dataclass(frozen=True)
class Outcome:
    """Clips of one part under thresholds that were set without it. ``scores``: overall; NaN where not both judged."""

    part: str
    rows: list[Row]
    scores: NDArray[np.float64]
    fake_above: float
    real_below: float

    def counts(self, kind: str) -> tuple[int, int, int, int]:
        """Of the judged clips of ``kind``: called fake, undecided, called real, all."""
        values = self.scores[[row.kind == kind for row in self.rows]]
        values = values[~np.isnan(values)]
        fake, real = int((values >= self.fake_above).sum()), int((values < self.real_below).sum())
        return fake, len(values) - fake - real, real, len(values)


def leave_one_out(parts: Mapping[str, Part]) -> list[Outcome]:
    """Each part judged by a calibration on the others."""
    found = []
    for name, (clips, *_) in parts.items():
        fitted = fit([part for other, part in parts.items() if other != name])
        scores = overall_scores(fitted, clips)
        found.append(Outcome(name, [c.row for c in clips], scores, fitted["fake_above"], fitted["real_below"]))
    return found


def fit(parts: Sequence[Part]) -> dict[str, Any]:
    """One calibration on several parts together."""
    hard = [[clip for clips in group for clip in clips] for group in zip(*(hard for _, hard, _ in parts), strict=True)]
    late = {by: [clip for *_, moved in parts for clip in moved.get(by, [])] for by in MOVED_MS}
    return calibrate([clip for clips, *_ in parts for clip in clips], PEAK_WEIGHT, hard, late)


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown: what becomes of bona fide clips and of fakes, part by part and in all."""
    lines = [
        "| judged | real called fake | real undecided | fake called fake | fake undecided | fake called real | AUC |",
        "|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        honest, forged = outcome.counts("real"), outcome.counts("fake")
        lines.append(_line(outcome.part, honest, forged, _auc([outcome])))
    honest, forged = (tuple(sum(o.counts(kind)[i] for o in outcomes) for i in range(4)) for kind in ("real", "fake"))
    return "\n".join([*lines, _line("all", honest, forged, _auc(outcomes))])


def _line(name: str, honest: tuple[int, ...], forged: tuple[int, ...], area: float) -> str:
    def share(part: int, of: int) -> str:
        return f"{part} of {of}"

    cells = [share(honest[i], honest[3]) for i in (0, 1)] + [share(forged[i], forged[3]) for i in (0, 1, 2)]
    return f"| {name} | {' | '.join(cells)} | {area:.2f} |"


def _auc(outcomes: Sequence[Outcome]) -> float:
    pairs = scored(outcomes)
    return float(auc(np.array([truth for truth, _ in pairs]), np.array([score for _, score in pairs])))


def scored(outcomes: Sequence[Outcome]) -> list[tuple[int, float]]:
    """(1 for a fake, overall score) of every judged clip."""
    return [
        (int(row.kind == "fake"), float(score))
        for outcome in outcomes
        for row, score in zip(outcome.rows, outcome.scores, strict=True)
        if not np.isnan(score)
    ]


def section(outcomes: Sequence[Outcome]) -> str:
    """The card's section on thresholds."""
    sources = sorted({row.source for outcome in outcomes for row in outcome.rows})
    lines = [
        "## Thresholds",
        "",
        "Set on clips of sources that the weights were not trained on, all parts together. What that is worth on",
        "sources that are new to the thresholds as well: each part judged under thresholds set on the others alone.",
        "",
        table(outcomes),
        "",
        *(f"- {source}" for source in sources),
    ]
    return "\n".join(lines) + "\n"


def write(bundle: Path, calibration: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Put ``calibration`` into the manifest of ``bundle`` and what it is worth into the card. Raises ModelError."""
    add_sections(bundle, [section(outcomes)])
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    names = ", ".join(outcome.part for outcome in outcomes)
    worth = reliability({"overall": scored(outcomes)}, f"clips of {names}, each left out of its own calibration")
    manifest["calibration"] = {**json.loads(json.dumps(calibration), parse_float=_short), "reliability": worth}
    check_calibration(manifest["calibration"])
    path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def _short(number: str) -> float:
    return round(float(number), 5)


def main() -> int:
    """Print the table; with --write change the bundle."""
    parser = argparse.ArgumentParser(prog="python -m export.thresholds", description=__doc__)
    parser.add_argument("--held-out", type=Path, default=Path("runs/held_out"), help="what export.held_out wrote")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AVGUARD_SHARED", "../shared")) / "data")
    parser.add_argument("--write", type=Path, metavar="BUNDLE", help="folder whose manifest is to get the calibration")
    args = parser.parse_args()
    rows = list(read_manifest(args.data))
    parts = {path.stem: load([path], rows) for path in sorted(args.held_out.glob("*.json"))}
    outcomes = leave_one_out(parts)
    sys.stdout.write(table(outcomes) + "\n")
    if args.write:
        write(args.write, fit(list(parts.values())), outcomes)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
