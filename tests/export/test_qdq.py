# SPDX-License-Identifier: Apache-2.0
"""Portable int8 ONNX: the same function in unsigned integers that no kernel saturates on, biases in int32."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from avguard.errors import ModelError
from export.parity import of_onnx
from export.qdq import SHIFT, make_portable

RNG = np.random.default_rng(0)
WEIGHT = RNG.integers(-127, 128, (6, 64, 3, 3)).astype(np.int8)
SCALES = RNG.uniform(0.001, 0.01, 6).astype(np.float32)
BIAS = RNG.normal(0, 3, 6).astype(np.float32)
X = RNG.uniform(-2, 2, (1, 64, 9, 9)).astype(np.float32)


def graph(bias: np.ndarray = BIAS) -> ModelProto:
    """Quantize, dequantize, convolve with a dequantized int8 weight, quantize and dequantize again: as PT2E exports."""
    constants = {
        "s": np.float32(4 / 255), "z": np.int8(-7), "w": WEIGHT, "ws": SCALES, "wz": np.zeros(6, np.int8), "b": bias,
        "os": np.float32(0.5), "oz": np.int8(5),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("Conv", ["d", "wd", "b"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("QuantizeLinear", ["c", "os", "oz"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "os", "oz"], ["y"]),
    ]
    values = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("x", X.shape), ("y", (1, 6, 7, 7)))
    ]
    made = helper.make_graph(nodes, "g", *ends, values)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def answer(model: ModelProto, *, optimised: bool) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    return of_onnx(model.SerializeToString(), optimised=optimised)({"x": X})


def constants(model: ModelProto) -> dict[str, np.ndarray]:
    return {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}


def test_the_function_stays_and_no_signed_byte_is_left() -> None:
    before, after = graph(), graph()
    make_portable(after)
    np.testing.assert_allclose(answer(after, optimised=False), answer(before, optimised=False), rtol=0, atol=0.5)
    # A step is 0.5: where rounding the bias tips a value over an edge, by one step, and seldom.
    moved = answer(after, optimised=False) != answer(before, optimised=False)
    assert moved.mean() < 0.02
    kinds = {name: value.dtype for name, value in constants(after).items()}
    assert np.int8 not in kinds.values()
    assert constants(after)["w"].astype(int).tolist() == (WEIGHT.astype(int) + SHIFT).tolist()
    assert set(constants(after)["wz"].tolist()) == {SHIFT}
    assert constants(after)["z"] == -7 + SHIFT


def test_integer_kernels_give_the_same() -> None:
    """With all optimisations the convolution runs in integers; saturation would cost tens of steps."""
    model = graph()
    make_portable(model)
    slow, fast = answer(model, optimised=False), answer(model, optimised=True)
    assert np.abs(slow - fast).max() <= 0.5
    assert (slow != fast).mean() < 0.02


def test_the_convolution_does_run_in_integers(tmp_path: str) -> None:
    model = graph()
    make_portable(model)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = f"{tmp_path}/optimised.onnx"
    options.log_severity_level = 4
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(f"{tmp_path}/optimised.onnx").graph.node]
    assert "QLinearConv" in kinds
    assert "Conv" not in kinds


def test_biases_have_the_scale_of_the_sum() -> None:
    model = graph()
    make_portable(model)
    made = constants(model)
    assert made["c_bias_int32"].dtype == np.int32
    np.testing.assert_allclose(made["c_bias_scale"], SCALES * np.float32(4 / 255), rtol=1e-6)
    bias, step = made["c_bias_int32"] * made["c_bias_scale"], float(made["c_bias_scale"].max())
    np.testing.assert_allclose(bias, BIAS, rtol=0, atol=step)
    assert "b" not in made


def test_a_bias_past_int32_is_refused() -> None:
    with pytest.raises(ModelError, match="past int32"):
        make_portable(graph(np.full(6, 1e6, np.float32)))
