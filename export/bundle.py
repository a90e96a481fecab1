# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to the directory that ships: programs, golden vectors, calibration, manifest, card.

The same checkpoint, data and versions give the same bytes. A bundle whose programs disagree with the checkpoint beyond
tolerance is not written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from avguard import _core
from avguard.errors import ModelError
from avguard.evaluate.manifest import Row, read_manifest
from avguard.line import SELF_TEST_TOLERANCE, pattern_input
from avguard.models import default_path, open_bundle
from avguard.spec import load_spec
from avguard.train.calibrate import ClipLogits, Moved, calibrate, collect_logits
from avguard.train.checkpoint import load_checkpoint
from avguard.train.conditions import CONDITIONS, MOVED_MS, moved
from avguard.train.graph import deployable
from avguard.train.model import INPUT_SHAPES, JointModel, count_macs, count_parameters
from avguard.train.produce import produce_validation
from avguard.train.quantize import int8_graph
from avguard.train.splits import part_of
from avguard.train.validation import Validation, load_validation, natural_inputs
from export.card import with_measured
from export.faces import face_targets
from export.held_out import load as load_held_out
from export.interface import joint_interface
from export.parity import Judge, Window, as_windows, of_package, of_pte, table
from export.sheet import sheet
from export.targets import Files, joint_targets, sizes, write_targets
from export.to_coreml import export_joint_coreml
from export.to_executorch import FLOAT_NAME, INT8_NAME, export_float, lower_int8
from export.versions import LICENCES, MODEL_ID

# Bytes: what an app or a page can be asked to carry.
LIMITS = {FLOAT_NAME: 4_000_000, INT8_NAME: 1_200_000, "the bundle": 10_000_000}
FACES = {"face_detector": "face_detector.pte", "face_mesh": "face_mesh.pte"}


def golden_vectors(references: dict[str, nn.Module]) -> dict[str, Any]:
    """Self-test of a bundle: input shapes, and by role the torch reference's window logits on the fixed pattern."""
    shapes = [[1, *shape] for shape in INPUT_SHAPES.values()]
    inputs = [torch.from_numpy(pattern_input(shape, seed)) for seed, shape in enumerate(shapes)]
    with torch.no_grad():
        logits = {role: reference(*inputs)[0].flatten() for role, reference in references.items()}
    return {"shapes": shapes, "logits": {role: [round(float(v), 6) for v in values] for role, values in logits.items()}}


def parity(programs: dict[str, bytes], golden: dict[str, Any]) -> dict[str, float]:
    """Largest logit difference of each program from its torch reference on the golden vectors. Raises ModelError."""
    errors = {}
    for role, data in programs.items():
        inputs = [pattern_input(shape, seed) for seed, shape in enumerate(golden["shapes"])]
        outputs = _core.Program(data).run(inputs)
        errors[role] = float(np.abs(outputs[0] - np.array(golden["logits"][role], np.float32)).max())
        if errors[role] > SELF_TEST_TOLERANCE[role]:
            raise ModelError(f"{role} is {errors[role]:.3g} logits off its reference; the bundle is not written")
    return errors


def agreement(programs: dict[str, bytes], validation: Validation) -> dict[str, dict[str, float]]:
    """AUC per head of each program on validation windows. Raises ModelError when int8 loses over a point on average.

    On average, because a single head's AUC on some sixty bona fide clips moves by a point for a handful of clips.
    """
    scores = {role: validation.scores(ProgramModel(data), "cpu") for role, data in programs.items()}
    lost = float(np.mean([scores["joint_float"][head] - scores["joint_int8"][head] for head in scores["joint_float"]]))
    if lost > 0.01:
        raise ModelError(f"int8 loses {lost:.3f} AUC on average over the heads; the bundle is not written")
    return scores


