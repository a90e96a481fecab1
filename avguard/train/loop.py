# SPDX-License-Identifier: Apache-2.0
"""The training loop: one command, resumable, with curves as CSV.

Budgets are minutes, or steps: then, on a store that does not grow, a run that was killed and resumed ends with the
same bits as one that was not.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avguard.evaluate.manifest import read_manifest
from avguard.spec import load_spec
from avguard.train.ahead import Ahead
from avguard.train.dataset import Batch
from avguard.train.frozen import folder_of_features, load_trunks
from avguard.train.losses import alignment_loss, masked_bce
from avguard.train.material import make_sampler
from avguard.train.model import JointModel, pretrained_trunks
from avguard.train.precision import Precision
from avguard.train.teacher import Teacher
from avguard.train.team import join, random_state, set_random_state
from avguard.train.validation import load_validation
from avguard.train.views import tensors, views_of

SPEC = load_spec()


@dataclass(frozen=True)
class Settings:
    """One training run. ``minutes`` of training time in all, over every resumption; with ``steps``, so many instead."""

    minutes: float = 60.0
    steps: int = 0
    batch: int = 32  # windows a step, shared by all processes
    learning_rate: float = 1.5e-3
    trunk_rate: float = 0.35  # learning rate of the ImageNet trunks, as a share of the others'
    weight_decay: float = 0.1
    warmup: float = 0.03
    smoothing: float = 0.04
    steps_weight: float = 0.5
    alignment_weight: float = 0.15
    width: float = 1.0
    dropout: float = 0.4
    ema: float = 0.996
    seed: int = 0
    device: str = "cpu"  # or cuda, or auto
    precision: str = "fp32"  # or bf16, or fp16 on a GPU
    threads: int = 1
    validate_minutes: float = 6.0
    validate_steps: int = 1000  # in place of it where ``steps`` is given
    save_steps: int = 200
    video_limit: int = 9000
    audio_limit: int = 40000
    streams: str = "video,audio,sync"  # of the model; for ablations
    taps: int = 3  # depths at which the sync-stream reads both streams, from the coarsest on
    frozen_trunks: int = 0  # 1: trunks stay ImageNet's, and what they see was computed beforehand, see ``frozen``
    moved_share: float = 0.5  # of bona fide pairs, those whose sound is moved; 0: they align at lag zero alone
    mismatch_heads: str = "sync,desync"  # to which a voice that belongs to other lips is a fake, joined by commas
    hold_out: str = ""  # families of generators that training must not see, joined by commas
    without: str = ""  # families of the forge to do without, joined by commas
    without_heads: str = ""  # heads that are not trained, joined by commas
    share_sources: float = 1.0  # of the bona fide sources, drawn by seed, those that training sees; 0: none
    share_generators: float = 1.0  # likewise of the generators of given fakes
    share_forgeries: float = 1.0  # likewise of the families of the forge, of pictures and of sounds
    without_sources: str = ""  # source repositories that training must not see, joined by commas
    without_parts: str = ""  # of train, validation and test, those that training must not see, joined by commas
    freeze: int = 0  # parts of each trunk, from the stem on, that keep their weights: half the cost of a step at 2
    teachers: str = ""  # checkpoints whose mean the model learns from beside the labels, joined by commas
    teacher_weight: float = 1.0
    teacher_heads: str = ""  # heads that they teach, joined by commas; all, and the embeddings, where none is named
    start_from: str = ""  # a checkpoint whose weights the run begins with, instead of ImageNet's


def learning_rate(settings: Settings, progress: float) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak; ``progress`` in [0, 1]."""
    if progress < settings.warmup:
        return settings.learning_rate * (0.05 + 0.95 * progress / settings.warmup)
    phase = (progress - settings.warmup) / (1 - settings.warmup)
    return settings.learning_rate * (0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * min(phase, 1.0)))))


