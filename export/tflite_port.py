# SPDX-License-Identifier: Apache-2.0
"""A float TFLite image model as a torch module, by walking its operators.

NHWC becomes NCHW, fp16 constants become fp32, and SAME padding becomes explicit zero padding where it is odd: TFLite
puts the odd pixel at the bottom and right, which torch's symmetric padding cannot. An operator, option or axis that is
not handled raises; nothing is guessed. Format: the TFLite schema (tensorflow/lite/schema/schema.fbs).

Maps are widened to a multiple of LANES channels, the new ones zero: XNNPACK has kernels of their own for fewer or odd
channels, which add in another order on ARM than on x86. So has its convolution for a single output pixel, hence `Flat`.
With neither, both give the same bits (tests/native/check_arm.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite
import torch
import torch.nn.functional as F
from torch import Tensor, nn

DTYPES: dict[int, Any] = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
OP_NAMES = {value: key for key, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
LANES = 8
OPTIONS: dict[str, Any] = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
    "ADD": tflite.AddOptions,
    "CONCATENATION": tflite.ConcatenationOptions,
}


@dataclass(frozen=True)
class Op:
    """One TFLite operator: name, parsed options (or None), input and output tensor numbers."""

    name: str
    options: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Graph:
    """A parsed TFLite model: operators in order, fp32 constants, tensor shapes (NHWC)."""

    def __init__(self, data: bytes) -> None:
        model = tflite.Model.GetRootAs(data, 0)
        body = model.Subgraphs(0)
        self.inputs = tuple(int(i) for i in body.InputsAsNumpy())
        self.outputs = tuple(int(i) for i in body.OutputsAsNumpy())
        tensors = [body.Tensors(i) for i in range(body.TensorsLength())]
        self.shapes = [tuple(int(n) for n in tensor.ShapeAsNumpy()) for tensor in tensors]
        self.constants: dict[int, npt.NDArray[Any]] = {}
        for number, tensor in enumerate(tensors):
            buffer = model.Buffers(tensor.Buffer())
            if buffer.DataLength():
                raw = np.frombuffer(buffer.DataAsNumpy().tobytes(), DTYPES[tensor.Type()])
                self.constants[number] = raw.reshape(self.shapes[number])
        self.ops = self._fold_dequantize([_read_op(model, body.Operators(k)) for k in range(body.OperatorsLength())])

    def _fold_dequantize(self, ops: list[Op]) -> list[Op]:
        for op in ops:
            if op.name == "DEQUANTIZE":
                self.constants[op.outputs[0]] = self.constants[op.inputs[0]].astype(np.float32)
        return [op for op in ops if op.name != "DEQUANTIZE"]

    def tensor(self, number: int) -> Tensor:
        """A float constant as a torch tensor of its own memory."""
        return torch.from_numpy(self.constants[number].astype(np.float32))


def _read_op(model: tflite.Model, operator: tflite.Operator) -> Op:
    code = model.OperatorCodes(operator.OpcodeIndex())
    name = OP_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    options = None
    if name in OPTIONS:
        options = OPTIONS[name]()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
            raise ValueError(f"{name} with a fused activation is not handled")
    inputs = tuple(int(i) for i in operator.InputsAsNumpy())
    return Op(name, options, inputs, tuple(int(i) for i in operator.OutputsAsNumpy()))


def _wide(channels: int) -> int:
    return -(-channels // LANES) * LANES


def _own(x: Tensor, channels: int) -> Tensor:
    """A map without the channels that only widen it."""
    return x if x.shape[1] == channels else x[:, :channels]


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Pad(nn.Module):
    """Zero padding in torch order (left, right, top, bottom[, channel before, channel after])."""

    def __init__(self, amounts: tuple[int, ...]) -> None:
        super().__init__()
        self.amounts = amounts

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.amounts)


class Add(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class Reshape(nn.Module):
    """TFLite RESHAPE of an NHWC map: back to channels-last order first, so that the values keep their order.

    ``channels``: how many of the map's are its own.
    """

    def __init__(self, shape: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.shape, self.channels = shape, channels

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4:
            raise ValueError("RESHAPE is handled for maps only")
        return _own(x, self.channels).permute(0, 2, 3, 1).reshape(self.shape)


class Flat(nn.Module):
    """A map's values, channels last, as the channels of a single pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(1, -1, 1, 1)


class Concat(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *parts: Tensor) -> Tensor:
        return torch.cat(parts, self.axis)


def _window_padding(graph: Graph, op: Op, kernel: tuple[int, int]) -> tuple[int, int, int, int]:
    if op.options.Padding() == tflite.Padding.VALID:
        return 0, 0, 0, 0
    _, height, width, _ = graph.shapes[op.inputs[0]]
    return (
        *_same_padding(width, kernel[1], op.options.StrideW()),
        *_same_padding(height, kernel[0], op.options.StrideH()),
    )


def _width(graph: Graph, tensor: int) -> int:
    """Channels of a map in the port; a picture that comes in stays as it is."""
    channels = graph.shapes[tensor][3]
    return channels if tensor in graph.inputs else _wide(channels)


