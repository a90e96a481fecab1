# SPDX-License-Identifier: Apache-2.0
"""Ranges in a file: of one checkpoint, of one graph, and exact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.fx import GraphModule, symbolic_trace
from torchao.quantization.pt2e import quantize_pt2e as quantize_pt2e  # registers the operators

from avguard.errors import ModelError
from avguard.train.ranges import read_ranges, set_ranges, write_ranges

OPS = torch.ops.quantized_decomposed


class Rounds(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = OPS.quantize_per_tensor.default(x, self.scale, 3, -128, 127, torch.int8)
        return OPS.dequantize_per_tensor.default(steps, self.scale, 3, -128, 127, torch.int8)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "model.pt").write_bytes(b"weights")
    return tmp_path / "model.pt"


def graph(scale: float) -> GraphModule:
    return symbolic_trace(Rounds(scale))


def test_a_graph_gets_the_ranges_of_another_to_the_last_bit(checkpoint: Path, tmp_path: Path) -> None:
    path, coarse, x = tmp_path / "ranges.json", graph(0.5), torch.linspace(-1, 1, 50)
    fine = graph(1 / 300)
    write_ranges(path, checkpoint, fine)
    ranges = read_ranges(path, checkpoint)
    assert ranges is not None
    assert not torch.equal(coarse(x), fine(x))
    set_ranges(coarse, ranges)
    assert torch.equal(coarse(x), fine(x))


def test_ranges_of_other_weights_are_none(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    assert read_ranges(path, checkpoint) is None
    write_ranges(path, checkpoint, graph(0.1))
    checkpoint.write_bytes(b"other weights")
    assert read_ranges(path, checkpoint) is None


def test_ranges_of_another_graph_are_refused() -> None:
    with pytest.raises(ModelError, match="another version"):
        set_ranges(graph(0.1), {"quantize_per_tensor_default": (0.1, 0)})


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_file_that_makes_no_sense_is_refused(checkpoint: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "ranges.json"
    path.write_text(text)
    with pytest.raises(ModelError, match="holds no ranges"):
        read_ranges(path, checkpoint)


def test_a_range_that_is_no_number_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    write_ranges(path, checkpoint, graph(0.1))
    raw = json.loads(path.read_text())
    raw["ranges"] = dict.fromkeys(raw["ranges"], ("wide", 0))
    path.write_text(json.dumps(raw))
    with pytest.raises(ModelError, match="holds no ranges"):
        read_ranges(path, checkpoint)
