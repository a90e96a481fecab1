# SPDX-License-Identifier: Apache-2.0
"""Runs a saved CoreML package without CoreML: a small interpreter of its program (MIL), for parity on any machine.

It reads the package's own bytes, weights included, so what it computes is what was written. Every value of a program in
float16 is rounded to it and sums inside an operation are float32; what Apple's processors really do is not modelled. An
operation, padding or option that is not handled raises.
Semantics: coremltools' documentation of the operations of iOS 15 to 17.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from avguard.errors import ModelError
from export.quiet import quiet

Inputs = dict[str, Any]
Operation = Callable[[Inputs], Tensor]

RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


class Program:
    """One package, opened. Raises ModelError when it cannot be read or holds an operation that is not handled."""

    def __init__(self, package: Path) -> None:
        self._main = _load(package)
        unknown = sorted({op.op_type for op in self._main.operations} - set(OPERATIONS) - {"const"})
        if unknown:
            raise ModelError(f"{package.name} has operations that export.mil does not know: {', '.join(unknown)}.")
        self.inputs = {name: tuple(value.shape) for name, value in self._main.inputs.items()}
        self.outputs = [value.name for value in self._main.outputs]

    @torch.no_grad()
    def run(self, feeds: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Outputs by name for inputs by name, float32. Raises ModelError on a missing input or another shape."""
        values: dict[str, Tensor] = {}
        for name, shape in self.inputs.items():
            if name not in feeds or feeds[name].shape != shape:
                raise ModelError(f"{name} must be given as {shape}, not {getattr(feeds.get(name), 'shape', None)}.")
            values[name] = torch.from_numpy(np.ascontiguousarray(feeds[name], np.float32))
        for op in self._main.operations:
            if op.op_type != "const":
                given = {name: _value(variable, values) for name, variable in op.inputs.items()}
                result = OPERATIONS[op.op_type](given)
                values[op.outputs[0].name] = result.half().float() if _is_half(op.outputs[0]) else result
        return {name: values[name].numpy() for name in self.outputs}


def _load(package: Path) -> Any:  # noqa: ANN401 - untyped library
    with quiet():
        import coremltools as ct
        from coremltools.converters.mil.frontend.milproto.load import load

        try:
            model = ct.models.MLModel(str(package), skip_model_load=True)
            spec = model.get_spec()
            program = load(spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir)
        except Exception as error:
            raise ModelError(f"{package.name} is not a CoreML package that can be read: {error}") from error
    return program.functions["main"]


def _is_half(variable: Any) -> bool:  # noqa: ANN401 - untyped library
    from coremltools.converters.mil.mil import types

    return bool(variable.dtype is types.fp16)


def _value(variable: Any, values: dict[str, Tensor]) -> Any:  # noqa: ANN401 - untyped library
    if variable is None:
        return None
    if isinstance(variable, (list, tuple)):
        return [_value(item, values) for item in variable]
    if variable.name in values:
        return values[variable.name]
    return constant(variable.val)


def constant(value: Any) -> Any:  # noqa: ANN401 - what a program may hold
    """A constant of a program: arrays and float scalars as tensors (halves as float32), the rest as Python values."""
    if isinstance(value, (np.ndarray, np.floating)):
        array = np.asarray(value)
        return torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array.copy())
    return value.item() if isinstance(value, np.generic) else value


def plain(value: Any, default: Any = None) -> Any:  # noqa: ANN401 - numbers and lists of them
    """A small constant as numbers: tensors become numbers or lists."""
    if value is None:
        return default
    return value.tolist() if isinstance(value, Tensor) else value


def _padded(given: Inputs, value: float) -> Tensor:
    """``x`` with the padding of a convolution or pooling made explicit (MIL: before, after; last two axes)."""
    kind, x = plain(given.get("pad_type"), "valid"), given["x"]
    if kind == "valid":
        return x
    if kind != "custom":
        raise ModelError(f"padding of the kind {kind!r} is not handled by export.mil.")
    top, bottom, left, right = plain(given["pad"])
    return F.pad(x, (left, right, top, bottom), value=value)


def conv(given: Inputs) -> Tensor:
    strides, dilations = plain(given.get("strides"), 1), plain(given.get("dilations"), 1)
    groups = int(plain(given.get("groups"), 1))
    return F.conv2d(_padded(given, 0.0), given["weight"], given.get("bias"), strides, 0, dilations, groups)


def max_pool(given: Inputs) -> Tensor:
    _no_ceil(given)
    return F.max_pool2d(_padded(given, float("-inf")), plain(given["kernel_sizes"]), plain(given.get("strides"), 1))


