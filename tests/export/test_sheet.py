# SPDX-License-Identifier: Apache-2.0
"""The table of targets: measured times for what runs here, plain words for what does not."""

from __future__ import annotations

import pytest

from avguard.models import default_path, open_bundle
from export.parity import Line
from export.sheet import HEAD, delegated, sheet

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_every_artefact_has_a_row() -> None:
    bundle = open_bundle(default_path())
    programs = {"joint_fp32.pte": bundle.program("joint_float"), "joint_int8.pte": bundle.program("joint_int8")}
    sizes = {name: len(data) for name, data in programs.items()} | {"coreml/joint_fp16.mlpackage": 1234}
    lines = [Line("joint_int8.pte, ExecuTorch", "fake-quant", 0.1, 0.00123, 0.01)]
    first, _, head, _, fp32, int8, coreml = sheet(programs, sizes, lines, rounds=1).splitlines()
    assert "one thread" in first
    assert head == HEAD
    assert all(delegated(data) == "1 delegate, nothing beside" for data in programs.values())
    assert f"| {sizes['joint_fp32.pte']:,} | 1 delegate, nothing beside |" in fp32
    assert float(int8.split("|")[4]) > 0
    assert "| 0.123% of fake-quant | 1.00% |" in int8
    assert "| 1,234 |  | not run here: macOS or iOS 17 |" in coreml


def test_calls_beside_the_delegate_are_counted() -> None:
    import torch
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower({"forward": torch.export.export(torch.nn.ReLU(), (torch.zeros(2),))})
    assert delegated(bytes(edge.to_executorch().buffer)) == "0 delegates, 1 calls beside them"
