# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.baselines NAME...``: train and judge baselines, on the windows of the experiments.

Names: ``sound`` (AASIST-L on our bands), ``faces`` (EfficientNet-lite0 on single faces), ``offset`` (SyncNet's score),
``metadata`` (facts of the file); ``shipped`` judges the model that ships, float and int8, by the same code. Each leaves
one JSON result beside those of ``avguard.train.experiments``; what has one is not run again.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from avguard.evaluate.manifest import Row, read_manifest
from avguard.evaluate.trivial import measure_all
from avguard.spec import load_spec
from avguard.train.backbone import load_imagenet
from avguard.train.baselines import metadata
from avguard.train.baselines.faces import FrameNet
from avguard.train.baselines.fit import fit
from avguard.train.baselines.inputs import judged_parts, training_draws, window_scores
from avguard.train.baselines.offset import SyncNet, clip_scores
from avguard.train.baselines.shipped import Shipped
from avguard.train.baselines.sound import SoundNet
from avguard.train.experiments.results import write_clips, write_result
from avguard.train.experiments.run import by_clip
from avguard.train.loop import Settings
from avguard.train.model import count_parameters

NAMES = ("sound", "faces", "offset", "metadata", "shipped")
LEARNED: dict[str, type[SoundNet | FrameNet | SyncNet]] = {"sound": SoundNet, "faces": FrameNet, "offset": SyncNet}
PARTS = ("validation", "test")
# Two to four minutes of one core; rates as of the joint model and of ``align``, not tuned.
SETTINGS = {
    "sound": Settings(steps=800, learning_rate=1e-3, weight_decay=1e-2, without_parts="validation,test"),
    "faces": Settings(steps=400, learning_rate=5e-4, without_parts="validation,test"),
    "offset": Settings(steps=1000, learning_rate=1e-3, weight_decay=0.05, without_parts="validation,test"),
}
Clips = dict[str, dict[str, dict[str, float]]]


def save(out: Path, name: str, kind: str, settings: dict[str, Any], parameters: int, clips: Clips) -> None:
    """Write one result, of the form of ``experiments.run.measure``."""
    result = {
        "name": path_of(out, name).stem, "group": "baselines", "label": name, "kind": kind, "settings": settings,
        "spec_hash": load_spec().hash, "steps": settings.get("steps", 0), "parameters": parameters, "clips": clips,
    }  # fmt: skip
    write_result(out, result)


def path_of(out: Path, name: str) -> Path:
    """Where the result of a baseline lies."""
    return out / f"baselines-{name}.json"


def weights(
    name: str, settings: Settings, store: Path, rows: Sequence[Row], path: Path
) -> SoundNet | FrameNet | SyncNet:
    """``sound``, ``faces`` or ``offset`` as ``path`` has it, trained first where that is not there."""
    torch.manual_seed(settings.seed)
    model = LEARNED[name]()
    if not path.exists():
        if isinstance(model, FrameNet):
            load_imagenet(model.trunk)
        model = model.to(memory_format=torch.channels_last)
        sampler = training_draws(settings, store, rows, model.reads)
        draw = sampler.draw_bona_fide if isinstance(model, SyncNet) else sampler.draw
        trained = fit(model, draw, model.loss, settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"model": trained.state_dict(), "spec_hash": load_spec().hash}, path)
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["model"])
    return model.eval()


def learned(name: str, settings: Settings, store: Path, rows: Sequence[Row], out: Path) -> None:
    """Train ``sound``, ``faces`` or ``offset`` and judge it."""
    model = weights(name, settings, store, rows, out / "runs" / f"baselines-{name}.pt")
    judge = clip_scores if isinstance(model, SyncNet) else window_scores
    clips = {part: judge(model, windows) for part, windows in judged_parts(store, rows, model.reads).items()}
    save(out, name, model.kind, asdict(settings), count_parameters(model), clips)


def described(data: Path, rows: Sequence[Row], out: Path) -> None:
    """Fit ``metadata`` and judge it."""
    measured = measure_all(data, [row.path for row in rows], out / "metadata.jsonl")
    clips: Clips = {}
    for part in PARTS:
        by_head = {head: metadata.clip_scores(rows, measured, head, part) for head in metadata.HEADS}
        names = sorted({name for scores in by_head.values() for name in scores})
        clips[part] = {n: {h: scores[n] for h, scores in by_head.items() if n in scores} for n in names}
    save(out, "metadata", "facts", {"seed": 0}, len(metadata.HEADS) * (len(metadata.FACTS) + 1), clips)


def shipped(checkpoint: Path, store: Path, rows: Sequence[Row], out: Path) -> None:
    """Judge both forms of the model that ships."""
    float_model = Shipped(checkpoint)
    parts = judged_parts(store, rows, Shipped.reads)
    assert float_model.model is not None
    parameters = count_parameters(float_model.model)
    for name, model in (("shipped_float", float_model), ("shipped_int8", Shipped())):
        clips = {part: window_scores(model, windows) for part, windows in parts.items()}
        save(out, name, "joint", {"seed": 0}, parameters, clips)


def main() -> int:
    """Run what has no result yet; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.baselines", description=__doc__)
    parser.add_argument("names", nargs="+", choices=NAMES)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AVGUARD_SHARED", "../shared")) / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/store"), help="folder of windows")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--steps", type=int, default=0, help="of training, in place of each baseline's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, default=Path("export/checkpoints/joint.pt"), help="that ships")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, store = list(read_manifest(args.data)), args.work / "windows"
    write_clips(args.out, by_clip(rows))
    for name in args.names:
        if path_of(args.out, "shipped_int8" if name == "shipped" else name).exists():
            continue
        print(f"\n{name}", file=sys.stderr, flush=True)
        if name == "metadata":
            described(args.data, rows, args.out)
        elif name == "shipped":
            shipped(args.checkpoint, store, rows, args.out)
        else:
            settings = SETTINGS[name]
            settings = replace(settings, steps=args.steps or settings.steps, seed=args.seed)
            learned(name, settings, store, rows, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
