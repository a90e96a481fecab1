# SPDX-License-Identifier: Apache-2.0
"""The interpreter of CoreML programs: each family of operations against numbers worked out by hand or by numpy, then
whole packages against torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import export
from torch.nn import functional

from avguard.errors import ModelError
from export.interface import Interface
from export.mil import OPERATIONS, Program, constant
from export.to_coreml import export_coreml, write_package

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def do(operation: str, **given: Any) -> np.ndarray:
    values = {name: constant(np.asarray(v, np.float32)) if name in TENSORS else v for name, v in given.items()}
    return OPERATIONS[operation](values).numpy()


TENSORS = {"x", "y", "weight", "bias", "alpha_tensor", "input", "scale", "zero_point", "quantized_data"}
SQUARE = np.arange(9).reshape(1, 1, 3, 3)


def test_convolution_pads_where_it_is_told() -> None:
    ones = np.ones((1, 1, 2, 2))
    plain = do("conv", x=SQUARE, weight=ones, pad_type="valid", strides=[1, 1])
    assert plain.tolist() == [[[[8, 12], [20, 24]]]]
    bottom = do("conv", x=SQUARE, weight=ones, bias=[0.5], pad_type="custom", pad=[0, 1, 0, 0], strides=[2, 1])
    assert bottom.tolist() == [[[[8.5, 12.5], [13.5, 15.5]]]]
    right = do("conv", x=SQUARE, weight=ones, pad_type="custom", pad=[0, 0, 0, 1], strides=[1, 2])
    assert right.tolist() == [[[[8, 7], [20, 13]]]]


def test_convolution_groups_and_dilations() -> None:
    two = np.concatenate([SQUARE, -SQUARE], 1)
    weight = np.array([2.0, 3.0]).reshape(2, 1, 1, 1)
    assert do("conv", x=two, weight=weight, groups=2)[0, :, 2, 2].tolist() == [16, -24]
    corners = np.ones((1, 1, 2, 2))
    assert do("conv", x=SQUARE, weight=corners, dilations=[2, 2]).tolist() == [[[[0 + 2 + 6 + 8]]]]


@pytest.mark.parametrize("kind", ["same", "same_lower"])
def test_padding_that_is_not_handled_is_refused(kind: str) -> None:
    with pytest.raises(ModelError, match=kind):
        do("conv", x=SQUARE, weight=np.ones((1, 1, 2, 2)), pad_type=kind)


def test_pooling() -> None:
    size = {"kernel_sizes": [2, 2], "strides": [1, 1], "pad_type": "valid"}
    assert do("max_pool", x=SQUARE, **size).tolist() == [[[[4, 5], [7, 8]]]]
    assert do("avg_pool", x=SQUARE, **size).tolist() == [[[[2, 3], [5, 6]]]]
    padded = size | {"pad_type": "custom", "pad": [1, 0, 0, 0]}
    assert do("max_pool", x=SQUARE - 10, **padded)[0, 0, 0].tolist() == [-9, -8]
    assert do("avg_pool", x=SQUARE, **padded)[0, 0, 0].tolist() == [0.25, 0.75]
    with pytest.raises(ModelError, match="ceil_mode"):
        do("max_pool", x=SQUARE, ceil_mode=True, **size)
    with pytest.raises(ModelError, match="leaves out"):
        do("avg_pool", x=SQUARE, exclude_padding_from_average=True, **padded)


def test_activations() -> None:
    x = np.array([-2.0, 3.0, 9.0]).reshape(1, 3, 1, 1)
    assert do("relu", x=x).ravel().tolist() == [0, 3, 9]
    assert do("clip", x=x, alpha=0.0, beta=6.0).ravel().tolist() == [0, 3, 6]
    assert do("leaky_relu", x=x, alpha=0.5).ravel().tolist() == [-1, 3, 9]
    slopes = torch.tensor([0.5, 9.0, 9.0])
    assert OPERATIONS["prelu"]({"x": torch.tensor(x), "alpha": slopes.double()}).ravel().tolist() == [-1, 3, 9]


def test_arithmetic() -> None:
    assert do("add", x=[1, 2], y=[3, 4]).tolist() == [4, 6]
    assert do("sub", x=[1, 2], y=[3, 5]).tolist() == [-2, -3]
    assert do("mul", x=[1, 2], y=[3, 4]).tolist() == [3, 8]
    assert do("reduce_mean", x=SQUARE, axes=[2, 3], keep_dims=True).tolist() == [[[[4]]]]
    assert do("reduce_mean", x=SQUARE, axes=[-1], keep_dims=False).tolist() == [[[1, 4, 7]]]
    assert do("cast", x=[1.5], dtype="fp16").tolist() == do("identity", x=[1.5]).tolist() == [1.5]


def test_shapes() -> None:
    x = np.arange(6).reshape(2, 3)
    assert do("reshape", x=x, shape=[0, 1, -1]).shape == (2, 1, 3)
    assert do("transpose", x=x, perm=[1, 0]).tolist() == x.T.tolist()
    parts = [torch.tensor(x), torch.tensor(x)]
    assert OPERATIONS["concat"]({"values": parts, "axis": 1}).shape == (2, 6)
    assert do("slice_by_index", x=x, begin=[0, 1], end=[1, 3]).tolist() == [[1, 2]]
    masked = do("slice_by_index", x=x, begin=[1, 9], end=[9, 2], begin_mask=[False, True], end_mask=[True, False])
    assert masked.tolist() == [[3, 4]]
    assert do("slice_by_index", x=x, begin=[0, 0], end=[2, 3], stride=[1, 2]).tolist() == [[0, 2], [3, 5]]
    assert do("pad", x=x, pad=[0, 1, 2, 0], constant_val=7.0).tolist() == [[7, 7, 0, 1, 2], [7, 7, 3, 4, 5], [7] * 5]
    for bad in ({"begin": [0, 0], "end": [1, 1], "squeeze_mask": [True, False]},):
        with pytest.raises(ModelError, match="squeeze"):
            do("slice_by_index", x=x, **bad)
    with pytest.raises(ModelError, match="constant"):
        do("pad", x=x, pad=[0, 0, 1, 1], mode="reflect")
    with pytest.raises(ModelError, match="interleaved"):
        OPERATIONS["concat"]({"values": parts, "axis": 1, "interleave": True})


def test_quantisation() -> None:
    levels = do("quantize", input=[-99.0, -0.1, 0.25, 0.75, 99.0], scale=0.5, zero_point=3, output_dtype="int8")
    assert levels.tolist() == [-128, 3, 3, 5, 127]  # halves go to the even side
    assert do("quantize", input=[-9.0, 9.0], scale=0.01, output_dtype="uint8").tolist() == [0, 255]
    assert do("dequantize", input=[3, 5], scale=0.5, zero_point=3).tolist() == [0, 1]
    channels = {"quantized_data": [[1, 2], [3, 4]], "scale": [1, 10], "zero_point": [0, 1], "axis": 0}
    assert do("constexpr_affine_dequantize", **channels).tolist() == [[1, 2], [20, 30]]


class Everything(nn.Module):
    """A small network with every kind of layer that the exported models have."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 5, 1, 2, groups=8), nn.PReLU(8), nn.MaxPool2d(2))
        self.last = nn.Conv2d(16, 4, 1)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        n, steps, channels, height, width = frames.shape
        x = self.first(functional.pad(frames.reshape(n * steps, channels, height, width), (0, 1, 0, 1)))
        x = self.deep(x)
        x = torch.cat([x * x, x - torch.relu(x)], 1)
        y = self.last(x).mean((2, 3), keepdim=True).reshape(n, steps, 4, 1).permute(0, 2, 3, 1)
        return y[:, 1:3].reshape(n, -1) + 1.0, y


