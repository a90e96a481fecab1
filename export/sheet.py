# SPDX-License-Identifier: Apache-2.0
"""The table of targets: what each artefact weighs, what of it a delegate takes, how fast and how true it is here."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

import numpy as np
from executorch.exir._serialize import _deserialize_pte_binary
from executorch.exir.schema import DelegateCall, KernelCall

from avguard.line import cpu_has_int8_dot, pattern_input
from avguard.train.model import INPUT_SHAPES
from export.latency import in_place, least_ms
from export.parity import Line, Runner, Window, of_onnx

HEAD = "| artefact | bytes | delegated | ms a window | rms off its reference | allowed |"
ROUNDS = 20
ELSEWHERE = {".mlpackage": "not run here: macOS or iOS 17"}
"""What stands for a time that this machine cannot measure."""


def delegated(program: bytes) -> str:
    """Delegates and share of the calls in a program's ``forward`` that they take."""
    plan = next(plan for plan in _deserialize_pte_binary(program).program.execution_plan if plan.name == "forward")
    calls = [call.instr_args for chain in plan.chains for call in chain.instructions]
    inside, outside = (sum(isinstance(call, kind) for call in calls) for kind in (DelegateCall, KernelCall))
    if outside:
        return f"{inside} delegates, {outside} calls beside them"
    return f"{inside} delegate{'s' * (inside != 1)}, nothing beside"


def runners(artefacts: Mapping[str, bytes]) -> dict[str, Runner]:
    """The artefacts of the joint model that run here, by name."""
    found = {name: in_place(data) for name, data in artefacts.items() if name.endswith(".pte")}
    return found | {name: of_onnx(data) for name, data in artefacts.items() if "joint" in name and ".onnx" in name}


def sheet(artefacts: Mapping[str, bytes], sizes: Mapping[str, int], lines: Sequence[Line], rounds: int = ROUNDS) -> str:
    """Markdown. ``artefacts``: bytes of the joint model's .pte and .onnx; ``sizes``: of all; ``lines``: of a Judge.

    Times are measured now: the least of ``rounds``, one thread, all in turns.
    """
    shapes = enumerate(INPUT_SHAPES.items())
    window: Window = {n: np.ascontiguousarray(pattern_input([1, *shape], seed)) for seed, (n, shape) in shapes}
    times = least_ms(runners(artefacts), window, rounds)
    judged = {line.artefact.partition(",")[0]: line for line in reversed(lines)}
    dot = "with" if cpu_has_int8_dot() else "without"
    rows = [f"{platform.machine()} {dot} an int8 dot product, one thread, least of {rounds} rounds.", "", HEAD]
    rows.append("|---|---|---|---|---|---|")
    for name, size in sizes.items():
        share = delegated(artefacts[name]) if name.endswith(".pte") else ""
        time = f"{times[name]:.1f}" if name in times else ELSEWHERE.get(f".{name.rpartition('.')[2]}", "not timed")
        line = judged.get(name)
        truth = f"{line.rms:.3%} of {line.reference} | {line.allowed:.2%}" if line else " | "
        rows.append(f"| {name} | {size:,} | {share} | {time} | {truth} |")
    return "\n".join(rows) + "\n"
