# SPDX-License-Identifier: Apache-2.0
"""Where the joint model's graph is rounded to eight bits: XNNPACK's quantizer, with its steps where they cost least.

The stock rules round before a ReLU6, over a range of which the ReLU6 keeps a tenth, and give a mean the range of what
it is the mean of, which is ten times wider than its own. Either costs three bits of eight.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer_utils import (
    QuantizationConfig,
    get_input_act_qspec,
    get_output_act_qspec,
    get_weight_qspec,
    propagate_annotation,
)
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

_ATEN = torch.ops.aten
_CLAMPS = (_ATEN.hardtanh.default, _ATEN.hardtanh_.default)


class JointQuantizer(XNNPACKQuantizer):  # type: ignore[misc] - untyped library
    """``is_quantized(node)``: False for a node that is to stay in float."""

    def __init__(self, configuration: QuantizationConfig, is_quantized: Callable[[Node], bool]) -> None:
        super().__init__()
        self.configuration, self.is_quantized = configuration, is_quantized
        self.set_global(configuration)
        self.set_filter_function(is_quantized)

    def annotate(self, model: GraphModule) -> GraphModule:
        """Ours first: what is annotated already, the stock rules leave alone."""
        for node in model.graph.nodes:
            if node.target in _CLAMPS:
                self._round_after_clamp(node)
            elif node.target == _ATEN.mean.dim:
                self._give_own_range(node)
            elif node.target == _ATEN.cat.default and not any(map(self.is_quantized, node.all_input_nodes)):
                _annotate(node)
        model = self._annotate_for_quantization_config(model)
        propagate_annotation(model)
        return model

    def _round_after_clamp(self, clamp: Node) -> None:
        convolution = clamp.args[0]
        assert isinstance(convolution, Node)
        if convolution.target != _ATEN.conv2d.default or not self.is_quantized(convolution):
            return
        x, weight = convolution.all_input_nodes[:2]
        _annotate(
            convolution, {x: get_input_act_qspec(self.configuration), weight: get_weight_qspec(self.configuration)}
        )
        _annotate(clamp, output=get_output_act_qspec(self.configuration))

    def _give_own_range(self, mean: Node) -> None:
        if any(map(self.is_quantized, mean.users)):
            _annotate(mean, output=get_output_act_qspec(self.configuration))
        else:
            _annotate(mean)


def _annotate(node: Node, inputs: dict[Node, object] | None = None, output: object = None) -> None:
    annotation = QuantizationAnnotation(input_qspec_map=inputs or {}, output_qspec=output, _annotated=True)
    node.meta[Q_ANNOTATION_KEY] = annotation
