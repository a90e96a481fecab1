# SPDX-License-Identifier: Apache-2.0
"""The joint model in the engine of the core beside ONNX Runtime, one thread each."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.line import pattern_input
from avguard.models import Bundle
from tests.bench.stations import joint_shapes, seconds


def export_onnx(checkpoint: Path, folder: Path) -> Path:
    """The model of a training checkpoint as ONNX. Needs torch."""
    import torch

    from avguard.train.checkpoint import load_checkpoint
    from avguard.train.graph import deployable
    from avguard.train.model import INPUT_SHAPES

    inputs = tuple(torch.zeros(1, *shape) for shape in INPUT_SHAPES.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            deployable(load_checkpoint(checkpoint)), inputs, str(folder / "joint.onnx"), dynamo=True, verbose=False
        )
    return folder / "joint.onnx"


def onnx_runner(path: Path, inputs: list[NDArray[np.float32]]) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {node.name: values for node, values in zip(session.get_inputs(), inputs, strict=True)}
    return lambda: session.run(None, feeds)


def network_seconds(bundle: Bundle, onnx: Path | None, checkpoint: Path | None, rounds: int) -> dict[str, float]:
    """Seconds per window, in turns, fastest: "float", "int8", and "onnx" where a file or a checkpoint is given."""
    inputs = [pattern_input(shape, seed) for seed, shape in enumerate(joint_shapes(bundle))]
    runners: dict[str, Callable[[], object]] = {}
    for kind in ("float", "int8"):
        program = _core.Program(bundle.program(f"joint_{kind}"))
        runners[kind] = lambda program=program: program.run(inputs)  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        if onnx is None and checkpoint is not None:
            onnx = export_onnx(checkpoint, Path(folder))
        if onnx is not None:
            runners["onnx"] = onnx_runner(onnx, inputs)
        return {name: min(times) for name, times in _in_turns(runners, 5 * rounds).items()}


def _in_turns(runners: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            times[name].append(seconds(run))
    return times
