# SPDX-License-Identifier: Apache-2.0
"""Runs one experiment after the other; each ends in one JSON file, and one that is there is not run again.

A result holds the mean window logit of every clip by head, so that any table can be made from it later: of the
held-out sources (``validation``) and, as they are, of the test split where training did not see it (``test``), of all
clips whose generators were left out (``unseen``), or of all clips whose sources were (``left_out``; ``before``: the
same by the checkpoint that the run went on from).
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from avguard.evaluate.manifest import Row, read_manifest
from avguard.spec import load_spec
from avguard.train.experiments.plan import Experiment
from avguard.train.experiments.results import Result, write_clips, write_result
from avguard.train.families import family_of
from avguard.train.loop import Trainer
from avguard.train.model import count_parameters
from avguard.train.validation import Validation, load_windows

SPEC = load_spec()
NATURAL = "natural"
"""Folder of the store with windows of clips as they are; made by ``avguard.train.produce.produce_natural``."""
DECIMALS = 3


def run_all(experiments: Sequence[Experiment], data: Path, store: Path, out: Path) -> None:
    """Run what has no result yet. Interrupt and start again to go on, in the middle of a run too.

    Several processes may share a plan: what one of them is at, the others pass over.
    """
    write_clips(out, by_clip(read_manifest(data)))
    for number, experiment in enumerate(experiments, 1):
        folder = out / "runs" / experiment.name
        with _alone(folder) as alone:
            if not alone or (out / f"{experiment.name}.json").exists():
                continue
            print(f"\n[{number}/{len(experiments)}] {experiment.name}", file=sys.stderr, flush=True)
            trainer = Trainer(experiment.settings, data, store, folder)
            trainer.run()
            write_result(out, measure(experiment, trainer, data, store))


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process is at the run in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def measure(experiment: Experiment, trainer: Trainer, data: Path, store: Path) -> Result:
    """The result of a finished run."""
    rows, settings = list(read_manifest(data)), experiment.settings
    natural = load_windows(store / NATURAL, rows, trainer.views)

    def judged(chosen: set[str]) -> dict[str, dict[str, float]]:
        windows = natural.only(chosen)
        return clip_logits(windows, trainer) if windows.pairs else {}

    named = by_clip(rows)
    clips = {"validation": clip_logits(trainer.validation, trainer)}
    if experiment.group == "unseen":
        left_out = {name for name, row in named.items() if family_of(row.generator) == settings.hold_out}
        clips["unseen"] = judged(left_out)
        # Held-out sources may hold clips of the family too: those are unseen as well.
        for name in left_out & set(clips["validation"]):
            clips["unseen"][name] = clips["validation"].pop(name)
    elif "test" in settings.without_parts.split(","):
        clips["test"] = judged({name for name, row in named.items() if row.split == "test"})
    if settings.without_sources:
        away = {name for name, row in named.items() if row.source in settings.without_sources.split(",")}
        clips["left_out"] = judged(away)
        saved = torch.load(settings.start_from, map_location="cpu", weights_only=True)
        trainer.ema.model.load_state_dict(saved["model"])
        clips["before"] = judged(away)
    trained = count_parameters(trainer.model)
    return {
        "name": experiment.name,
        "group": experiment.group,
        "label": experiment.label,
        "kind": experiment.kind,
        "settings": asdict(settings),
        "spec_hash": SPEC.hash,
        "steps": trainer.step,
        "minutes": round(trainer.elapsed_s / 60, 2),
        "trained_parameters": trained,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "clips": clips,
    }


def by_clip(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows by the name that clips have in the store."""
    return {Path(row.path).stem: row for row in rows}


def clip_logits(windows: Validation, trainer: Trainer) -> dict[str, dict[str, float]]:
    """Mean logit by head of every clip; heads whose modality was not judged, or not trained, are left out."""
    names, logits, judged = windows.logits(trainer.ema.model, trainer.settings.device)
    clips = np.array(names)
    heads = set(trainer.model.heads) - set(trainer.settings.without_heads.split(","))
    seen = {"video": judged[:, 0], "audio": judged[:, 1], "sync": judged.all(1), "desync": judged.all(1)}
    result: dict[str, dict[str, float]] = {}
    for clip in sorted(set(names)):
        here = clips == clip
        result[clip] = {
            head: round(float(logits[here & seen[head], number].mean()), DECIMALS)
            for number, head in enumerate(SPEC.heads)
            if head in heads and (here & seen[head]).any()
        }
    return result
