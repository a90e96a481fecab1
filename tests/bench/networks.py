# SPDX-License-Identifier: Apache-2.0
"""The joint model in the engine of the core beside ONNX Runtime and PyTorch, one thread each."""

from __future__ import annotations

import random
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.line import pattern_input
from avguard.models import Bundle
from tests.bench.stations import joint_shapes, seconds

if TYPE_CHECKING:
    from torch import nn


def torch_models(checkpoint: Path, inputs: list[NDArray[np.float32]]) -> tuple[nn.Module, nn.Module]:
    """The model of a training checkpoint as (float, int8) graphs; ranges of the int8 one come from ``inputs`` alone,
    which is enough to be timed.
    """
    import torch

    from avguard.train.checkpoint import load_checkpoint
    from avguard.train.graph import deployable
    from avguard.train.quantize import quantized

    torch.set_num_threads(1)
    model = load_checkpoint(checkpoint)
    batch = tuple(torch.from_numpy(values) for values in inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return deployable(model), quantized(model, [batch])


def export_onnx(graph: nn.Module, out: Path) -> Path:
    from export.interface import joint_interface
    from export.to_onnx import export_joint_onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out.write_bytes(export_joint_onnx(graph, joint_interface("avguard-joint@bench")))
    return out


def eager_runner(model: nn.Module, inputs: list[NDArray[np.float32]]) -> Callable[[], object]:
    import torch

    batch = [torch.from_numpy(values) for values in inputs]

    def run() -> object:
        with torch.inference_mode():
            return model(*batch)

    return run


def onnx_runner(path: Path, inputs: list[NDArray[np.float32]]) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {node.name: values for node, values in zip(session.get_inputs(), inputs, strict=True)}
    return lambda: session.run(None, feeds)


def network_seconds(bundle: Bundle, checkpoint: Path | None, rounds: int) -> dict[str, float]:
    """Seconds per window, in turns, fastest: "avguard float" and "avguard int8", and with a checkpoint "ONNX Runtime
    float", "ONNX Runtime int8" and "PyTorch eager float". Inputs lie where each runtime reads them.
    """
    inputs = [pattern_input(shape, seed) for seed, shape in enumerate(joint_shapes(bundle))]
    runners: dict[str, Callable[[], object]] = {}
    for kind in ("float", "int8"):
        program = _core.Program(bundle.program(f"joint_{kind}"))
        program.run(inputs)  # a session writes them in place, which no run pays for
        runners[f"avguard {kind}"] = program.run_again
    with tempfile.TemporaryDirectory() as folder:
        if checkpoint is not None:
            exact, small = torch_models(checkpoint, inputs)
            for kind, graph in (("float", exact), ("int8", small)):
                path = export_onnx(graph, Path(folder) / f"{kind}.onnx")
                runners[f"ONNX Runtime {kind}"] = onnx_runner(path, inputs)
            runners["PyTorch eager float"] = eager_runner(exact, inputs)
        return {name: min(times) for name, times in _in_turns(runners, 5 * rounds).items()}


def _in_turns(runners: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in runners}
    shuffle = random.Random(0).sample
    for _ in range(rounds):
        # In a fixed order the same one would always find the caches that PyTorch leaves.
        for name in shuffle(list(runners), len(runners)):
            times[name].append(seconds(runners[name]))
    return times
