# SPDX-License-Identifier: Apache-2.0
"""The teacher: several joint models that answer as one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avguard.train.checkpoint import load_checkpoint
from avguard.train.losses import distillation_loss
from avguard.train.views import PIXELS, Pixels


class Teacher(nn.Module):
    """Mean logits of all ``checkpoints``; embeddings of the first, whose space the student shares.

    ``heads``: those it teaches, all with the embeddings by default; named ones go without: a student whose lips and
    voice were aligned anew has a space of its own. ``views``: what of a window it is given. Raises ModelError.
    """

    def __init__(
        self, checkpoints: Sequence[Path], device: str = "cpu", heads: Collection[str] = (), views: Pixels = PIXELS
    ) -> None:
        super().__init__()
        self.device = device
        self.taught: dict[str, Any] = {"heads": heads, "features": 0.0} if heads else {}
        self.members = nn.ModuleList(views.net(load_checkpoint(path)) for path in checkpoints)
        self.to(device, memory_format=torch.channels_last)
        self.requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        answers = [member(*inputs) for member in self.members]
        means = (torch.stack([answer[i] for answer in answers]).mean(0) for i in (0, 1))
        return *means, answers[0][2], answers[0][3]

    def loss(self, outputs: tuple[Tensor, ...], clean: Sequence[NDArray[np.float32]]) -> Tensor:
        """Distance of a student's ``outputs`` from what the teacher says of the same windows, ``clean``."""
        inputs = [torch.from_numpy(x).to(self.device) for x in clean]
        judged = torch.stack([inputs[i].flatten(1).abs().amax(1) > 0 for i in (0, 4)], 1)
        return distillation_loss(outputs, self(*inputs), judged, **self.taught)
