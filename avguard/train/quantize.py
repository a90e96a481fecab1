# SPDX-License-Identifier: Apache-2.0
"""The joint model in eight bits, by PT2E and XNNPACK's quantizer: ranges measured after training, or trained along.

Weights per channel, activations per tensor. The graph is fake quantised torch, for any batch; every int8 artefact
comes from one such graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import get_symmetric_quantization_config
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer_utils import QuantizationConfig
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import FakeQuantize, MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.fake_quantize import FakeQuantizeBase
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import QuantizationSpec

from avguard.errors import ModelError, UsageError
from avguard.spec import load_spec
from avguard.train.checkpoint import load_checkpoint
from avguard.train.graph import deployable, trace
from avguard.train.model import JointModel, random_inputs
from avguard.train.quantizer import JointQuantizer
from avguard.train.ranges import Ranges, read_ranges, set_ranges, write_ranges

# Left in float inside the same delegate: the trunks' first layers pass ranges that eight bits per tensor cannot hold.
# Quantized too they cost 0.04 AUC over the heads on validation, without them a few hundredths of a logit's deviation.
# The heads' last layers too: a step of eight bits over the range of a logit is 2 % of what clips differ by.
FLOAT_PARTS = (
    *(f"{trunk}.{part}" for trunk in ("video.face.trunk", "audio.trunk") for part in ("stem", "stages.0")),
    *(f"heads.{head}.{part}" for head in load_spec().heads for part in ("window", "steps")),
)
_EPSILON = 2**-12


def quantized(
    model: JointModel, calibration_batches: Iterable[Sequence[Tensor]], ranges: Ranges | None = None
) -> GraphModule:
    """The int8 graph of a model that was trained in float.

    ``calibration_batches``: tuples in the order of ``INPUT_SHAPES``, float32, any batch size; ranges of activations
    come from them, so they must look like production data, missing modalities included. Given ``ranges``, these count.
    Raises UsageError when there is no calibration window, ModelError when ``ranges`` are another graph's.
    """
    prepared = _prepared(model, get_symmetric_quantization_config(is_per_channel=True))
    seen = 0
    for batch in calibration_batches:
        for i in range(len(batch[0])):
            prepared(*(x[i : i + 1].contiguous() for x in batch))
            seen += 1
    if not seen:
        raise UsageError("int8 export needs at least one calibration window")
    return converted(prepared, ranges)


def trainable(model: JointModel) -> nn.Module:
    """A graph of ``model`` that rounds as int8 does in its forward pass and can be trained (Jacob et al., 2018).

    Batch norms are folded first: their statistics are done with. Call ``observe`` before the first step, ``converted``
    after the last. The stock configuration of XNNPACK's quantizer is not used: its moving averages let single windows
    shrink the ranges.
    """
    activation = QuantizationSpec(
        dtype=torch.int8, quant_min=-128, quant_max=127, qscheme=torch.per_tensor_affine, is_dynamic=False,
        observer_or_fake_quant_ctr=FakeQuantize.with_args(observer=MinMaxObserver, eps=_EPSILON),
    )  # fmt: skip
    weight = QuantizationSpec(
        dtype=torch.int8, quant_min=-127, quant_max=127, qscheme=torch.per_channel_symmetric, ch_axis=0,
        is_dynamic=False,
        observer_or_fake_quant_ctr=FakeQuantize.with_args(observer=PerChannelMinMaxObserver, eps=_EPSILON),
    )  # fmt: skip
    return _prepared(model, QuantizationConfig(activation, activation, weight, None, False))


@torch.no_grad()
def observe(graph: nn.Module, batches: Iterable[Sequence[Tensor]]) -> None:
    """Set the ranges of a ``trainable`` graph from ``batches``; from here on those of activations stay."""
    for batch in batches:
        graph(*batch)
    roundings = [part for part in graph.modules() if isinstance(part, FakeQuantizeBase)]
    for rounding in roundings:
        # A weight's range goes on following the weight.
        if not isinstance(rounding.activation_post_process, PerChannelMinMaxObserver):
            rounding.disable_observer()


def converted(graph: nn.Module, ranges: Ranges | None = None) -> GraphModule:
    """The int8 graph of a prepared one. Its biases are multiples of the step of the sums that they are added to.

    Every integer kernel rounds them so; in the graph itself it is the same rounding for all.
    """
    result: GraphModule = convert_pt2e(graph)
    if ranges is not None:
        set_ranges(result, ranges)
    for node in result.graph.nodes:
        if node.target == torch.ops.aten.conv2d.default:
            _round_bias(result, node)
    return result


@torch.no_grad()
def _round_bias(graph: GraphModule, convolution: Node) -> None:
    x, weight, bias = (*convolution.args, None)[:3]
    assert isinstance(x, Node)
    assert isinstance(weight, Node)
    if not isinstance(bias, Node) or "dequantize_per_channel" not in str(weight.target):
        return
    scales = weight.args[1]
    assert isinstance(scales, Node)
    step = graph.get_buffer(str(scales.target)) * x.args[1]
    values = graph.get_parameter(str(bias.target))
    values.copy_((values / step).round() * step)


def int8_graph(
    checkpoint: Path, calibration_batches: Iterable[Sequence[Tensor]], ranges: Path | None = None
) -> nn.Module:
    """The graph that ``avguard.train.distill`` trained in eight bits, or, of a float checkpoint, ``quantized``.

    ``ranges``: file of the ranges that ``quantized`` is to have; when it holds those of other weights, or none, they
    are measured on the batches and written there. Raises ModelError when a file is not what it should be.
    """
    model = load_checkpoint(checkpoint)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True).get("quantized")
    if state is None:
        kept = read_ranges(ranges, checkpoint) if ranges else None
        if kept is not None:
            # The weights' scales are read off in a forward pass; what passes does not matter.
            return quantized(model, [random_inputs(1, torch.Generator().manual_seed(0))], kept)
        measured = quantized(model, calibration_batches)
        if ranges:
            write_ranges(ranges, checkpoint, measured)
        return measured
    graph = trainable(model)
    try:
        graph.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            f"{checkpoint} was quantized by another version; run avguard.train.distill: {error}"
        ) from error
    return converted(graph)


def _prepared(model: JointModel, configuration: Any) -> nn.Module:  # noqa: ANN401 - executorch ships no types
    traced = trace(deployable(model), any_batch=True).module(check_guards=False)
    graph: nn.Module = prepare_pt2e(traced, JointQuantizer(configuration, _is_quantized))
    return graph


def _is_quantized(node: Node) -> bool:
    stack = node.meta.get("nn_module_stack") or {}
    path = str(next(reversed(stack.values()))[0]).replace("L['self'].", "") if stack else ""
    return not any(path == part or path.startswith(f"{part}.") for part in FLOAT_PARTS)
