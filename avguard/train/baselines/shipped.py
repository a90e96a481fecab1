# SPDX-License-Identifier: Apache-2.0
"""The model that ships, judged where the baselines are: its checkpoint, and the int8 program of its bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avguard import _core
from avguard.models import open_bundle
from avguard.spec import load_spec
from avguard.train.checkpoint import load_checkpoint
from avguard.train.model import INPUT_SHAPES


class Shipped:
    """One of the two where a baseline stands. ``checkpoint``: a file; None: the int8 program of the default bundle."""

    reads = (*INPUT_SHAPES, "difference")
    heads = load_spec().heads

    def __init__(self, checkpoint: Path | None = None) -> None:
        self.model = None if checkpoint is None else load_checkpoint(checkpoint).eval()
        self.program = _core.Program(open_bundle().program("joint_int8"), joint=True) if checkpoint is None else None

    def answer(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Window logits (N, 4)."""
        if self.model is not None:
            answer: Tensor = self.model(*inputs)[0]
            return answer
        assert self.program is not None
        windows = [[np.ascontiguousarray(x[i : i + 1].numpy()) for x in inputs] for i in range(len(inputs[0]))]
        logits = [self.program.run(window)[0].reshape(1, -1).copy() for window in windows]
        return torch.from_numpy(np.concatenate(logits))
