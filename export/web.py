# SPDX-License-Identifier: Apache-2.0
"""The bundle for the page in mobile_demo/web: ONNX from the shipped checkpoint, made small, and a manifest.

``python -m export.web --wheel mediapipe.whl --out DIR``. Calibration, id and self-test are those of the default bundle.
The face models' weights were float16 when they were published and are stored so again, to the bit. The joint model's
are stored as int16 with a scale per output channel, which moves its logits by less than what the self-test sees.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from avguard.train.checkpoint import load_checkpoint
from avguard.train.graph import deployable
from export.faces import SOURCES, build_port, interface_of, pictures
from export.host_bundle import write_bundle
from export.interface import joint_interface
from export.quiet import quiet
from export.to_onnx import export_joint_onnx, export_onnx
from export.versions import MODEL_ID

Store = Callable[[str, NDArray[np.float32]], tuple[list[TensorProto], list[NodeProto]]]

RUNTIME = {"onnxruntime-web": "1"}
SMALLEST = 256
"""Constants with fewer values stay as they are."""


def stored_as_float16(data: bytes) -> bytes:
    """The same model with large constants as float16. Raises ModelError when one is not exact in float16."""
    model = onnx.load_from_string(data)
    _replace(model, _half)
    return model.SerializeToString(deterministic=True)


def stored_as_int16(data: bytes) -> bytes:
    """The same model with large constants as int16 and a scale for each of their first index."""
    model = onnx.load_from_string(data)
    _replace(model, _int16)
    return model.SerializeToString(deterministic=True)


def _replace(model: ModelProto, store: Store) -> None:
    graph = model.graph
    kept, added, nodes = [], [], []
    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        if constant.data_type != TensorProto.FLOAT or values.size < SMALLEST:
            kept.append(constant)
            continue
        more, makers = store(constant.name, values)
        added += more
        nodes += makers
    rest = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend([*kept, *added])
    graph.node.extend([*nodes, *rest])


def _half(name: str, values: NDArray[np.float32]) -> tuple[list[TensorProto], list[NodeProto]]:
    half = values.astype(np.float16)
    if not np.array_equal(half.astype(np.float32), values):
        return _int16(name, values)
    cast = onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT)
    return [numpy_helper.from_array(half, f"{name}_half")], [cast]


def _int16(name: str, values: NDArray[np.float32]) -> tuple[list[TensorProto], list[NodeProto]]:
    axes = tuple(range(1, values.ndim))
    scale = np.maximum(np.abs(values).max(axis=axes, keepdims=True), 1e-30).astype(np.float32) / np.float32(32767)
    whole = np.round(values.astype(np.float64) / scale).astype(np.int16)
    nodes = [
        onnx.helper.make_node("Cast", [f"{name}_int16"], [f"{name}_whole"], to=TensorProto.FLOAT),
        onnx.helper.make_node("Mul", [f"{name}_whole", f"{name}_scale"], [name]),
    ]
    return [numpy_helper.from_array(whole, f"{name}_int16"), numpy_helper.from_array(scale, f"{name}_scale")], nodes


def models(checkpoint: Path, wheel: Path) -> dict[str, bytes]:
    """The three ONNX files by name."""
    import torch

    joint = export_joint_onnx(deployable(load_checkpoint(checkpoint)), joint_interface(MODEL_ID))
    files = {"joint_float.onnx": stored_as_int16(joint)}
    for source in SOURCES:
        with quiet():
            program = torch.export.export(build_port(wheel, source), pictures(source, 1), strict=False)
        files[f"{source.name}.onnx"] = stored_as_float16(export_onnx(program, interface_of(source)))
    return files


def main() -> int:
    """Write the bundle."""
    parser = argparse.ArgumentParser(prog="python -m export.web", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("export/checkpoints/joint.pt"))
    parser.add_argument("--wheel", type=Path, required=True, help="mediapipe-0.10.21-*.whl")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    files = models(args.checkpoint, args.wheel)
    write_bundle(args.out, files, RUNTIME, {name.removesuffix(".onnx"): name for name in sorted(files)})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