def avg_pool(given: Inputs) -> Tensor:
    _no_ceil(given)
    if plain(given.get("exclude_padding_from_average"), False) and any(plain(given.get("pad"), [0])):
        raise ModelError("average pooling that leaves out its padding is not handled by export.mil.")
    return F.avg_pool2d(_padded(given, 0.0), plain(given["kernel_sizes"]), plain(given.get("strides"), 1))


def _no_ceil(given: Inputs) -> None:
    if plain(given.get("ceil_mode"), False):
        raise ModelError("pooling with ceil_mode is not handled by export.mil.")


def pad(given: Inputs) -> Tensor:
    if plain(given.get("mode"), "constant") != "constant":
        raise ModelError("padding other than constant is not handled by export.mil.")
    amounts = plain(given["pad"])
    # MIL: first axis first; torch: last axis first.
    pairs = [amounts[i : i + 2] for i in range(0, len(amounts), 2)]
    return F.pad(given["x"], [n for pair in reversed(pairs) for n in pair], value=plain(given.get("constant_val"), 0.0))


def prelu(given: Inputs) -> Tensor:
    return F.prelu(given["x"], given["alpha"])


def clip(given: Inputs) -> Tensor:
    return given["x"].clamp(plain(given["alpha"]), plain(given["beta"]))


def reduce_mean(given: Inputs) -> Tensor:
    mean: Tensor = given["x"].mean(plain(given.get("axes")), keepdim=bool(plain(given.get("keep_dims"), False)))
    return mean


def concat(given: Inputs) -> Tensor:
    if plain(given.get("interleave"), False):
        raise ModelError("interleaved concatenation is not handled by export.mil.")
    return torch.cat(given["values"], int(plain(given["axis"])))


def reshape(given: Inputs) -> Tensor:
    x: Tensor = given["x"]
    # In MIL a zero keeps the size of its axis.
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(plain(given["shape"]))])


def slice_by_index(given: Inputs) -> Tensor:
    x: Tensor = given["x"]
    absent = [False] * x.dim()
    begins, ends = plain(given["begin"]), plain(given["end"])
    strides = plain(given.get("stride"), [1] * x.dim())
    no_begin, no_end = plain(given.get("begin_mask"), absent), plain(given.get("end_mask"), absent)
    if any(plain(given.get("squeeze_mask"), absent)) or min(strides) < 1:
        raise ModelError("slices that squeeze or run backwards are not handled by export.mil.")
    slices = [
        slice(None if no_begin[i] else begins[i], None if no_end[i] else ends[i], strides[i]) for i in range(x.dim())
    ]
    return x[tuple(slices)]


def _along(parameter: Any, x: Tensor, axis: Any) -> Tensor:  # noqa: ANN401 - a tensor, a number or None
    """A scale or zero point shaped to meet ``x``: a number, or one per element of ``axis``."""
    values = torch.as_tensor(0.0 if parameter is None else parameter).float()
    if values.dim() == 0:
        return values
    shape = [1] * x.dim()
    shape[int(plain(axis))] = -1
    return values.reshape(shape)


def quantize(given: Inputs) -> Tensor:
    x, axis = given["input"], given.get("axis")
    low, high = RANGES[plain(given["output_dtype"])]
    steps = torch.round(x / _along(given["scale"], x, axis))
    return (steps + _along(given.get("zero_point"), x, axis)).clamp(low, high)


def dequantize(given: Inputs) -> Tensor:
    x, axis = given["input"].float(), given.get("axis")
    return (x - _along(given.get("zero_point"), x, axis)) * _along(given["scale"], x, axis)


def constexpr_affine_dequantize(given: Inputs) -> Tensor:
    return dequantize(given | {"input": given["quantized_data"]})


OPERATIONS: dict[str, Operation] = {
    "conv": conv,
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "pad": pad,
    "prelu": prelu,
    "leaky_relu": lambda given: F.leaky_relu(given["x"], plain(given["alpha"])),
    "relu": lambda given: F.relu(given["x"]),
    "clip": clip,
    "add": lambda given: given["x"] + given["y"],
    "sub": lambda given: given["x"] - given["y"],
    "mul": lambda given: given["x"] * given["y"],
    "reduce_mean": reduce_mean,
    "concat": concat,
    "reshape": reshape,
    "transpose": lambda given: given["x"].permute(plain(given["perm"])),
    "slice_by_index": slice_by_index,
    "cast": lambda given: given["x"],
    "identity": lambda given: given["x"],
    "quantize": quantize,
    "dequantize": dequantize,
    "constexpr_affine_dequantize": constexpr_affine_dequantize,
}
"""Every operation that the exported models use, and what converts along with them."""
