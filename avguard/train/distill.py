# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.distill``: the last stage, in which a float student learns to be right in eight bits.

The student's graph rounds as int8 does while it learns from labels and from a teacher: the mean of several joint
models, which sees the windows as they were before parts were hidden from the student. Interrupt it and run it again to
go on. The checkpoint that it writes holds the float model, as it was, and beside it the trained graph's state:
``export.bundle`` makes the int8 programs from that.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from avguard.evaluate.manifest import read_manifest
from avguard.train.checkpoint import load_checkpoint
from avguard.train.dataset import Batch
from avguard.train.loop import Settings, make_sampler
from avguard.train.losses import masked_bce
from avguard.train.quantize import observe, trainable
from avguard.train.store import Pool
from avguard.train.teacher import Teacher

OBSERVED_BATCHES = 8
SAVE_STEPS = 20


class Distillation:
    """One run: ``student`` in, ``out`` written by ``run``; what is needed to go on lies beside it, in ``out``.part."""

    def __init__(self, settings: Settings, data: Path, store: Path, student: Path, out: Path) -> None:
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.settings, self.out, self.part = settings, out, out.with_name(f"{out.name}.part")
        video, audio = Pool(store / "train/video", settings.video_limit), Pool(store / "train/audio")
        video.refresh()
        audio.refresh()
        self.sampler = make_sampler(settings, video, audio, list(read_manifest(data)))
        self.teacher = Teacher([Path(path) for path in settings.teachers.split(",")])
        self.saved: dict[str, Any] = torch.load(student, map_location="cpu", weights_only=True)
        self.graph = trainable(load_checkpoint(student))
        self.step = 0
        if not self.part.exists():
            observe(self.graph, [_tensors(self._batch(-1 - i).inputs) for i in range(OBSERVED_BATCHES)])
        parameters = [p for p in self.graph.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
        if self.part.exists():
            self._restore()

    def _batch(self, number: int) -> Batch:
        """Batch ``number`` of the run; a resumed run draws the same ones. Negative: to set ranges by."""
        rng = np.random.default_rng([self.settings.seed, int(number < 0), abs(number)])
        return self.sampler.draw(self.settings.batch, rng)

    def run(self) -> None:
        """Train for ``settings.steps``, then write the checkpoint."""
        mean = 0.0
        while self.step < self.settings.steps:
            loss = self._train_step(self._batch(self.step))
            mean = loss if not mean else 0.95 * mean + 0.05 * loss
            self.step += 1
            print(f"\rstep {self.step}/{self.settings.steps} loss {mean:.4f}  ", end="", file=sys.stderr, flush=True)
            if self.step % SAVE_STEPS == 0:
                self._save()
        kept = {key: self.saved[key] for key in ("model", "config", "spec_hash")}
        torch.save({**kept, "quantized": self.graph.state_dict()}, self.out)
        self.part.unlink(missing_ok=True)

    def _train_step(self, batch: Batch) -> float:
        # The last tenth slowly: weights come to rest between two steps of rounding.
        rate = self.settings.learning_rate * (0.1 if self.step >= 0.9 * self.settings.steps else 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        outputs = self.graph(*_tensors(batch.inputs))
        loss = self.settings.teacher_weight * self.teacher.loss(outputs, batch.clean)
        loss = loss + masked_bce(outputs[0], torch.from_numpy(batch.window), smoothing=self.settings.smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.graph.parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _save(self) -> None:
        aside = self.part.with_suffix(".tmp")
        torch.save(
            {"graph": self.graph.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step}, aside
        )
        aside.rename(self.part)

    def _restore(self) -> None:
        saved = torch.load(self.part, map_location="cpu", weights_only=True)
        self.graph.load_state_dict(saved["graph"])
        observe(self.graph, [])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step = saved["step"]


def _tensors(arrays: tuple[Any, ...]) -> list[torch.Tensor]:
    return [torch.from_numpy(x) for x in arrays]


def main() -> int:
    """Run or go on; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.distill", description=__doc__)
    shared = os.environ.get("AVGUARD_SHARED", "../shared")
    parser.add_argument("--data", type=Path, default=Path(shared) / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/store"), help="folder of cached tensors and windows")
    parser.add_argument("--student", type=Path, required=True, help="checkpoint of the float student")
    parser.add_argument("--teachers", required=True, help="checkpoints, joined by commas; the student's may be one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--without-sources", default="", help="as in training")
    parser.add_argument("--without-parts", default="validation", help="as in training")
    args = parser.parse_args()
    settings = Settings(
        steps=args.steps, batch=args.batch, learning_rate=args.learning_rate, teachers=args.teachers,
        without_sources=args.without_sources, without_parts=args.without_parts,
    )  # fmt: skip
    Distillation(settings, args.data, args.work / "windows", args.student, args.out).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
