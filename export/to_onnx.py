# SPDX-License-Identifier: Apache-2.0
"""ONNX for onnxruntime and onnxruntime-web: opset OPSET, any batch, named inputs and outputs, float or int8 QDQ.

The int8 form comes from the very graph that the int8 .pte comes from (``avguard.train.quantize``): same weights, same
scales, same layers left in float. It needs no session option: see ``qdq`` for why it is right without VNNI too.
"""

from __future__ import annotations

import onnx
import torch
from onnx import ModelProto
from torch import nn
from torch.export import ExportedProgram

from avguard.errors import ModelError
from avguard.train.graph import trace
from export.interface import Interface
from export.qdq import drop_unused, make_portable
from export.quiet import quiet

# The newest that onnxruntime-web and the mobile packages of onnxruntime have run since 1.17.
OPSET = 20


def export_onnx(program: ExportedProgram, interface: Interface) -> bytes:
    """A traced program, float or fake-quantised, as ONNX. The same program gives the same bytes.

    Raises ModelError when the result is not a valid model with ``interface`` or needs more than standard operators.
    """
    model = _converted(program, interface)
    _strip(model)
    make_portable(model)
    drop_unused(model)
    _name_batch(model)
    model.producer_name, model.producer_version = "avguard", ""
    model.doc_string = interface.model_id
    for name, value in sorted(interface.metadata().items()):
        model.metadata_props.add(key=name, value=value)
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = interface.describe(value.name)
    check_onnx(model, interface)
    return model.SerializeToString(deterministic=True)


def export_joint_onnx(graph: nn.Module, interface: Interface) -> bytes:
    """The joint model (see ``deployable``) or its int8 graph (see ``quantized``) as ONNX. Raises ModelError."""
    with torch.no_grad():
        return export_onnx(trace(graph, any_batch=True), interface)


def check_onnx(model: ModelProto, interface: Interface) -> None:
    """Raises ModelError unless ``model`` is valid, of OPSET alone, and has the inputs and outputs of ``interface``."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"the ONNX export is not a valid model: {error}") from error
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets != {"": OPSET}:
        raise ModelError(f"the ONNX export needs the operator sets {opsets}, not opset {OPSET} alone")
    found = [(value.name, shape_of(value)[1:]) for value in (*model.graph.input, *model.graph.output)]
    wanted = [(name, list(shape)) for name, shape in (interface.inputs | interface.outputs).items()]
    if found != wanted:
        raise ModelError(f"the ONNX export has the interface {found}, not {wanted}")


def shape_of(value: onnx.ValueInfoProto) -> list[int | str]:
    """Sizes of an input or output; a name where the size is free."""
    return [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]


def _converted(program: ExportedProgram, interface: Interface) -> ModelProto:
    names = {"input_names": list(interface.inputs), "output_names": list(interface.outputs)}
    with quiet():
        converted = torch.onnx.export(program, (), opset_version=OPSET, dynamo=True, verbose=False, **names)
    assert converted is not None
    return converted.model_proto


def _strip(model: ModelProto) -> None:
    """Forget what torch notes for its own debugging: stack traces with paths of this machine, most of the bytes."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    del graph.value_info[:]


def _name_batch(model: ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        size = value.type.tensor_type.shape.dim[0]
        if size.dim_param:
            size.dim_param = "batch"
