# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.evaluate robustness --data DIR``: damages clips, checks them, and says what that cost."""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avguard.data import Row
from avguard.errors import UsageError
from avguard.evaluate.journal import Result, read_results
from avguard.evaluate.manifest import read_manifest, select
from avguard.evaluate.product import make_checker, name_model, trained_sources
from avguard.evaluate.robustness.card import card
from avguard.evaluate.robustness.checker import make_damaging_checker
from avguard.evaluate.robustness.outcome import Outcome, outcomes
from avguard.evaluate.robustness.pick import pick
from avguard.evaluate.robustness.plot import plot
from avguard.evaluate.robustness.slices import Slice, shorter_side_px, slices
from avguard.evaluate.robustness.suite import KINDS, LEVELS, Condition, conditions, tagged
from avguard.evaluate.run import Progress, run
from avguard.evaluate.text import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--data", type=Path, required=True, help="folder with clips.csv")
    parser.add_argument("--split", choices=["train", "test", "all"], default="test")
    parser.add_argument("--clips", type=int, default=48, help="how many, half of them real, spread over sources")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each clip, so that length tells nothing")
    parser.add_argument("--kinds", nargs="+", default=[], metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--levels", nargs="+", type=int, default=list(LEVELS), help="in this order")
    parser.add_argument("--out", type=Path, default=Path("robustness"), help="folder of journal, JSON, Markdown, SVG")
    parser.add_argument("--workers", type=int, default=2, help="processes; 0: check in this one")
    parser.add_argument("--model", help="model bundle (a folder); the one in use if not given")
    parser.add_argument("--engine", choices=["auto", "int8", "float"], default="int8")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of clips")
    parser.add_argument("--no-slices", action="store_true", help="leave out the undamaged real clips in slices")
    parser.add_argument("--report-only", action="store_true", help="check nothing: tables of what --out holds")


@dataclass(frozen=True)
class Findings:
    """What a run found; ``missing``: conditions that are not finished. ``seen``: clips of sources that the model was
    trained on, None where the bundle does not tell.
    """

    model_id: str
    split: str
    clips: int
    seconds: float
    missing: int
    seen: int | None
    outcomes: tuple[Outcome, ...]
    slices: tuple[Slice, ...]


def robustness(options: argparse.Namespace, tell: Callable[[Progress], None]) -> str:
    """Damage clips, check them, and write what that cost as JSON, Markdown and SVG; returns the Markdown.

    Interrupt it and run it again to go on.
    """
    rows = select(read_manifest(options.data), options.split)
    chosen = pick(rows, options.clips, options.seed)
    plan = conditions(options.kinds, options.levels)
    reals = [] if options.no_slices else [row for row in rows if row.kind == "real" and row.media == "clips"]
    # What is in the journal is of this length of clip only.
    model_id = f"{name_model(options.model, options.engine)}-{options.seconds:g}s"
    damaged, undamaged = _results(options, chosen, plan, reals, model_id, tell)
    found = outcomes(chosen, plan, damaged)
    sides = {row.path: shorter_side_px(options.data / row.path) for row in reals if row.path in undamaged}
    trained_on = trained_sources(options.model, model_id)
    findings = Findings(
        model_id=model_id,
        split=options.split,
        clips=len(chosen),
        seconds=options.seconds,
        missing=len(plan) - len(found),
        seen=None if trained_on is None else sum(row.source in trained_on for row in chosen),
        outcomes=found,
        slices=slices(reals, undamaged, sides, trained_on),
    )
    return _write(options.out, findings)


def _results(
    options: argparse.Namespace,
    chosen: Sequence[Row],
    plan: Sequence[Condition],
    reals: Sequence[Row],
    model_id: str,
    tell: Callable[[Progress], None],
) -> tuple[Mapping[str, Result], Mapping[str, Result]]:
    journal = options.out / "results.jsonl"
    if options.report_only:
        known = {clip: result for (clip, model), result in read_results(journal).items() if model == model_id}
        if not known:
            raise UsageError(f"{journal} holds no results of {model_id} to report")
        return known, known
    both: dict[str, Any] = {"model_id": model_id, "workers": options.workers, "progress": tell}
    undamaged = run(
        functools.partial(make_checker, options.model, options.engine), options.data, reals, journal, **both
    )
    factory = functools.partial(make_damaging_checker, options.model, options.engine, options.seconds)
    # Level by level, so that an unfinished run has whole levels; clip by clip within, so that each is decoded once.
    levels = dict.fromkeys(condition.level for condition in plan)
    tags = [tagged(row.path, c) for level in levels for row in chosen for c in plan if c.level == level]
    by_path = {row.path: row for row in chosen}
    tasks = [replace(by_path[tag.rpartition("#")[0]], path=tag) for tag in tags]
    return run(factory, options.data, tasks, journal, **both), undamaged


def _write(folder: Path, findings: Findings) -> str:
    how = (
        f"{findings.clips} clips of the split `{findings.split}`, half of them real, the first {findings.seconds:g} s "
        "of each, all damaged and written again (H.264 CRF 18, AAC 128 kbit/s) in the same way."
    )
    if findings.seen is None:
        how += " The bundle does not name its training sources."
    else:
        how += f" {findings.seen} of them come from sources that the model was trained on."
    if findings.missing:
        how += f" INCOMPLETE: {findings.missing} conditions are not finished."
    text = card(findings.outcomes, findings.slices, findings.model_id, how)
    (folder / "robustness.md").write_text(text, encoding="utf-8")
    document = json.dumps(plain(findings), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "robustness.json").write_text(document + "\n", encoding="utf-8")
    picture = plot(findings.outcomes, f"Robustness of {findings.model_id}: {findings.clips} clips")
    (folder / "robustness.svg").write_text(picture, encoding="utf-8")
    return text
