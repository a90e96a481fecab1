# SPDX-License-Identifier: Apache-2.0
"""ExecuTorch programs for other processors than the CPU: CoreML and Vulkan, and Arm's Ethos-U for cameras.

``python -m export.delegates --out DIR coreml vulkan`` writes ``joint_<name>.pte`` and prints sizes and how much of the
graph each delegate takes. They are not part of the bundle: none of them can be run on the machines that this project is
built on, so nothing is known of their numbers. A host runs them by its own engine.

Ethos-U needs Arm's compiler, whose extra pins older packages; use an environment of its own:
``pip install "executorch[ethos-u]==1.5.1" torch==2.13.0`` and then the names ethos-u55 or ethos-u85.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
from torch.export import ExportedProgram

from avguard.errors import UsageError
from avguard.train.checkpoint import load_checkpoint
from avguard.train.graph import deployable, trace
from avguard.train.model import JointModel
from export.quiet import quiet
from export.to_executorch import constant_methods, load_calibration

# Names of no work: they hand values on, or read sizes.
PLUMBING = ("getitem", "sym_size")


@dataclass(frozen=True)
class Delegated:
    """A lowered program. ``inside``, ``outside``: operations in and beside its ``delegates``."""

    data: bytes
    delegates: int
    inside: int
    outside: dict[str, int]

    @property
    def share(self) -> float:
        """Part of the operations that is delegated."""
        beside = sum(self.outside.values())
        return self.inside / (self.inside + beside)

    def __str__(self) -> str:
        left = ", ".join(f"{count} {name}" for name, count in sorted(self.outside.items())) or "nothing"
        taken = f"{self.delegates} delegates, {self.share:.0%} of operations"
        return f"{len(self.data)} bytes, {taken}; left on the CPU: {left}"


def lower_for(program: ExportedProgram, partitioner: Any, config: EdgeCompileConfig | None = None) -> Delegated:  # noqa: ANN401 - one class per delegate
    """``program`` lowered for one delegate; what it does not take stays for ExecuTorch's portable kernels."""
    edge = to_edge_transform_and_lower(
        {"forward": program}, partitioner=[partitioner], constant_methods=constant_methods(), compile_config=config
    )
    graph_module = edge.exported_program("forward").graph_module
    delegates, inside, outside = 0, 0, {}
    for node in graph_module.graph.nodes:
        name = str(getattr(node.target, "__name__", node.target))
        if node.op != "call_function" or name.startswith(PLUMBING):
            continue
        if node.target is torch.ops.higher_order.executorch_call_delegate:
            delegates += 1
            inside += count_operations(getattr(graph_module, str(node.args[0].target)).original_module)
        else:
            outside[name] = outside.get(name, 0) + 1
    return Delegated(bytes(edge.to_executorch().buffer), delegates, inside, outside)


def count_operations(program: ExportedProgram) -> int:
    """Operations of a graph that compute something."""
    names = [str(getattr(n.target, "__name__", n.target)) for n in program.graph.nodes if n.op == "call_function"]
    return sum(not name.startswith(PLUMBING) for name in names)


def lower_coreml(model: JointModel, _: tuple[torch.Tensor, ...]) -> Delegated:
    """For CoreML inside ExecuTorch, float16, iOS 17 or later."""
    import coremltools as ct
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    specs = CoreMLBackend.generate_compile_specs(minimum_deployment_target=ct.target.iOS17)
    return lower_for(trace(deployable(model)), CoreMLPartitioner(compile_specs=specs))


def lower_vulkan(model: JointModel, _: tuple[torch.Tensor, ...]) -> Delegated:
    """For Vulkan on Android, float."""
    from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner

    return lower_for(trace(deployable(model)), VulkanPartitioner())


def _lower_ethos(target: str, system: str, memory: str) -> Callable[[JointModel, tuple[torch.Tensor, ...]], Delegated]:
    def lower(model: JointModel, batch: tuple[torch.Tensor, ...]) -> Delegated:
        try:
            from executorch.backends.arm.ethosu import EthosUCompileSpec, EthosUPartitioner
            from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config
        except ImportError as error:
            raise UsageError(
                f"Arm's compiler is not installed ({error}). In an environment of its own: "
                'pip install "executorch[ethos-u]==1.5.1" torch==2.13.0'
            ) from error
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        spec = EthosUCompileSpec(target=target, system_config=system, memory_mode=memory)
        quantizer = EthosUQuantizer(spec).set_global(get_symmetric_quantization_config(is_per_channel=True))
        prepared = prepare_pt2e(trace(deployable(model)).module(check_guards=False), quantizer)
        for i in range(len(batch[0])):
            prepared(*(x[i : i + 1].contiguous() for x in batch))
        config = EdgeCompileConfig(_check_ir_validity=False)
        return lower_for(trace(convert_pt2e(prepared)), EthosUPartitioner(spec), config)

    return lower


TARGETS: dict[str, Callable[[JointModel, tuple[torch.Tensor, ...]], Delegated]] = {
    "coreml": lower_coreml,
    "vulkan": lower_vulkan,
    "ethos-u55": _lower_ethos("ethos-u55-128", "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u85": _lower_ethos("ethos-u85-256", "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
}


def main() -> int:
    """Write the programs that are asked for; their sizes and delegated shares go to stdout."""
    parser = argparse.ArgumentParser(prog="python -m export.delegates", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("export/checkpoints/joint.pt"))
    parser.add_argument("--calibration", type=Path, help="windows for int8 ranges; Ethos-U needs them")
    parser.add_argument("--out", type=Path, default=Path("build/delegates"))
    parser.add_argument("names", nargs="+", choices=sorted(TARGETS))
    args = parser.parse_args()
    model = load_checkpoint(args.checkpoint)
    batch = load_calibration(args.calibration)[0] if args.calibration else ()
    if not batch and any(name.startswith("ethos") for name in args.names):
        parser.error("Ethos-U computes in int8 and needs --calibration")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names:
        with torch.no_grad(), quiet():
            lowered = TARGETS[name](model, batch)
        (args.out / f"joint_{name}.pte").write_bytes(lowered.data)
        sys.stdout.write(f"joint_{name}.pte: {lowered}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
