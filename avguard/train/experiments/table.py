# SPDX-License-Identifier: Apache-2.0
"""Tables from the results of experiments, and nothing else: AUC with 95 % intervals over held-out sources."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avguard.evaluate.manifest import Row
from avguard.evaluate.metrics import auc
from avguard.train.experiments.plan import KINDS
from avguard.train.experiments.run import by_clip

Result = dict[str, Any]
Scores = dict[str, float]
DRAWS = 1000


def read_results(folder: Path) -> list[Result]:
    """All results in ``folder``, by name."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def noisy_or(video: float, audio: float) -> float:
    """Log odds that one or the other is fake, when both are judged apart: late fusion."""
    clean = 1 / ((1 + np.exp(video)) * (1 + np.exp(audio)))
    clean = min(max(float(clean), 1e-12), 1 - 1e-12)
    return float(np.log((1 - clean) / clean))


def scores_of(head: str, part: str, *results: Result) -> Scores:
    """Scores by clip. ``head``: video, audio, sync, or "late": the noisy-or of the video and audio heads.

    From the first of ``results`` that has the head: a joint run, or a video and an audio run together.
    """

    def one(name: str) -> Scores:
        for result in results:
            found = {clip: values[name] for clip, values in result["clips"].get(part, {}).items() if name in values}
            if found:
                return found
        return {}

    if head != "late":
        return one(head)
    video, audio = one("video"), one("audio")
    return {clip: noisy_or(video[clip], audio[clip]) for clip in video.keys() & audio.keys()}


def measure(scores: Scores, rows: Mapping[str, Row], truth: Callable[[Row], int | None]) -> tuple[float, float, float]:
    """AUC and its 95 % interval, drawn over sources; NaN when a class is missing."""
    clips = [(clip, truth(rows[clip])) for clip in sorted(scores)]
    known = [(clip, label) for clip, label in clips if label is not None]
    labels = np.array([label for _, label in known])
    values = np.array([scores[clip] for clip, _ in known])
    if len(set(labels.tolist())) < 2:
        return (float("nan"),) * 3
    members: dict[str, list[int]] = defaultdict(list)
    for number, (clip, _) in enumerate(known):
        members[rows[clip].source].append(number)
    groups, rng, drawn = list(members.values()), np.random.default_rng(0), []
    for _ in range(DRAWS):
        chosen = np.concatenate([groups[g] for g in rng.integers(0, len(groups), len(groups))])
        if len(set(labels[chosen].tolist())) == 2:
            drawn.append(auc(labels[chosen], values[chosen]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(auc(labels, values)), float(low), float(high)


TRUTHS: dict[str, Callable[[Row], int | None]] = {
    "video": lambda row: row.truth("video"),
    "audio": lambda row: row.truth("audio"),
    "either": lambda row: int(row.kind == "fake"),
}
# (column, truth, head of the joint model, head of the models trained apart)
COLUMNS = (
    ("video", "video", "video", "video"),
    ("audio", "audio", "audio", "audio"),
    ("either", "either", "sync", "late"),
)


def claims_table(results: Sequence[Result], rows: Sequence[Row]) -> str:
    """Joint against trained apart, on the held-out sources and on the test split: mean and range over seeds."""
    lines = ["| clips | heads | joint | trained apart | difference | seeds |", "|---|---|---|---|---|---|"]
    seeds = _by_seed([r for r in results if r["group"] == "claims"])
    whole = [kinds for kinds in seeds.values() if set(kinds) == set(KINDS)]
    for part in ("validation", "test"):
        for column, truth, joint_head, apart_head in COLUMNS:
            pairs = [_compare(kinds, part, truth, joint_head, apart_head, by_clip(rows)) for kinds in whole]
            pairs = [pair for pair in pairs if not np.isnan(pair).any()]
            if pairs:
                joint, apart = np.array(pairs).T
                gap = joint - apart
                lines.append(
                    f"| {part} | {column} | {joint.mean():.3f} | {apart.mean():.3f} | {gap.mean():+.3f} "
                    f"({gap.min():+.3f} to {gap.max():+.3f}) | {len(pairs)} |"
                )
    return "\n".join(lines)


def unseen_table(results: Sequence[Result], rows: Sequence[Row]) -> str:
    """A family of generators left out of training, against the bona fide clips of held-out sources."""
    header = " | ".join(f"{c} joint | {c} apart" for c, *_ in COLUMNS)
    lines = [f"| family left out | clips | {header} |", "|---|---|" + "---|" * (2 * len(COLUMNS))]
    families: dict[str, dict[str, Result]] = defaultdict(dict)
    for result in results:
        if result["group"] == "unseen":
            families[result["settings"]["hold_out"]][result["kind"]] = result
    clips = by_clip(rows)
    for family, kinds in families.items():
        if set(kinds) != set(KINDS):
            continue
        mixed = {kind: _against_real(result, clips) for kind, result in kinds.items()}
        cells = []
        for _, truth, joint_head, apart_head in COLUMNS:
            cells += [_number(v) for v in _compare(mixed, "mixed", truth, joint_head, apart_head, clips)]
        lines.append(f"| {family} | {len(kinds['joint']['clips']['unseen'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ablation_table(results: Sequence[Result], rows: Sequence[Row]) -> str:
    """What the joint model loses without a part, on the held-out sources."""
    lines = ["| run | video | audio | either |", "|---|---|---|---|"]
    for result in results:
        if result["kind"] != "joint" or result["group"] == "unseen":
            continue
        cells = []
        for _, truth, head, _ in COLUMNS:
            value, low, high = measure(scores_of(head, "validation", result), by_clip(rows), TRUTHS[truth])
            cells.append(f"{value:.3f} [{low:.2f}, {high:.2f}]")
        lines.append(f"| {result['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def folds_table(results: Sequence[Result], rows: Sequence[Row]) -> str:
    """Clips of sources that were left out, before and after training went on with more sources; all folds together."""
    lines = ["| clips | heads | before | after |", "|---|---|---|---|"]
    clips = by_clip(rows)
    folds = [r for r in results if r["group"] == "folds"]
    for media in ("clips", "speech"):
        for column, truth, head, _ in COLUMNS:
            cells = []
            for part in ("before", "left_out"):
                scores = {c: v for r in folds for c, v in scores_of(head, part, r).items() if clips[c].media == media}
                cells.append("{:.3f} [{:.2f}, {:.2f}]".format(*measure(scores, clips, TRUTHS[truth])) if scores else "")
            if any(cells):
                lines.append(f"| {media} | {column} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def _by_seed(results: Sequence[Result]) -> dict[int, dict[str, Result]]:
    seeds: dict[int, dict[str, Result]] = defaultdict(dict)
    for result in results:
        seeds[result["settings"]["seed"]][result["kind"]] = result
    return seeds


def _against_real(result: Result, clips: Mapping[str, Row]) -> Result:
    real = {c: v for c, v in result["clips"]["validation"].items() if clips[c].kind == "real"}
    return {**result, "clips": {"mixed": {**real, **result["clips"]["unseen"]}}}


def _compare(
    kinds: Mapping[str, Result], part: str, truth: str, joint_head: str, apart_head: str, clips: Mapping[str, Row]
) -> tuple[float, float]:
    joint = scores_of(joint_head, part, kinds["joint"])
    apart = scores_of(apart_head, part, kinds["video"], kinds["audio"])
    # On the same clips: late fusion needs both modalities, as the sync head does.
    common = joint.keys() & apart.keys()
    values = [measure({c: s[c] for c in common}, clips, TRUTHS[truth])[0] for s in (joint, apart)]
    return values[0], values[1]


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"
