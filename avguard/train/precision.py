# SPDX-License-Identifier: Apache-2.0
"""Mixed precision: what is computed in half precision, and the scaling that float16 gradients need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from avguard.errors import UsageError

NAMES = ("fp32", "bf16", "fp16")
_CLIP = 3.0


class Precision:
    """``fp32``; ``bf16`` on a GPU or a CPU; ``fp16`` on a GPU. Weights, losses and the optimizer stay float32.

    Raises UsageError for any other name, and for fp16 on a CPU, whose gradients would vanish.
    """

    def __init__(self, name: str, device: str) -> None:
        kind = torch.device(device).type
        if name not in NAMES:
            raise UsageError(f"precision {name!r} is not one of {', '.join(NAMES)}")
        if name == "fp16" and kind != "cuda":
            raise UsageError("fp16 needs a GPU: on a CPU take bf16 or fp32")
        half = torch.float16 if name == "fp16" else torch.bfloat16
        self.autocast = torch.autocast(kind, half, enabled=name != "fp32")
        self._scaler = torch.amp.GradScaler(kind, enabled=name == "fp16")

    def step(self, loss: Tensor, optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter]) -> None:
        """Gradients of ``loss``, clipped, into ``optimizer``."""
        optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(parameters, _CLIP)
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; empty but for fp16."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The reverse; a run that was begun in another precision has nothing to load."""
        if state:
            self._scaler.load_state_dict(state)
