# SPDX-License-Identifier: Apache-2.0
"""Trains the baselines that learn from labels: AdamW, the joint model's rate curve and moving average, fixed steps."""

from __future__ import annotations

import sys
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from avguard.train.dataset import Batch, Sampler
from avguard.train.loop import Ema, Settings, learning_rate
from avguard.train.losses import masked_bce


class Learner(Protocol):
    """What ``fit`` trains: a module that says of a batch what it answers, and what it should have."""

    def learn(self, batch: Batch) -> tuple[Tensor, Tensor]: ...


def fit(model: torch.nn.Module, sampler: Sampler, settings: Settings) -> torch.nn.Module:
    """Train ``model``, a Learner, for ``settings.steps``; returns the average of its weights, in evaluation mode."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer, ema = torch.optim.AdamW(groups, lr=settings.learning_rate), Ema(model, settings.ema)
    rng, shown = np.random.default_rng(settings.seed), 0.0
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, step / settings.steps)
        batch = sampler.draw(settings.batch, rng)
        model.train()
        logits, labels = model.learn(batch)
        loss = masked_bce(logits, labels, smoothing=settings.smoothing)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        ema.update(model)
        shown = 0.95 * shown + 0.05 * float(loss.detach()) if step else float(loss.detach())
        if step % 20 == 0:
            print(f"\rstep {step} of {settings.steps}, loss {shown:.3f} ", end="", file=sys.stderr, flush=True)
    return ema.model.eval()
