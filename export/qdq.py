# SPDX-License-Identifier: Apache-2.0
"""An int8 QDQ graph as the PT2E export gives it, made right for integer kernels on every CPU.

The same integers, named otherwise: int8 weights and activations become uint8 with a zero point 128 higher, which leaves
every value as it was. x86 without VNNI multiplies uint8 with int8 in pairs that saturate at 16 bits, which costs whole
logits; uint8 with uint8 is widened first and is exact, there and in WebAssembly. (``reduce_range`` would be right too,
but at seven bits the weights are others than those of the .pte.)

Biases become int32 at the scale of the accumulator, as XNNPACK has them, so that no runtime rounds them its own way.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from avguard.errors import ModelError

SHIFT = 128


def make_portable(model: ModelProto) -> None:
    """Rewrite ``model`` in place: unsigned integers, int32 biases. Raises ModelError on a bias past int32."""
    _to_unsigned(model)
    _quantize_biases(model)


def _to_unsigned(model: ModelProto) -> None:
    constants = {constant.name: constant for constant in model.graph.initializer}
    # Values and zero points only: what else is int8 in a graph means itself.
    names = {
        name
        for node in model.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
        for name in (node.input[0], *node.input[2:])
        if name in constants
    }
    for name in sorted(names):
        values = numpy_helper.to_array(constants[name])
        if values.dtype == np.int8:
            shifted = (values.astype(np.int16) + SHIFT).astype(np.uint8)
            constants[name].CopyFrom(numpy_helper.from_array(shifted, name))


def _quantize_biases(model: ModelProto) -> None:
    constants = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        scale = _accumulator_scale(node, makers, constants)
        if scale is not None:
            bias = node.input[2]
            # By the node's output: two convolutions may share a bias, never an output.
            name = f"{node.output[0]}_bias"
            values = _as_int32(bias, constants[bias], scale)
            model.graph.initializer.append(numpy_helper.from_array(values, f"{name}_int32"))
            model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
            inputs = [f"{name}_int32", f"{name}_scale"]
            nodes.append(onnx.helper.make_node("DequantizeLinear", inputs, [name], name=f"node_{name}", axis=0))
            node.input[2] = name
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    drop_unused(model)


def _accumulator_scale(
    node: NodeProto, makers: dict[str, NodeProto], constants: dict[str, NDArray]
) -> NDArray[np.float32] | None:
    """Scale per channel of the products that ``node`` sums, or None when it has no float bias or float inputs."""
    if node.op_type != "Conv" or len(node.input) < 3 or node.input[2] not in constants:
        return None
    sources = [makers.get(name) for name in node.input[:2]]
    if not all(source is not None and source.op_type == "DequantizeLinear" for source in sources):
        return None
    activation, weight = (constants[source.input[1]] for source in sources if source is not None)
    channels = len(constants[node.input[2]])
    return np.ascontiguousarray(np.broadcast_to(activation * weight, (channels,)), np.float32)


def _as_int32(name: str, bias: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.int32]:
    values = np.round(bias.astype(np.float64) / scale)
    if np.abs(values).max() >= 2**31:
        raise ModelError(f"{name} is {np.abs(bias).max():.3g}, past int32 at its scale; leave that layer in float")
    return values.astype(np.int32)


def drop_unused(model: ModelProto) -> None:
    """Forget constants that no node reads."""
    used = {name for node in model.graph.node for name in node.input} | {value.name for value in model.graph.output}
    kept = [constant for constant in model.graph.initializer if constant.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
