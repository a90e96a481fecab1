# SPDX-License-Identifier: Apache-2.0
"""The int8 graph of the checkpoint in git: one for all, followed within 1 % by ONNX Runtime and ExecuTorch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.fx import GraphModule

from avguard.models import open_bundle
from avguard.train.model import INPUT_SHAPES
from avguard.train.quantize import int8_graph
from export.interface import joint_interface
from export.parity import INT8_RMS, Floats, Window, compare, of_onnx, of_pte, of_torch, run_all
from export.to_executorch import lower_int8
from export.to_onnx import export_joint_onnx
from tests.export.test_parity import CHECKPOINT, windows

__all__ = ["windows"]
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
ATEN = torch.ops.aten
# Without AVX-512 and so without VNNI: QEMU emulates neither.
EMULATOR = "qemu-x86_64"
ELSEWHERE = """
import sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
model, given, out = sys.argv[1:]
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
windows = dict(numpy.load(given))
rows = [{name: x[i : i + 1] for name, x in windows.items()} for i in range(len(windows["face"]))]
numpy.save(out, [session.run(["logits_window"], row)[0].reshape(-1) for row in rows])
"""


@pytest.fixture(scope="module")
def graph() -> GraphModule:
    """Of files in git alone: there is no calibration window to measure ranges on."""
    torch.set_num_threads(1)
    with torch.no_grad():
        made = int8_graph(CHECKPOINT, [], CHECKPOINT.with_suffix(".ranges.json"))
    assert isinstance(made, GraphModule)
    return made


@pytest.fixture(scope="module")
def golden(windows: list[list[np.ndarray]]) -> list[Window]:
    """Windows that differ in what they are: as they are, with the picture of another, darker, without either side."""
    made = []
    for i, inputs in enumerate(windows):
        other = windows[(i + 2) % len(windows)]
        dark = [x * np.float32(0.4) if k < 2 else x for k, x in enumerate(inputs)]
        mute, blind = ([x * np.float32((k < 3) == kept) for k, x in enumerate(inputs)] for kept in (True, False))
        made += [inputs, [*other[:3], *inputs[3:]], dark, mute, blind]
    return [
        {name: np.ascontiguousarray(x, np.float32)[None] for name, x in zip(INPUT_SHAPES, row, strict=True)}
        for row in made
    ]


@pytest.fixture(scope="module")
def wanted(graph: nn.Module, golden: list[Window]) -> Floats:
    return run_all(of_torch(graph), golden)


@pytest.fixture(scope="module")
def onnx(graph: nn.Module) -> bytes:
    return export_joint_onnx(graph, joint_interface("test-joint@1"))


def test_nothing_is_rounded_before_a_relu6_nor_are_the_logits(graph: GraphModule) -> None:
    clamps = [node for node in graph.graph.nodes if node.target in (ATEN.hardtanh.default, ATEN.hardtanh_.default)]
    assert len(clamps) == 34
    assert all(node.args[0].target == ATEN.conv2d.default for node in clamps)
    (output,) = (node for node in graph.graph.nodes if node.op == "output")
    sources = [node.target for node in output.args[0][:2]]
    assert sources == [ATEN.reshape.default] * 2


def test_means_have_a_range_of_their_own(graph: GraphModule) -> None:
    seen = 0
    for node in graph.graph.nodes:
        if node.target == ATEN.mean.dim and "dequantize" in str(node.args[0].target):
            (after,) = node.users
            if "quantize_per_tensor" in str(after.target):
                seen += 1
                assert after.args[1] < 0.5 * node.args[0].args[1]
    assert seen == 3  # and one is the mean of floats


def test_biases_are_multiples_of_the_step_of_their_sum(graph: GraphModule) -> None:
    convolutions = [node for node in graph.graph.nodes if node.target == ATEN.conv2d.default]
    for node in convolutions:
        # The lags' two have no bias.
        if "dequantize_per_channel" in str(node.args[1].target) and node.args[2] is not None:
            step = graph.get_buffer(node.args[1].args[1].target) * node.args[0].args[1]
            steps = graph.get_parameter(node.args[2].target) / step
            assert float((steps - steps.round()).abs().max()) < 0.1


def test_the_shipped_program_is_what_the_checkpoint_gives(graph: nn.Module) -> None:
    assert open_bundle().program("joint_int8").startswith(lower_int8(graph))


def test_executorch_follows_within_one_percent(golden: list[Window], wanted: Floats) -> None:
    assert compare("", "", run_all(of_pte(open_bundle().program("joint_int8")), golden), wanted, 0).rms < INT8_RMS


@pytest.mark.parametrize("optimised", [True, False])
def test_onnxruntime_follows_within_one_percent(
    onnx: bytes, golden: list[Window], wanted: Floats, optimised: bool
) -> None:
    assert compare("", "", run_all(of_onnx(onnx, optimised=optimised), golden), wanted, 0).rms < INT8_RMS


@pytest.mark.skipif(
    not shutil.which(EMULATOR) and not os.environ.get("CI"), reason=f"{EMULATOR} is not installed: .ci/packages does it"
)
def test_so_it_does_on_a_cpu_without_vnni(onnx: bytes, golden: list[Window], wanted: Floats, tmp_path: Path) -> None:
    some = range(0, len(golden), len(golden) // 5)
    (tmp_path / "model.onnx").write_bytes(onnx)
    np.savez(tmp_path / "in.npz", **{name: np.concatenate([golden[i][name] for i in some]) for name in INPUT_SHAPES})
    paths = [str(tmp_path / name) for name in ("model.onnx", "in.npz", "out.npy")]
    subprocess.run([EMULATOR, "-cpu", "max", sys.executable, "-I", "-c", ELSEWHERE, *paths], check=True)
    assert compare("", "", np.load(tmp_path / "out.npy"), wanted[list(some)], 0).rms < INT8_RMS
