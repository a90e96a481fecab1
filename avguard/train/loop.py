# SPDX-License-Identifier: Apache-2.0
"""The training loop: one command, resumable, with curves as CSV."""

from __future__ import annotations

import csv
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avguard.evaluate.manifest import Row, read_manifest
from avguard.spec import load_spec
from avguard.train.dataset import Batch, Sampler
from avguard.train.families import family_of
from avguard.train.losses import alignment_loss, masked_bce
from avguard.train.model import JointModel, pretrained_trunks
from avguard.train.store import Pool
from avguard.train.validation import load_validation

SPEC = load_spec()


@dataclass(frozen=True)
class Settings:
    """One training run. ``minutes`` of training time in all, over every resumption."""

    minutes: float = 60.0
    batch: int = 32
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
    device: str = "cpu"
    threads: int = 1
    validate_minutes: float = 6.0
    video_limit: int = 9000
    audio_limit: int = 40000
    streams: str = "video,audio,sync"  # of the model; for ablations
    hold_out: str = ""  # a family of generators that training must not see
    without: str = ""  # families of the forge to do without, joined by commas


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


def make_sampler(settings: Settings, video: Pool, audio: Pool, rows: list[Row]) -> Sampler:
    """Batches from what ``settings`` lets training see."""
    names = {Path(r.path).stem: r for r in rows}
    sources = {n: r.source if r.kind == "real" else f"{r.source}/{r.generator}" for n, r in names.items()}
    hidden = {n for n, r in names.items() if settings.hold_out and family_of(r.generator) == settings.hold_out}
    forgeries = tuple(part for part in settings.without.split(",") if part)

    def wanted(clip: str, family: str) -> bool:
        return clip not in hidden and not (family and family.removeprefix("partial_").startswith(forgeries))

    return Sampler(video, audio, sources, {n: r.kind for n, r in names.items()}, wanted)


class Trainer:
    """A run in ``folder``: checkpoint.pt (everything needed to go on), best.pt (best on validation), curves.csv."""

    def __init__(self, settings: Settings, data: Path, store: Path, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        rows = list(read_manifest(data))
        self.validation = load_validation(store, rows)
        self.video = Pool(store / "train/video", settings.video_limit)
        self.audio = Pool(store / "train/audio", settings.audio_limit)
        self.video.refresh()
        self.audio.refresh()
        self.sampler = make_sampler(settings, self.video, self.audio, rows)
        self.model = JointModel(settings.width, settings.dropout, settings.streams.split(","))
        self.model = self.model.to(settings.device, memory_format=torch.channels_last)
        trunks = {id(p) for trunk in pretrained_trunks(self.model) for p in trunk.parameters()}
        self.ema = Ema(self.model, settings.ema)
        groups = [
            {
                "params": [p for p in self.model.parameters() if (id(p) in trunks) == slow and (p.ndim > 1) == decayed],
                "weight_decay": settings.weight_decay if decayed else 0.0,
                "rate": settings.trunk_rate if slow else 1.0,
            }
            for slow in (False, True)
            for decayed in (True, False)
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self.rng = np.random.default_rng(settings.seed)
        self.step, self.elapsed_s, self.best = 0, 0.0, 0.0
        (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=2))
        if (folder / "checkpoint.pt").exists():
            self._restore(torch.load(folder / "checkpoint.pt", weights_only=True))

    def run(self) -> None:
        """Train until the settings' minutes are used up. Interrupt and run again to go on."""
        last_validation, last_save, mean, began = self.elapsed_s, self.elapsed_s, {}, self.step
        with ThreadPoolExecutor(1) as loader:
            upcoming = loader.submit(self.sampler.draw, self.settings.batch, self.rng)
            started = time.monotonic() - self.elapsed_s
            while self.elapsed_s < 60 * self.settings.minutes:
                batch = upcoming.result()
                upcoming = loader.submit(self.sampler.draw, self.settings.batch, self.rng)
                for key, value in self._train_step(batch).items():
                    mean[key] = 0.98 * mean.get(key, value) + 0.02 * value
                self.elapsed_s = time.monotonic() - started
                if self.step % 20 == 0:
                    self._show(mean, (self.step - began) / max(time.monotonic() - started, 1e-9))
                if self.elapsed_s - last_validation > 60 * self.settings.validate_minutes:
                    self._validate(mean)
                    self._save()
                    last_validation = last_save = self.elapsed_s
                    upcoming.result()
                    if self.video.refresh() + self.audio.refresh():
                        self.sampler.reindex()
                    upcoming = loader.submit(self.sampler.draw, self.settings.batch, self.rng)
                elif self.elapsed_s - last_save > 120:
                    self._save()
                    last_save = self.elapsed_s
        self._validate(mean)
        self._save()

    def _train_step(self, batch: Batch) -> dict[str, float]:
        settings = self.settings
        rate = learning_rate(settings, self.elapsed_s / (60 * settings.minutes))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        self.model.train()
        inputs = [torch.from_numpy(x).to(settings.device) for x in batch.inputs]
        window, steps, embed_video, embed_audio = self.model(*inputs)
        target, target_steps = self._to(batch.window), self._to(batch.steps)
        losses = {
            "window": masked_bce(window, target, smoothing=settings.smoothing),
            "steps": masked_bce(steps, target_steps, smoothing=settings.smoothing),
            "alignment": alignment_loss(embed_video, embed_audio, torch.from_numpy(batch.in_sync).to(settings.device)),
        }
        total = (
            losses["window"] + settings.steps_weight * losses["steps"] + settings.alignment_weight * losses["alignment"]
        )
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 3.0)
        self.optimizer.step()
        self.ema.update(self.model)
        self.step += 1
        return {key: float(value.detach()) for key, value in losses.items()}

    def _to(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(array).to(self.settings.device)

    def _show(self, mean: dict[str, float], rate: float) -> None:
        text = " ".join(f"{key} {value:.3f}" for key, value in mean.items())
        minutes = f"{self.elapsed_s / 60:.1f}/{self.settings.minutes:.0f} min"
        print(f"\r{minutes} step {self.step} {rate:.2f}/s {text}  ", end="", file=sys.stderr, flush=True)

    def _validate(self, mean: dict[str, float]) -> None:
        scores = self.validation.scores(self.ema.model, self.settings.device)
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
        mean_auc = float(np.mean(list(scores.values()))) if scores else 0.0
        if mean_auc > self.best:
            self.best = mean_auc
            self._save("best.pt")

    def _save(self, name: str = "checkpoint.pt") -> None:
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
                "rng": json.dumps(self.rng.bit_generator.state),
                "torch_rng": torch.get_rng_state(),
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
        self.rng.bit_generator.state = json.loads(saved["rng"])
        torch.set_rng_state(saved["torch_rng"])
