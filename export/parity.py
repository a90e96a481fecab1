# SPDX-License-Identifier: Apache-2.0
"""Golden windows through every artefact that runs here, against the torch model it came from; one table.

Errors are of window logits. ``rms`` is relative to the spread of the reference (root mean square over the heads of each
head's standard deviation over the windows), so that it says what an error means to a verdict.

A fake-quantised graph cannot be followed to the last step, not even by itself: a sum in another order puts values near
a rounding edge on the other side, and the steps add up through a hundred layers. How far that goes at most is measured:
the graph is given inputs that differ by JITTER.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avguard import _core
from avguard.errors import ModelError
from avguard.train.model import INPUT_SHAPES
from export.to_coreml import Package, write_package

Floats = NDArray[np.float32]
Window = dict[str, Floats]
"""Inputs of one window by name, each with a batch of one."""
Runner = Callable[[Window], Floats]
"""Gives the window logits, flat, of one window."""

FLOAT_RMS, HALF_RMS, INT8_RMS = 1e-3, 0.02, 0.01
# What halves add to int8: they put values on other sides of rounding edges, and the desync head, which multiplies lips
# by voice, feels it most.
INT8_HALVES_RMS = 0.04
# More jitter moves the answers no further: the noise is that of independent roundings.
JITTER = 1e-5


@dataclass(frozen=True)
class Line:
    """One artefact's row: largest error in logits, root mean square relative to the spread, and what is allowed."""

    artefact: str
    reference: str
    largest: float
    rms: float
    allowed: float

    @property
    def passed(self) -> bool:
        """NaN does not pass."""
        return self.rms <= self.allowed


def as_windows(batch: Sequence[Tensor], names: Sequence[str] = tuple(INPUT_SHAPES)) -> list[Window]:
    """A batch in argument order as single windows."""
    return [
        {name: np.ascontiguousarray(x[i : i + 1].numpy(), np.float32) for name, x in zip(names, batch, strict=True)}
        for i in range(len(batch[0]))
    ]


def run_all(runner: Runner, windows: Sequence[Window]) -> Floats:
    """Logits (windows, heads)."""
    return np.stack([np.asarray(runner(window), np.float32).reshape(-1) for window in windows])


def of_torch(module: nn.Module) -> Runner:
    """Eager torch: a float model or a graph from ``quantized``."""

    @torch.no_grad()
    def run(window: Window) -> Floats:
        out: Floats = module(*(torch.from_numpy(x) for x in window.values()))[0].numpy()
        return out

    return run


def of_pte(data: bytes) -> Runner:
    """ExecuTorch as the product runs it."""
    program = _core.Program(data)
    return lambda window: program.run(list(window.values()))[0]


def of_onnx(data: bytes, *, optimised: bool = True) -> Runner:
    """onnxruntime on one core of the CPU, with all its graph optimisations or with none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    first = session.get_outputs()[0].name
    return lambda window: session.run([first], window)[0]


def of_coreml(package: Path) -> Runner:
    """A saved .mlpackage through the interpreter in ``mil``."""
    from export.mil import Program

    program = Program(package)
    return lambda window: program.run(window)[program.outputs[0]]


def of_package(package: Package) -> Runner:
    """The same for a package that is not on disk yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.mlpackage"
        write_package(package, path)
        return of_coreml(path)


def compare(artefact: str, reference: str, got: Floats, wanted: Floats, allowed: float) -> Line:
    """One row of the table."""
    error = got.astype(np.float64) - wanted
    rms = float(np.sqrt(np.mean(error**2))) / spread(wanted)
    return Line(artefact, reference, float(np.abs(error).max()), rms, allowed)


def spread(logits: Floats) -> float:
    """Root mean square over the heads of the standard deviation over the windows. Raises ModelError when it is nil."""
    found = float(np.sqrt(np.mean(logits.astype(np.float64).var(0))))
    if not found > 0:
        raise ModelError("the golden windows all give the same logits: take windows of several clips")
    return found


def rounding_noise(graph: nn.Module, windows: Sequence[Window], wanted: Floats) -> float:
    """How far the fake-quantised ``graph`` is from itself on inputs that differ by JITTER, relatively."""
    rng = np.random.default_rng(0)

    def moved(window: Window) -> Window:
        return {name: x * (1 + JITTER * rng.standard_normal(x.shape, np.float32)) for name, x in window.items()}

    return compare("", "", run_all(of_torch(graph), [moved(window) for window in windows]), wanted, 0.0).rms


class Judge:
    """Holds the references' answers and compares artefacts with them. Windows: at least two, of different clips."""

    def __init__(
        self, model: nn.Module, graph: nn.Module | None, windows: Sequence[Window], int8_rms: float = INT8_RMS
    ) -> None:
        self.windows = windows
        self.wanted = {"torch float": run_all(of_torch(model), windows)}
        self.allowed = {
            "float": FLOAT_RMS, "half": HALF_RMS, "int8": int8_rms, "int8 half": int8_rms + INT8_HALVES_RMS
        }  # fmt: skip
        self.lines: list[Line] = []
        if graph is None:
            return
        self.wanted["fake-quant"] = run_all(of_torch(graph), windows)
        noise = rounding_noise(graph, windows, self.wanted["fake-quant"])
        self._note("fake-quant", "torch float", self.wanted["fake-quant"], float("inf"))
        self.lines.append(
            Line(f"fake-quant, inputs moved by {JITTER:g}", "fake-quant", float("nan"), noise, float("inf"))
        )

    def judge(self, artefact: str, kind: str, runner: Runner) -> Line:
        """Run an artefact of ``kind``: "float", "half", "int8", or "int8 half" (scales and float layers are halves).

        Raises ModelError past tolerance.
        """
        reference = "fake-quant" if kind.startswith("int8") else "torch float"
        line = self._note(artefact, reference, run_all(runner, self.windows), self.allowed[kind])
        if not line.passed:
            raise ModelError(
                f"{artefact} is {line.rms:.3%} rms of the spread (at most {line.largest:.3g} logits) off {reference}, "
                f"past the tolerance of {line.allowed:.3%}; nothing is written. Compare layer by layer, or leave the "
                "layer that differs in float (FLOAT_PARTS in export/to_executorch.py)."
            )
        return line

    def _note(self, artefact: str, reference: str, got: Floats, allowed: float) -> Line:
        line = compare(artefact, reference, got, self.wanted[reference], allowed)
        self.lines.append(line)
        return line


def table(lines: Sequence[Line]) -> str:
    """The rows as Markdown."""
    rows = ["| artefact | against | largest error, logits | rms, of the spread | allowed |", "|---|---|---|---|---|"]
    for line in lines:
        allowed = "" if line.allowed == float("inf") else f"{line.allowed:.2%}"
        largest = "" if np.isnan(line.largest) else f"{line.largest:.2g}"
        rows.append(f"| {line.artefact} | {line.reference} | {largest} | {line.rms:.4%} | {allowed} |")
    return "\n".join(rows) + "\n"