class ProgramModel(nn.Module):
    """A lowered program that can stand where the torch model does."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.program = _core.Program(data)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor]:
        rows = zip(*(x.numpy() for x in inputs), strict=True)
        return (
            torch.from_numpy(np.stack([self.program.run([np.ascontiguousarray(x) for x in row])[0] for row in rows])),
        )


def ranges_batch(validation: Validation, count: int = 192) -> Iterator[tuple[torch.Tensor, ...]]:
    """One batch of windows of validation clips, made when asked for; some without picture, some without sound."""
    chosen = np.random.default_rng(0).permutation(len(validation.pairs))[:count]
    pairs = [validation.pairs[i] for i in chosen]
    for i in range(0, len(pairs), 8):
        pairs[i] = (-1, pairs[i][1]) if pairs[i][1] >= 0 else pairs[i]
    yield tuple(torch.from_numpy(x) for x in natural_inputs(validation.video, validation.audio, pairs))


def golden_windows(validation: Validation, count: int = 24) -> list[Window]:
    """Windows of validation clips with both picture and sound: what artefacts are compared on."""
    whole = [pair for pair in validation.pairs if min(pair) >= 0]
    chosen = [whole[i] for i in np.random.default_rng(1).permutation(len(whole))[:count]]
    return as_windows([torch.from_numpy(x) for x in natural_inputs(validation.video, validation.audio, chosen)])


def write_bundle(
    out: Path,
    programs: dict[str, bytes],
    golden: dict[str, Any],
    calibration: dict[str, Any],
    card: str,
    trained_on: list[str] | None = None,
) -> None:
    """Write the bundle to ``out``, whole or not at all; face programs and notice are those that ship.

    ``trained_on``: sources whose clips training saw, None when that is not known. Raises ModelError past LIMITS, when
    ``out`` holds something else than a bundle, or when what was written does not open.
    """
    if out.exists() and any(out.iterdir()) and not (out / "manifest.json").is_file():
        raise ModelError(f"{out} holds other things than a bundle; name another folder, or empty it.")
    names = {"joint_float": FLOAT_NAME, "joint_int8": INT8_NAME}
    data = {name: (default_path() / name).read_bytes() for name in (*FACES.values(), "NOTICE.md")}
    data |= {names[role]: program for role, program in programs.items()}
    data |= {"self_test.json": json.dumps(golden).encode(), "card.md": card.encode()}
    _check_sizes(data)
    manifest = {
        "format": 1,
        "id": MODEL_ID,
        "spec_hash": load_spec().hash,
        "runtime": {"executorch": "1.5"},
        "files": {name: hashlib.sha256(data[name]).hexdigest() for name in sorted(data)},
        "programs": {**FACES, **names},
        "self_test": "self_test.json",
        "calibration": _rounded(calibration),
        **LICENCES,
    }
    if trained_on is not None:
        manifest["trained_on"] = sorted(set(trained_on))
    data["manifest.json"] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    _replace(out, data)


def _check_sizes(data: dict[str, bytes]) -> None:
    found = {name: len(content) for name, content in data.items()} | {"the bundle": sum(map(len, data.values()))}
    for name, most in LIMITS.items():
        if found[name] > most:
            raise ModelError(f"{name} has {found[name]:,} bytes, more than {most:,}; the bundle is not written")


def _replace(out: Path, data: dict[str, bytes]) -> None:
    """Put a folder of ``data`` in the place of ``out``: made aside, opened, then renamed."""
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    aside, old = out.parent / f".{out.name}.new", out.parent / f".{out.name}.old"
    for folder in (aside, old):
        shutil.rmtree(folder, ignore_errors=True)
    aside.mkdir()
    try:
        for name, content in data.items():
            (aside / name).write_bytes(content)
        open_bundle(aside)
        if out.exists():
            out.rename(old)
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if old.exists() and not out.exists():
            old.rename(out)
        shutil.rmtree(old, ignore_errors=True)


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 5) if isinstance(value, float) else value


def make_card(
    model: JointModel,
    clips: list[ClipLogits],
    programs: dict[str, bytes],
    errors: dict[str, float],
    trained_on: list[str] | None = None,
) -> str:
    """The model card: what it is, what it was made from, what is known to be weak."""
    sources = sorted({clip.row.source for clip in clips})
    seen = f"{len(set(trained_on))} sources that `manifest.json` names" if trained_on else "the `train` split's sources"
    lines = [
        f"# {MODEL_ID}",
        "",
        "Two-plus-one streams after Zhou & Lim, ICCV 2021: video, audio, and a sync-stream over both.",
        "",
        f"- parameters: {count_parameters(model):,}",
        f"- multiply-accumulates per 1.92 s window: {count_macs(model)['total']:,}",
        *(
            f"- {role}: {len(data):,} bytes, {errors[role]:.4f} logits off its torch reference"
            for role, data in programs.items()
        ),
        f"- spec: {load_spec().hash}",
        "",
        "Both streams start from the first stages of EfficientNet-lite0 with ImageNet weights (NOTICE.md). Trained on",
        f"clips of {seen} and on pseudo-fakes forged from their bona fide clips.",
        "Thresholds and calibration come from clips of these sources, by models that were not trained on them:",
        "",
        *(f"- {source}" for source in sources),
        "",
        "Numbers on the `test` split are in the README. Known to be weak: faces under 30 px between the eyes,",
        "profiles, heavy compression, speech under music, voice conversion of high quality, generators of",
        "whole scenes.",
        "",
    ]
    return "\n".join(lines)


def judged_targets(
    model: nn.Module, graph: nn.Module, programs: dict[str, bytes], judge: Judge, wheel: Path | None
) -> Files:
    """ONNX and CoreML of the joint model, and of the face models given their wheel; ModelError past tolerance."""
    judge.judge("joint_fp32.pte, ExecuTorch", "float", of_pte(programs["joint_float"]))
    judge.judge("joint_int8.pte, ExecuTorch", "int8", of_pte(programs["joint_int8"]))
    interface = joint_interface(MODEL_ID, **LICENCES)
    # Not written: it shows that what the halves of the one that is written move is not another graph.
    whole = of_package(export_joint_coreml(graph, interface))
    judge.judge("joint_int8 in CoreML with float32, interpreter", "int8", whole)
    files = joint_targets(model, graph, interface, judge)
    return files | (face_targets(wheel, judge.lines) if wheel else {})


def judged_validation(
    everything: list[Row], data: Path, program: bytes
) -> tuple[list[ClipLogits], list[list[ClipLogits]], Moved]:
    """Raw logits of the validation clips, and of the bona fide ones under each of CONDITIONS and moved by MOVED_MS."""
    rows = [row for row in everything if part_of(row) == "validation"]
    honest = [row for row in rows if row.kind == "real"]
    hard = [collect_logits(honest, data, program, change=change) for change in CONDITIONS.values()]
    late = {by: collect_logits(honest, data, program, change=partial(moved, by)) for by in MOVED_MS}
    return collect_logits(rows, data, program), hard, late


def main() -> int:
    """Export, check, calibrate and write; prints a table of the programs."""
    parser = argparse.ArgumentParser(prog="python -m export.bundle", description=__doc__)
    shared = os.environ.get("AVGUARD_SHARED", "../shared")
    parser.add_argument("--checkpoint", type=Path, default=Path("export/checkpoints/joint.pt"))
    parser.add_argument("--data", type=Path, default=Path(shared) / "data")
    parser.add_argument("--windows", type=Path, help="by default made of the validation clips, in runs/store")
    parser.add_argument("--out", type=Path, default=Path("avguard/models/default"))
    parser.add_argument("--targets", type=Path, default=Path("build/bundle"), help="folder for ONNX and CoreML")
    parser.add_argument("--wheel", type=Path, help="mediapipe-0.10.21-*.whl: ONNX and CoreML of the face models too")
    parser.add_argument("--held-out", type=Path, help="folder of export.held_out: calibrate on these logits instead")
    parser.add_argument(
        "--trained-on",
        nargs="+",
        help="sources whose clips training saw; default: the checkpoint's, else the train part's",
    )
    parser.add_argument("--peak-weight", type=float, default=0.3)
    args = parser.parse_args()
    torch.set_num_threads(1)  # sums of several threads are others
    everything = list(read_manifest(args.data))
    model = load_checkpoint(args.checkpoint)
    validation = load_validation(args.windows or produce_validation(args.data, Path("runs/store")), everything)
    with torch.no_grad():
        graph = int8_graph(args.checkpoint, ranges_batch(validation), args.checkpoint.with_suffix(".ranges.json"))
    programs = {"joint_float": export_float(model), "joint_int8": lower_int8(graph)}
    golden = golden_vectors({"joint_float": deployable(model), "joint_int8": graph})
    errors = parity(programs, golden)
    judge = Judge(deployable(model), graph, golden_windows(validation))
    others = judged_targets(deployable(model), graph, programs, judge, args.wheel)
    scores = agreement(programs, validation)
    if args.held_out:
        clips, hard, late = load_held_out(sorted(args.held_out.glob("*.json")), everything)
    else:
        clips, hard, late = judged_validation(everything, args.data, programs["joint_int8"])
    calibration = calibrate(clips, args.peak_weight, hard, late)
    known = torch.load(args.checkpoint, map_location="cpu", weights_only=True).get("trained_on")
    seen = args.trained_on or known or [row.source for row in everything if part_of(row) == "train"]
    ours = {FLOAT_NAME: programs["joint_float"], INT8_NAME: programs["joint_int8"]}
    card = with_measured(make_card(model, clips, programs, errors, seen), args.out, ours)
    write_targets(args.targets, others | {"card.md": card.encode()})
    write_bundle(args.out, programs, golden, calibration, card, seen)
    sys.stdout.write(sheet(ours | others, sizes(ours | others), judge.lines) + "\n" + table(judge.lines))
    for role, data in programs.items():
        aucs = ", ".join(f"{head} {value:.3f}" for head, value in scores[role].items())
        sys.stdout.write(f"{role}: {len(data)} bytes, {errors[role]:.5f} logits off torch, validation AUC {aucs}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
