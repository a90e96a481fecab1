# SPDX-License-Identifier: Apache-2.0
"""Compact programs: smaller, the same answers to the bit, and only what they can be made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
from executorch.exir import to_edge_transform_and_lower
from torch import Tensor, nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from avguard import _core
from avguard.errors import ModelError
from avguard.models import default_path, open_bundle
from export.compact import compact
from export.seal import SEAL_BYTES, seal
from export.to_executorch import constant_methods

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
EXAMPLE = (torch.zeros(1, 8, 12, 12),)


class Small(nn.Module):
    """Convolutions with and without bias, grouped, and a constant that is added: every way to hold a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 16, 3), nn.Conv2d(16, 16, 3, groups=16, bias=False)
        self.third, self.shift = nn.Conv2d(16, 4, 1), nn.Parameter(torch.randn(1, 4, 8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.third(torch.relu(self.second(torch.relu(self.first(x))))) + self.shift)


def lowered(module: nn.Module, partitioned: bool = True) -> bytes:
    program = torch.export.export(module, EXAMPLE, strict=False)
    partitioner = [XnnpackPartitioner()] if partitioned else []
    edge = to_edge_transform_and_lower(
        {"forward": program}, partitioner=partitioner, constant_methods=constant_methods()
    )
    return bytes(edge.to_executorch().buffer)


def small(kind: str) -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = Small().eval()
    if kind == "int8":
        quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
        prepared = prepare_pt2e(torch.export.export(module, EXAMPLE, strict=False).module(), quantizer)
        prepared(torch.randn(EXAMPLE[0].shape))
        module = convert_pt2e(prepared)
    return module


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_smaller_and_the_same_to_the_bit(kind: str) -> None:
    with torch.no_grad():
        before = lowered(small(kind))
    after = compact(before)
    assert len(after) < len(before)
    assert compact(before) == after
    assert compact(after) == after
    rng = np.random.default_rng(0)
    for _ in range(3):
        inputs = [rng.standard_normal(EXAMPLE[0].shape).astype(np.float32)]
        (wanted,), (got,) = (_core.Program(seal(data)).run(inputs) for data in (before, after))
        assert np.ptp(wanted) > 0
        np.testing.assert_array_equal(got, wanted)


def test_a_program_without_a_delegate_is_refused() -> None:
    with torch.no_grad(), pytest.raises(ModelError, match="one XNNPACK delegate"):
        compact(lowered(nn.ReLU(), partitioned=False))


def test_the_shipped_programs_are_compact() -> None:
    bundle = open_bundle(default_path())
    for role, most in (("joint_int8", 1_200_000), ("joint_float", 4_000_000)):
        program = bundle.program(role)
        assert len(program) <= most
        assert compact(program) == program[:-SEAL_BYTES]
