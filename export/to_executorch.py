# SPDX-License-Identifier: Apache-2.0
"""Lower the joint model to ExecuTorch: one static window per call, one XNNPACK delegate, float or int8 inside.

Inputs and outputs are float32 in both; each program also answers four constant methods: ``spec_hash``, ``spec_json``,
``input_names`` and ``output_names`` (names joined by commas).
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from torch import Tensor, nn
from torch.export import ExportedProgram

from avguard.errors import ModelError, UsageError
from avguard.spec import load_spec
from avguard.train.checkpoint import load_checkpoint
from avguard.train.graph import deployable, trace
from avguard.train.model import INPUT_SHAPES, OUTPUT_SHAPES, JointModel
from avguard.train.quantize import quantized
from export.arrange import channels_last, for_cache
from export.compact import compact
from export.seal import seal

FLOAT_NAME = "joint_fp32.pte"
INT8_NAME = "joint_int8.pte"


def constant_methods() -> dict[str, str]:
    """The strings every program carries, by method name."""
    spec = load_spec()
    return {
        "spec_hash": spec.hash,
        "spec_json": spec.text,
        "input_names": ",".join(INPUT_SHAPES),
        "output_names": ",".join(OUTPUT_SHAPES),
    }


def assert_fully_delegated(edge: EdgeProgramManager, method: str = "forward") -> None:
    """Raise ModelError unless ``method`` is exactly one XNNPACK delegate with no operator left beside it."""
    delegates, left = [], []
    graph_module = edge.exported_program(method).graph_module
    for node in graph_module.graph.nodes:
        if node.op != "call_function":
            continue
        if node.target is torch.ops.higher_order.executorch_call_delegate:
            delegates.append(getattr(graph_module, str(node.args[0].target)).backend_id)
        elif getattr(node.target, "__name__", "") != "getitem":
            left.append(str(node.target))
    if delegates != ["XnnpackBackend"] or left:
        raise ModelError(f"the graph must lower to one XNNPACK delegate: delegates {delegates}, left outside {left}")


def lower(program: ExportedProgram) -> bytes:
    """Lower an exported program to a compact, sealed ``.pte``. Raises ModelError unless all of it is delegated."""
    return seal(compact(lower_methods({"forward": program})))


def lower_methods(programs: dict[str, ExportedProgram]) -> bytes:
    """Lower several exported programs to the methods of one ``.pte`` without a seal. Raises ModelError."""
    edge = to_edge_transform_and_lower(
        programs, partitioner=[XnnpackPartitioner()], constant_methods=constant_methods()
    )
    for method in programs:
        assert_fully_delegated(edge, method)
    return bytes(edge.to_executorch().buffer)


def export_float(model: JointModel) -> bytes:
    """The float32 program as bytes; the same model gives the same bytes. Raises ModelError (see ``lower``)."""
    with torch.no_grad():
        return lower(channels_last(trace(for_cache(deployable(model)))))


def lower_int8(graph: nn.Module) -> bytes:
    """The int8 program of a graph from ``quantized``, as bytes. Raises ModelError."""
    with torch.no_grad():
        return lower(channels_last(trace(graph)))


def export_int8_ptq(model: JointModel, calibration_batches: Iterable[Sequence[Tensor]]) -> bytes:
    """The int8 program as bytes (post-training quantisation; see ``quantized``). Raises UsageError, ModelError."""
    with torch.no_grad():
        return lower_int8(quantized(model, calibration_batches))


def load_calibration(path: Path) -> list[tuple[Tensor, ...]]:
    """Calibration windows from an ``.npz`` with one float32 array (K, ...) per input name. Raises UsageError."""
    with np.load(path, allow_pickle=False) as arrays:
        missing = set(INPUT_SHAPES) - set(arrays.files)
        if missing:
            raise UsageError(f"{path} lacks the arrays {sorted(missing)}")
        batch = tuple(torch.from_numpy(arrays[name].astype(np.float32)) for name in INPUT_SHAPES)
    count = len(batch[0])
    for tensor, (name, shape) in zip(batch, INPUT_SHAPES.items(), strict=True):
        if tensor.shape != (count, *shape):
            raise UsageError(f"{name} in {path} must be {(count, *shape)}, got {tuple(tensor.shape)}")
    return [batch]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: write ``joint_fp32.pte`` and ``joint_int8.pte``; their sizes go to stdout as JSON."""
    parser = argparse.ArgumentParser(prog="python -m export.to_executorch", description=main.__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    model = load_checkpoint(options.checkpoint)
    programs = {
        FLOAT_NAME: export_float(model),
        INT8_NAME: export_int8_ptq(model, load_calibration(options.calibration)),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, program in programs.items():
        (options.out / name).write_bytes(program)
    sys.stdout.write(json.dumps({name: len(program) for name, program in programs.items()}) + "\n")
    return 0


if __name__ == "__main__":
    # Warnings of the toolchain about optional parts, nothing a user can act on.
    warnings.filterwarnings("ignore")
    raise SystemExit(main())
