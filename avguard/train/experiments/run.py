# SPDX-License-Identifier: Apache-2.0
"""Runs one experiment after the other; each ends in one JSON file, and one that is there is not run again.

A result holds the mean window logit of every clip by head, so that any table can be made from it later: of the
held-out sources (``validation``) and, as they are, of the test split where training did not see it (``test``), of the
training clips whose generators were left out (``unseen``), or of all clips whose sources were (``left_out``;
``before``: the same by the checkpoint that the run went on from).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avguard.evaluate.manifest import Row, read_manifest
from avguard.spec import load_spec
from avguard.train.experiments.plan import Experiment
from avguard.train.families import family_of
from avguard.train.loop import Trainer
from avguard.train.model import count_parameters
from avguard.train.validation import Validation, load_windows

SPEC = load_spec()
NATURAL = "natural"
"""Folder of the store with windows of clips as they are; made by ``avguard.train.produce.produce_natural``."""


def run_all(experiments: Sequence[Experiment], data: Path, store: Path, out: Path) -> None:
    """Run what has no result yet. Interrupt and start again to go on, in the middle of a run too."""
    for number, experiment in enumerate(experiments, 1):
        result = out / f"{experiment.name}.json"
        if result.exists():
            continue
        print(f"\n[{number}/{len(experiments)}] {experiment.name}", file=sys.stderr, flush=True)
        trainer = Trainer(experiment.settings, data, store, out / "runs" / experiment.name)
        trainer.run()
        aside = result.with_suffix(".tmp")
        aside.write_text(json.dumps(measure(experiment, trainer, data, store), indent=1, sort_keys=True))
        aside.rename(result)


def measure(experiment: Experiment, trainer: Trainer, data: Path, store: Path) -> dict[str, Any]:
    """The result of a finished run."""
    rows = list(read_manifest(data))
    clips = {"validation": clip_logits(trainer.validation, trainer)}
    if "test" in experiment.settings.without_parts.split(","):
        test = load_windows(store / NATURAL, rows).only({n for n, row in by_clip(rows).items() if row.split == "test"})
        clips["test"] = clip_logits(test, trainer) if test.pairs else {}
    if experiment.settings.hold_out:
        natural = load_windows(store / NATURAL, rows)
        left_out = {
            name for name, row in by_clip(rows).items() if family_of(row.generator) == experiment.settings.hold_out
        }
        clips["unseen"] = {k: v for k, v in clip_logits(natural, trainer).items() if k in left_out}
        # Held-out sources may hold clips of the family too: those are unseen as well.
        for name in left_out & set(clips["validation"]):
            clips["unseen"][name] = clips["validation"].pop(name)
    if experiment.settings.without_sources:
        away = experiment.settings.without_sources.split(",")
        natural = load_windows(store / NATURAL, rows).only(
            {n for n, row in by_clip(rows).items() if row.source in away}
        )
        clips["left_out"] = clip_logits(natural, trainer)
        saved = torch.load(experiment.settings.start_from, map_location="cpu", weights_only=True)
        trainer.ema.model.load_state_dict(saved["model"])
        clips["before"] = clip_logits(natural, trainer)
    return {
        "name": experiment.name,
        "group": experiment.group,
        "kind": experiment.kind,
        "settings": asdict(experiment.settings),
        "spec_hash": SPEC.hash,
        "steps": trainer.step,
        "parameters": count_parameters(trainer.model),
        "clips": clips,
    }


def by_clip(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows by the name that clips have in the store."""
    return {Path(row.path).stem: row for row in rows}


def clip_logits(windows: Validation, trainer: Trainer) -> dict[str, dict[str, float]]:
    """Mean logit by head of every clip; heads whose modality was not judged, or not trained, are left out."""
    names, logits, judged = windows.logits(trainer.ema.model, trainer.settings.device)
    clips = np.array(names)
    heads = set(trainer.model.heads)
    seen = {"video": judged[:, 0], "audio": judged[:, 1], "sync": judged.all(1), "desync": judged.all(1)}
    result: dict[str, dict[str, float]] = {}
    for clip in sorted(set(names)):
        result[clip] = {
            head: round(float(logits[(clips == clip) & seen[head], number].mean()), 5)
            for number, head in enumerate(SPEC.heads)
            if head in heads and ((clips == clip) & seen[head]).any()
        }
    return result