def _weight(graph: Graph, op: Op) -> Tensor:
    """The filter in torch's order, widened on both sides."""
    weight = graph.tensor(op.inputs[1])
    if op.name == "DEPTHWISE_CONV_2D":
        weight, extra_in = weight.permute(3, 0, 1, 2), 0
    else:
        weight = weight.permute(0, 3, 1, 2)
        extra_in = _width(graph, op.inputs[0]) - int(weight.shape[1])
    return F.pad(weight, (0, 0, 0, 0, 0, extra_in, 0, _wide(int(weight.shape[0])) - int(weight.shape[0])))


def _conv(graph: Graph, op: Op) -> nn.Module:
    if op.options.DilationWFactor() != 1 or op.options.DilationHFactor() != 1:
        raise ValueError("dilated convolutions are not handled")
    weight, depthwise = _weight(graph, op), op.name == "DEPTHWISE_CONV_2D"
    bias = graph.tensor(op.inputs[2])
    out = int(weight.shape[0])
    kernel = (int(weight.shape[2]), int(weight.shape[3]))
    left, right, top, bottom = _window_padding(graph, op, kernel)
    even = left == right and top == bottom
    # One output pixel of the whole map is a product with a matrix.
    unpadded = not any((left, right, top, bottom))
    whole = not depthwise and unpadded and kernel == graph.shapes[op.inputs[0]][1:3] != (1, 1)
    if whole:
        weight = weight.permute(0, 2, 3, 1).reshape(out, -1, 1, 1)
    conv = nn.Conv2d(
        out if depthwise else int(weight.shape[1]),
        out,
        (1, 1) if whole else kernel,
        stride=(1, 1) if whole else (op.options.StrideH(), op.options.StrideW()),
        padding=(top, left) if even else 0,
        groups=out if depthwise else 1,
    )
    conv.weight.data = weight.contiguous()
    assert conv.bias is not None
    conv.bias.data = F.pad(bias, (0, out - bias.numel()))
    if whole:
        return nn.Sequential(Flat(), conv)
    return conv if even else nn.Sequential(Pad((left, right, top, bottom)), conv)


def _max_pool(graph: Graph, op: Op) -> nn.Module:
    kernel = (op.options.FilterHeight(), op.options.FilterWidth())
    if any(_window_padding(graph, op, kernel)):
        raise ValueError("padded max pooling is not handled")
    return nn.MaxPool2d(kernel, (op.options.StrideH(), op.options.StrideW()))


def _prelu(graph: Graph, op: Op) -> nn.Module:
    alpha = graph.tensor(op.inputs[1]).reshape(-1)
    if alpha.numel() != graph.shapes[op.inputs[0]][3]:
        raise ValueError("PRELU is handled with one slope per channel only")
    wide = _wide(alpha.numel())
    prelu = nn.PReLU(wide)
    prelu.weight.data = F.pad(alpha, (0, wide - alpha.numel()))
    return prelu


def _pad(graph: Graph, op: Op) -> nn.Module:
    batch, rows, columns, channels = graph.constants[op.inputs[1]].tolist()
    if batch != [0, 0]:
        raise ValueError("padding of the batch axis is not handled")
    if channels[0]:
        raise ValueError("padding before the first channel is not handled")
    after = _width(graph, op.outputs[0]) - _width(graph, op.inputs[0])
    return Pad((*columns, *rows, 0, after))


def _concat(graph: Graph, op: Op) -> nn.Module:
    if len(graph.shapes[op.outputs[0]]) == 4:
        raise ValueError("concatenation of maps is not handled")
    return Concat(op.options.Axis())


BUILDERS: dict[str, Callable[[Graph, Op], nn.Module]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "MAX_POOL_2D": _max_pool,
    "PRELU": _prelu,
    "PAD": _pad,
    "ADD": lambda _graph, _op: Add(),
    "RELU": lambda _graph, _op: nn.ReLU(),
    "RESHAPE": lambda graph, op: Reshape(graph.shapes[op.outputs[0]], graph.shapes[op.inputs[0]][-1]),
    "CONCATENATION": _concat,
}


class Port(nn.Module):
    """A TFLite graph in torch. ``shapes``: the shape each output is given at the end."""

    def __init__(self, graph: Graph, shapes: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(BUILDERS[op.name](graph, op) for op in graph.ops)
        self.wires = [(tuple(i for i in op.inputs if i not in graph.constants), op.outputs[0]) for op in graph.ops]
        self.inputs, self.outputs, self.shapes = graph.inputs, graph.outputs, shapes
        self.channels = tuple(graph.shapes[i][-1] if len(graph.shapes[i]) == 4 else None for i in graph.outputs)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        values = {self.inputs[0]: image}
        for step, (sources, target) in zip(self.steps, self.wires, strict=True):
            values[target] = step(*(values[i] for i in sources))
        return tuple(
            (values[i] if channels is None else _own(values[i], channels)).reshape(shape)
            for i, channels, shape in zip(self.outputs, self.channels, self.shapes, strict=True)
        )
