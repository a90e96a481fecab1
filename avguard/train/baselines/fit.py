# SPDX-License-Identifier: Apache-2.0
"""Trains the baselines: AdamW, the joint model's rate curve and moving average, a fixed number of steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from avguard.train.dataset import Batch
from avguard.train.loop import Ema, Settings, learning_rate

Draw = Callable[[int, np.random.Generator], Batch]
Model = TypeVar("Model", bound=nn.Module)


def fit(model: Model, draw: Draw, loss_of: Callable[[Batch], Tensor], settings: Settings) -> Model:
    """Train ``model`` for ``settings.steps`` batches of ``draw``; returns the average of its weights, for evaluation.

    ``loss_of`` a batch is what ``model`` is to make small.
    """
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer, ema = torch.optim.AdamW(groups, lr=settings.learning_rate), Ema(model, settings.ema)
    rng, shown = np.random.default_rng(settings.seed), 0.0
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, step / settings.steps)
        model.train()
        loss = loss_of(draw(settings.batch, rng))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        ema.update(model)
        shown = 0.95 * shown + 0.05 * float(loss.detach()) if step else float(loss.detach())
        if step % 20 == 0:
            print(f"\rstep {step} of {settings.steps}, loss {shown:.3f} ", end="", file=sys.stderr, flush=True)
    averaged: Model = ema.model.eval()
    return averaged
