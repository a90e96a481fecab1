# SPDX-License-Identifier: Apache-2.0
"""The joint model as a graph that can be quantized and lowered."""

from __future__ import annotations

import torch
from torch import nn
from torch.export import Dim, ExportedProgram, export

from avguard.train.model import JointModel, random_inputs

MAX_BATCH = 64


def deployable(model: JointModel) -> JointModel:
    """A copy for export: CPU, float32, eval, plain memory format (a strided weight would be baked into the program)."""
    copy = JointModel(**model.config)
    copy.load_state_dict({k: v.detach().cpu() for k, v in model.state_dict().items()})
    return copy.eval()


def trace(module: nn.Module, *, any_batch: bool = False) -> ExportedProgram:
    """The joint model, or a quantized graph of it, for one window; with ``any_batch`` for 1 to MAX_BATCH windows."""
    # Of a batch of one torch.export would conclude that it is always one.
    example = random_inputs(2 if any_batch else 1, torch.Generator().manual_seed(0))
    shapes = tuple({0: Dim("batch", min=1, max=MAX_BATCH)} for _ in example) if any_batch else None
    return export(module, example, dynamic_shapes=shapes, strict=False)
