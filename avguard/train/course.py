# SPDX-License-Identifier: Apache-2.0
"""A short run over some parts of a model: everything else stays as it is, statistics of batch norms included.

For stages that follow each other (``align``, ``settle``); what trains everything is ``loop.Trainer``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avguard.spec import load_spec
from avguard.train.loop import Ema, Settings, learning_rate
from avguard.train.model import JointModel

SPEC = load_spec()


class Course:
    """Trains ``parts`` of ``model`` in place for ``settings.steps`` steps; ``ema.model`` is the result.

    ``state``: file that a stopped run goes on from, with the same bits as one that was not stopped; gone at the end.
    """

    def __init__(self, model: JointModel, parts: Sequence[str], settings: Settings, state: Path) -> None:
        self.model, self.settings, self.state = model, settings, state
        model.requires_grad_(False)
        self.moving = [model.get_submodule(part) for part in parts]
        for part in self.moving:
            part.requires_grad_(True)
        self.parameters = [p for part in self.moving for p in part.parameters()]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.ema = Ema(model, settings.ema)
        self.rng, self.step = np.random.default_rng(settings.seed), 0
        torch.manual_seed(settings.seed)
        if state.exists():
            self._restore()

    def run(self, loss_of: Callable[[np.random.Generator], Tensor]) -> None:
        """``loss_of`` draws a batch and gives its loss. Interrupt and run again to go on."""
        mean = 0.0
        while self.step < self.settings.steps:
            rate = learning_rate(self.settings, self.step / self.settings.steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.model.eval()
            for part in self.moving:
                part.train()
            loss = loss_of(self.rng)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.ema.update(self.model)
            self.step += 1
            mean = float(loss.detach()) if not mean else 0.98 * mean + 0.02 * float(loss.detach())
            if self.step % 20 == 0:
                print(f"\rstep {self.step}/{self.settings.steps} loss {mean:.3f} ", end="", file=sys.stderr, flush=True)
            if self.step % self.settings.save_steps == 0:
                self._save()

    def finish(self, out: Path, sources: Collection[str]) -> None:
        """Write the result to ``out`` as a checkpoint that was trained on ``sources``."""
        kept = {"config": self.model.config, "spec_hash": SPEC.hash, "trained_on": sorted(sources)}
        _write(out, {"model": self.ema.model.state_dict(), **kept})
        self.state.unlink(missing_ok=True)

    def _save(self) -> None:
        _write(
            self.state,
            {
                "raw": self.model.state_dict(),
                "ema": self.ema.model.state_dict(),
                "updates": self.ema.updates,
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
                "rng": json.dumps(self.rng.bit_generator.state),
                "torch_rng": torch.get_rng_state(),
            },
        )

    def _restore(self) -> None:
        saved = torch.load(self.state, map_location="cpu", weights_only=True)
        self.model.load_state_dict(saved["raw"])
        self.ema.model.load_state_dict(saved["ema"])
        self.ema.updates, self.step = saved["updates"], saved["step"]
        self.optimizer.load_state_dict(saved["optimizer"])
        self.rng.bit_generator.state = json.loads(saved["rng"])
        torch.set_rng_state(saved["torch_rng"])


def _write(path: Path, saved: dict[str, object]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(saved, aside)
    aside.rename(path)
