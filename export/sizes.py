# SPDX-License-Identifier: Apache-2.0
"""The student against the teacher and the baselines: what each costs on this machine, and what it tells apart.

``python -m export.sizes --results DIR [--programs DIR]`` reads results of ``avguard.train.experiments`` and of
``avguard.train.baselines``, writes the programs that are missing, and prints two tables. Costs are of one window of
1.92 s, the time on one core, in turns, least of many rounds. Neither size nor time depends on what a net has learned,
so that the baselines are exported as they are made.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from torch import Tensor, nn
from torch.export import export
from torch.utils.flop_counter import FlopCounterMode

from avguard import _core
from avguard.models import open_bundle
from avguard.spec import load_spec
from avguard.train.baselines.faces import FrameNet
from avguard.train.baselines.offset import SyncNet
from avguard.train.baselines.sound import SoundNet
from avguard.train.baselines.table import auc_table, ensemble, late_fusion
from avguard.train.experiments.results import Result, read_clips, read_results
from avguard.train.model import INPUT_SHAPES, JointModel, count_parameters, random_inputs
from avguard.train.streams import FACES
from export.delegates import lower_for
from export.latency import least_ms
from export.quiet import quiet
from export.to_executorch import lower

SPEC = load_spec()
PREFIX = "baselines-"
SHIPPED = PREFIX + "shipped_"
WINDOW_S = SPEC.window.frames * SPEC.video.period_us / 1e6
ROUNDS = 40


@dataclass(frozen=True)
class Net:
    """One that is exported here. ``whole``: all of it is delegated to XNNPACK, so that the product's core runs it."""

    make: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    whole: bool = True

    def inputs(self) -> tuple[Tensor, ...]:
        """One window."""
        generator = torch.Generator().manual_seed(0)
        return tuple(torch.randn(shape, generator=generator) for shape in self.shapes)


NETS = {
    "baselines-sound": Net(SoundNet, ((1, *INPUT_SHAPES["linear"]),), whole=False),
    "baselines-faces": Net(FrameNet, ((FACES, 3, *INPUT_SHAPES["face"][2:]),)),
    "baselines-offset": Net(SyncNet, tuple((1, *INPUT_SHAPES[name]) for name in ("mouth", "motion", "mel"))),
}


@dataclass(frozen=True)
class Cost:
    """``macs``: of convolutions and matrix products of one window; ``size``: bytes of the program."""

    parameters: int
    macs: int
    size: int
    ms: float


def count_macs(model: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Multiply-accumulates of all convolutions and matrix products."""
    # The counter stumbles over parameters that are expanded where no gradient is recorded.
    still = deepcopy(model).eval().requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        still(*inputs)
    return int(counter.get_total_flops()) // 2


def exported(net: Net) -> bytes:
    """Its float program, by the recipe of the joint model's."""
    torch.manual_seed(0)
    with torch.no_grad():
        program = export(net.make().eval(), net.inputs())
        return lower(program) if net.whole else lower_for(program, XnnpackPartitioner()).data


def runner(data: bytes, inputs: Sequence[Tensor], whole: bool) -> Callable[[object], object]:
    """A call that runs one window: in the product's core, or in pip's runtime, which has kernels beside XNNPACK."""
    if whole:
        program, arrays = _core.Program(data), [np.ascontiguousarray(x.numpy()) for x in inputs]
        program.run(arrays)
        return lambda _: program.run_again()
    from executorch.runtime import Runtime

    loaded = Runtime.get().load_program(data)
    method = loaded.load_method("forward")
    # The method reads what the program holds.
    return lambda _: (method.execute(list(inputs)), loaded)[0]


def costs(folder: Path, rounds: int = ROUNDS) -> dict[str, Cost]:
    """Of the shipped programs and of NETS, by the names of their results; ``folder`` keeps the programs of these."""
    bundle, window = open_bundle(), random_inputs(1, torch.Generator().manual_seed(0))
    joint = JointModel()
    said = {SHIPPED + k: bundle.program(f"joint_{k}") for k in ("float", "int8")}
    facts = {name: (count_parameters(joint), count_macs(joint, window), len(data)) for name, data in said.items()}
    calls = {name: runner(data, window, True) for name, data in said.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, net in NETS.items():
        path = folder / f"{name}.pte"
        if not path.exists():
            path.write_bytes(exported(net))
        model, data = net.make(), path.read_bytes()
        facts[name] = (count_parameters(model), count_macs(model, net.inputs()), len(data))
        calls[name] = runner(data, net.inputs(), net.whole)
    least = least_ms(calls, {}, rounds)
    return {name: Cost(*facts[name], least[name]) for name in facts}


def shown(results: Sequence[Result], found: dict[str, Cost]) -> tuple[list[Result], dict[str, Cost]]:
    """What the tables are of: the model that ships, a teacher where its seeds are there, baselines, and two fused."""
    by_name = {str(result["name"]): result for result in results}
    chosen, more = [by_name[name] for name in found if name in by_name], dict(found)
    seeds = [r for r in results if (r["group"], r["kind"], r.get("label")) == ("claims", "joint", "all")]
    if seeds:
        teacher, one, n = ensemble(seeds, f"mean of {len(seeds)} joint runs"), found[SHIPPED + "float"], len(seeds)
        more[teacher["name"]] = Cost(n * one.parameters, n * one.macs, n * one.size, n * one.ms)
        chosen.append(teacher)
    pair = [by_name[name] for name in ("baselines-faces", "baselines-sound") if name in by_name]
    if len(pair) == 2:
        chosen.append(late_fusion(*pair, "faces and sound, fused late"))
    if "baselines-metadata" in by_name:
        chosen.append(by_name["baselines-metadata"])
    return chosen, more


def cost_table(found: dict[str, Cost]) -> str:
    """Markdown: one line for each program."""
    lines = [
        "| model | parameters | million MACs a second | .pte, bytes | ms a window | real-time factor |",
        "|---|---|---|---|---|---|",
    ]
    for name, cost in found.items():
        figures = (
            name.removeprefix(PREFIX), f"{cost.parameters:,}", f"{cost.macs / WINDOW_S / 1e6:.0f}", f"{cost.size:,}",
            f"{cost.ms:.2f}", f"{cost.ms / 1000 / WINDOW_S:.4f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m export.sizes", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("runs/experiments"))
    parser.add_argument(
        "--programs", type=Path, default=Path("build/baselines"), help="where exported baselines are kept"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    # Both runtimes would use every core that they may.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with quiet():
        found = costs(args.programs, args.rounds)
    results, more = shown(read_results(args.results), found)
    sys.stdout.write(f"{cost_table(more)}\n\n{auc_table(results, read_clips(args.results))}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
