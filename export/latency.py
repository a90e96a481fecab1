# SPDX-License-Identifier: Apache-2.0
"""Milliseconds per window of every artefact that runs here, on one thread, in one run, in turns; ratios to the first.

``python -m export.latency [--bundle DIR] [--targets DIR]``. On a busy machine only the least of many rounds says
something, and only the ratios carry over to another machine of the same kind.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

import numpy as np

from avguard import _core
from avguard.line import cpu_has_int8_dot, pattern_input
from avguard.models import open_bundle
from avguard.train.model import INPUT_SHAPES
from export.parity import Floats, Runner, Window, of_onnx


def in_place(data: bytes) -> Runner:
    """ExecuTorch, given a window once: a session writes it where the network reads, and onnxruntime copies none."""
    program, seen = _core.Program(data), None

    def run(window: Window) -> Floats:
        nonlocal seen
        outputs = program.run_again() if window is seen else program.run(list(window.values()))
        seen = window
        return outputs[0]

    return run


def runners(bundle: Path | None, targets: Path) -> dict[str, Runner]:
    """By name, the product's own programs first."""
    shipped = open_bundle(bundle)
    found = {
        "ExecuTorch float": in_place(shipped.program("joint_float")),
        "ExecuTorch int8": in_place(shipped.program("joint_int8")),
    }
    for name, file in (("onnxruntime float", "joint_fp32.onnx"), ("onnxruntime int8", "joint_int8.onnx")):
        if (targets / "onnx" / file).is_file():
            found[name] = of_onnx((targets / "onnx" / file).read_bytes())
    return found


def least_ms(found: dict[str, Runner], window: Window, rounds: int) -> dict[str, float]:
    """The fastest of ``rounds`` by name, every runner once a round."""
    least = dict.fromkeys(found, float("inf"))
    for _ in range(rounds):
        for name, run in found.items():
            start = time.perf_counter()
            run(window)
            least[name] = min(least[name], 1000 * (time.perf_counter() - start))
    return least


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m export.latency", description=__doc__)
    parser.add_argument("--bundle", type=Path, help="a .pte bundle; the one in use by default")
    parser.add_argument("--targets", type=Path, default=Path("build/bundle"), help="folder with onnx/")
    parser.add_argument("--rounds", type=int, default=60)
    args = parser.parse_args()
    shapes = enumerate(INPUT_SHAPES.items())
    window = {name: np.ascontiguousarray(pattern_input([1, *shape], seed)) for seed, (name, shape) in shapes}
    least = least_ms(runners(args.bundle, args.targets), window, args.rounds)
    first = next(iter(least.values()))
    dot = "with" if cpu_has_int8_dot() else "without"
    sys.stdout.write(f"{platform.machine()}, {dot} an int8 dot product, one thread, least of {args.rounds} rounds\n")
    for name, value in least.items():
        sys.stdout.write(f"{name:20} {value:7.2f} ms  {value / first:.2f}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
