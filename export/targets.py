# SPDX-License-Identifier: Apache-2.0
"""The artefacts for other runtimes than the product's own: onnx/ and coreml/, verified against torch, with a manifest.

``artefacts.json`` beside them holds the sha256 of every file, the spec's hash and the licences; ``avguard models
verify`` checks it. The same checkpoint and windows give the same bytes.

``python -m export.targets --checkpoint FILE --calibration FILE.npz --out DIR`` makes them alone; ``export.bundle``
makes the .pte bundle and them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

import torch
from torch import nn

from avguard.errors import ModelError
from avguard.models import default_path
from avguard.models.artefacts import FORMAT, NAME, problems_of
from avguard.spec import load_spec
from avguard.train.checkpoint import load_checkpoint
from avguard.train.graph import deployable
from avguard.train.quantize import int8_graph
from export.faces import face_targets
from export.interface import Interface, joint_interface
from export.parity import Judge, as_windows, of_onnx, of_package, table
from export.to_coreml import export_joint_coreml, in_folder
from export.to_executorch import load_calibration
from export.to_onnx import export_joint_onnx
from export.versions import LICENCES, MODEL_ID

Files = dict[str, bytes]
"""Artefacts by path, with / between folders."""


def joint_targets(model: nn.Module, graph: nn.Module, interface: Interface, judge: Judge) -> Files:
    """The joint model for onnxruntime and CoreML, float and int8, each compared with torch.

    ``model`` from ``deployable``, ``graph`` from ``quantized``. Raises ModelError when one is past tolerance.
    """
    files: Files = {}
    for kind, source, name in (("float", model, "joint_fp32"), ("int8", graph, "joint_int8")):
        data = export_joint_onnx(source, interface)
        judge.judge(f"onnx/{name}.onnx, onnxruntime", kind, of_onnx(data))
        judge.judge(f"onnx/{name}.onnx, onnxruntime without optimisation", kind, of_onnx(data, optimised=False))
        files[f"onnx/{name}.onnx"] = data
    for kind, source, name in (("half", model, "joint_fp16"), ("int8 half", graph, "joint_int8")):
        package = export_joint_coreml(source, interface, "float16")
        judge.judge(f"coreml/{name}.mlpackage, interpreter", kind, of_package(package))
        files |= in_folder(f"coreml/{name}.mlpackage", package)
    return files


def manifest_of(files: Files, model_id: str) -> bytes:
    """``artefacts.json``."""
    raw = {
        "format": FORMAT,
        "id": model_id,
        "spec_hash": load_spec().hash,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        **LICENCES,
    }
    return (json.dumps(raw, indent=1, sort_keys=True) + "\n").encode()


def write_targets(out: Path, files: Files, model_id: str = MODEL_ID) -> None:
    """Write ``files``, their notice and manifest to ``out``, in place of artefacts that were there. Raises ModelError.

    Other folders are left alone: only one that holds ``artefacts.json``, or nothing, is replaced.
    """
    if out.exists() and any(out.iterdir()) and not (out / NAME).is_file():
        raise ModelError(f"{out} holds other things than artefacts; name another folder, or empty it.")
    aside = out.parent / f".{out.name}.new"
    shutil.rmtree(aside, ignore_errors=True)
    files = files | {"NOTICE.md": (default_path() / "NOTICE.md").read_bytes()}
    for name, data in (files | {NAME: manifest_of(files, model_id)}).items():
        (aside / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).write_bytes(data)
    problems = problems_of(aside)
    if problems:
        shutil.rmtree(aside)
        raise ModelError(f"the artefacts do not verify: {problems[0]}")
    if out.exists():
        shutil.rmtree(out)
    aside.rename(out)


def sizes(files: Files) -> dict[str, int]:
    """Bytes per artefact; a package counts whole."""
    found: dict[str, int] = {}
    for name, data in files.items():
        artefact = name.partition(".mlpackage/")[0] + ".mlpackage" if ".mlpackage/" in name else name
        found[artefact] = found.get(artefact, 0) + len(data)
    return found


def report(files: Files, judge: Judge) -> str:
    """Sizes and the parity table, for people."""
    lines = [f"{name}: {size} bytes" for name, size in sizes(files).items()]
    return "\n".join(lines) + "\n\n" + table(judge.lines)


def main() -> int:
    """Make, compare and write the artefacts; prints their sizes and the parity table."""
    parser = argparse.ArgumentParser(prog="python -m export.targets", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("export/checkpoints/joint.pt"))
    parser.add_argument("--calibration", type=Path, required=True, help=".npz: one array per input, one row per window")
    parser.add_argument("--golden", type=Path, help="windows to compare on; by default the last of --calibration")
    parser.add_argument("--out", type=Path, default=Path("build/bundle"))
    parser.add_argument("--wheel", type=Path, help="mediapipe-0.10.21-*.whl: the face models too")
    args = parser.parse_args()
    (batch,) = load_calibration(args.calibration)
    ranges, golden = (batch, load_calibration(args.golden)[0]) if args.golden else _divided(batch)
    model = load_checkpoint(args.checkpoint)
    with torch.no_grad():
        graph = int8_graph(args.checkpoint, [ranges])
    judge = Judge(deployable(model), graph, as_windows(golden))
    files = joint_targets(deployable(model), graph, joint_interface(MODEL_ID, **LICENCES), judge)
    if args.wheel:
        files |= face_targets(args.wheel, judge.lines)
    write_targets(args.out, files)
    sys.stdout.write(report(files, judge))
    return 0


def _divided(batch: tuple[torch.Tensor, ...]) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    at = len(batch[0]) - max(2, len(batch[0]) // 4)
    return tuple(x[:at] for x in batch), tuple(x[at:] for x in batch)


if __name__ == "__main__":
    raise SystemExit(main())