SHAPE = (2, 3, 12, 12)
INTERFACE = Interface({"face": SHAPE}, {"logits_window": (4,), "embed_video": (4, 1, 2)}, "small@1")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Everything().eval()
        # Equal slopes would convert to another operation.
        made.deep[1].weight.data = torch.linspace(0.1, 0.8, 8)
        return made


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float16", 5e-3)])
def test_a_whole_package(network: nn.Module, tmp_path: Path, precision: str, tolerance: float) -> None:
    x = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(1))
    package = export_coreml(export(network, (x,), strict=False), INTERFACE, precision)
    write_package(package, tmp_path / "small.mlpackage")
    program = Program(tmp_path / "small.mlpackage")
    assert program.inputs == {"face": (1, *SHAPE)}
    assert program.outputs == ["logits_window", "embed_video"]
    got = program.run({"face": x.numpy()})
    with torch.no_grad():
        wanted = network(x)
    for value, expected in zip(got.values(), wanted, strict=True):
        np.testing.assert_allclose(value, expected.numpy(), rtol=0, atol=tolerance)
    error = max(np.abs(v - w.numpy()).max() for v, w in zip(got.values(), wanted, strict=True))
    assert (error > 1e-5) == (precision == "float16"), "halves are rounded, singles are not"
    for feeds in ({}, {"face": x[:, :1].numpy()}):
        with pytest.raises(ModelError, match="face must be given"):
            program.run(feeds)


def test_an_operation_that_is_not_known_is_refused(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.erf(x)

    x = torch.zeros(1, 2)
    interface = Interface({"face": (2,)}, {"logits_window": (2,)}, "odd@1")
    write_package(export_coreml(export(Odd(), (x,), strict=False), interface), tmp_path / "odd.mlpackage")
    with pytest.raises(ModelError, match=r"odd\.mlpackage has operations .*: erf"):
        Program(tmp_path / "odd.mlpackage")


def test_not_a_package(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none is not a CoreML package"):
        Program(tmp_path / "none")