class Ema:
    """Exponential moving average of a model: what is validated and shipped."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.model, self.decay, self.updates = deepcopy(model).eval(), decay, 0

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        """Move towards ``model``; faster at first, so that the start is forgotten."""
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for own, new in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if own.dtype.is_floating_point:
                own.lerp_(new, 1 - keep)
            else:
                own.copy_(new)


class Trainer:
    """A run in ``folder``: checkpoint.pt (everything needed to go on), best.pt (best on validation), curves.csv."""

    def __init__(self, settings: Settings, data: Path, store: Path, folder: Path) -> None:
        self.settings, self.folder, self.team = settings, folder, join(settings.device)
        self.device = self.team.device
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        rows = list(read_manifest(data))
        streams = settings.streams.split(",")
        self.views = views_of(bool(settings.frozen_trunks), store, streams)
        self.validation = load_validation(store, rows, self.views)
        self.video, self.audio = self.views.pools(store / "train", settings.video_limit, settings.audio_limit)
        self.sampler = make_sampler(settings, self.video, self.audio, rows, self.views)
        self.model = JointModel(settings.width, settings.dropout, streams, settings.taps)
        self.model = self.model.to(self.device, memory_format=torch.channels_last)
        trunks = pretrained_trunks(self.model)
        for trunk in trunks:
            trunk.freeze(settings.freeze)
        if settings.frozen_trunks:
            load_trunks(self.model, folder_of_features(store))
        slow_ones = {id(p) for trunk in trunks for p in trunk.parameters()}
        if settings.start_from:
            self.model.load_state_dict(torch.load(settings.start_from, map_location="cpu", weights_only=True)["model"])
        self.ema = Ema(self.model, settings.ema)
        groups = [
            {
                "params": [
                    p
                    for p in self.model.parameters()
                    if p.requires_grad and (id(p) in slow_ones) == slow and (p.ndim > 1) == decayed
                ],
                "weight_decay": settings.weight_decay if decayed else 0.0,
                "rate": settings.trunk_rate if slow else 1.0,
            }
            for slow in (False, True)
            for decayed in (True, False)
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self.precision = Precision(settings.precision, self.device)
        self.step, self.elapsed_s, self.best = 0, 0.0, 0.0
        self._seed()
        if self.team.leads:
            (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=2))
        if (folder / "checkpoint.pt").exists():
            # Random states belong on the CPU, wherever they were saved.
            self._restore(torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True))
        self.net = self.team.wrap(self.views.net(self.model))
        paths = [Path(part) for part in settings.teachers.split(",") if part]
        heads = [head for head in settings.teacher_heads.split(",") if head]
        self.teacher = Teacher(paths, self.device, heads, self.views) if paths else None

    def _seed(self) -> None:
        """Random numbers of this process's own; the first one has those of a process alone."""
        rank, seed = self.team.rank, self.settings.seed
        self.rng = np.random.default_rng([seed, rank, self.step] if rank else seed)
        if rank:
            torch.manual_seed(int(self.rng.integers(2**62)))

    @property
    def progress(self) -> float:
        """Share of the budget that is used up."""
        if self.settings.steps:
            return self.step / self.settings.steps
        return self.elapsed_s / (60 * self.settings.minutes)

    def run(self) -> None:
        """Train until the budget is used up. Interrupt and run again to go on."""
        settings, mean, began = self.settings, {}, self.step
        last_validation = last_save = self.elapsed_s
        with Ahead(self.sampler, self.team.share(settings.batch), self.rng) as self.ahead:
            started = time.monotonic() - self.elapsed_s
            while self.progress < 1:
                for key, value in self._train_step(self.ahead.take()).items():
                    mean[key] = 0.98 * mean.get(key, value) + 0.02 * value
                self.elapsed_s = self.team.agree(time.monotonic() - started)
                if self.step % 20 == 0:
                    self._show(mean, (self.step - began) / max(time.monotonic() - started, 1e-9))
                if self._is_due(last_validation, 60 * settings.validate_minutes, settings.validate_steps):
                    self._validate(mean)
                    self._save()
                    last_validation = last_save = self.elapsed_s
                    self.ahead.again(self.video.refresh() + self.audio.refresh() > 0)
                elif self._is_due(last_save, 120, settings.save_steps):
                    self._save()
                    last_save = self.elapsed_s
        self._validate(mean)
        self._save()

    def _is_due(self, last_s: float, every_s: float, every_steps: int) -> bool:
        if self.settings.steps:
            return self.step % every_steps == 0
        return self.elapsed_s - last_s > every_s

    def _train_step(self, batch: Batch) -> dict[str, float]:
        settings = self.settings
        rate = learning_rate(settings, self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        self.model.train()
        with self.precision.autocast:
            outputs = self.net(*tensors(batch.inputs, self.device))
        window, steps, embed_video, embed_audio = (output.float() for output in outputs)
        target, target_steps = self._target(batch.window), self._target(batch.steps)
        losses = {
            "window": masked_bce(window, target, smoothing=settings.smoothing),
            "steps": masked_bce(steps, target_steps, smoothing=settings.smoothing),
            "alignment": alignment_loss(
                embed_video,
                embed_audio,
                torch.from_numpy(batch.in_sync).to(self.device),
                lags=torch.from_numpy(batch.lags).to(self.device),
                own_window=settings.moved_share > 0,
            ),
        }
        total = (
            losses["window"] + settings.steps_weight * losses["steps"] + settings.alignment_weight * losses["alignment"]
        )
        if self.teacher is not None:
            losses["teacher"] = self.teacher.loss((window, steps, embed_video, embed_audio), batch.clean)
            total = total + settings.teacher_weight * losses["teacher"]
        self.precision.step(total, self.optimizer, self.model.parameters())
        self.ema.update(self.model)
        self.step += 1
        return {key: float(value.detach()) for key, value in losses.items()}

    def _target(self, labels: NDArray[np.float32]) -> Tensor:
        target = torch.from_numpy(labels).to(self.device)
        away = [SPEC.heads.index(head) for head in self.settings.without_heads.split(",") if head]
        return target.index_fill(1, torch.tensor(away, dtype=torch.int64, device=self.device), float("nan"))

    def _show(self, mean: dict[str, float], rate: float) -> None:
        if not self.team.leads:
            return
        text = " ".join(f"{key} {value:.3f}" for key, value in mean.items())
        budget = f"/{self.settings.steps}" if self.settings.steps else f" of {self.settings.minutes:.0f} min"
        done = f"{self.elapsed_s / 60:.1f} min step {self.step}{budget}"
        print(f"\r{done} {rate:.2f}/s {text}  ", end="", file=sys.stderr, flush=True)

    def _validate(self, mean: dict[str, float]) -> None:
        mean_auc = self.team.agree(self._note(mean) if self.team.leads else 0.0)
        if mean_auc > self.best:
            self.best = mean_auc
            self._save("best.pt")

    def _note(self, mean: dict[str, float]) -> float:
        """One more line of curves.csv; returns the mean AUC over heads."""
        scores = self.validation.scores(self.ema.model, self.device)
        row: dict[str, Any] = {"minutes": self.elapsed_s / 60, "step": self.step, "windows": len(self.video)}
        row |= {f"loss_{k}": mean.get(k, float("nan")) for k in ("window", "steps", "alignment")}
        row |= {f"auc_{k}": scores.get(k, float("nan")) for k in ("video", "audio", "sync")}
        path = self.folder / "curves.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})
        print("\n" + " ".join(f"{k} {v:.3f}" for k, v in scores.items()), file=sys.stderr, flush=True)
        return float(np.mean(list(scores.values()))) if scores else 0.0

    def _save(self, name: str = "checkpoint.pt") -> None:
        mine = {"rng": json.dumps(self.ahead.state), "torch": random_state(self.device)}
        team = self.team.gather(mine)
        if not self.team.leads:
            return
        aside = self.folder / "checkpoint.tmp"
        torch.save(
            {
                "model": self.ema.model.state_dict(),
                "config": self.model.config,
                "spec_hash": SPEC.hash,
                "raw": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": {
                    "step": self.step,
                    "elapsed_s": self.elapsed_s,
                    "updates": self.ema.updates,
                    "best": self.best,
                },
                "rng": mine["rng"],
                "torch_rng": torch.get_rng_state(),
                "team": team,
                "scaler": self.precision.state_dict(),
            },
            aside,
        )
        aside.rename(self.folder / name)

    def _restore(self, saved: dict[str, Any]) -> None:
        self.ema.model.load_state_dict(saved["model"])
        self.model.load_state_dict(saved["raw"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.elapsed_s = saved["progress"]["step"], saved["progress"]["elapsed_s"]
        self.ema.updates, self.best = saved["progress"]["updates"], saved["progress"]["best"]
        self.precision.load_state_dict(saved.get("scaler", {}))
        # Checkpoints of older versions have the first process's state alone.
        team = saved.get("team") or [{"rng": saved["rng"], "torch": {"cpu": saved["torch_rng"]}}]
        if len(team) == self.team.size:
            self.rng.bit_generator.state = json.loads(team[self.team.rank]["rng"])
            set_random_state(team[self.team.rank]["torch"], self.device)
        else:
            self._seed()
