# SPDX-License-Identifier: Apache-2.0
"""Held-out windows as they are, and how well a model ranks their clips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from avguard.evaluate.manifest import Row
from avguard.evaluate.metrics import auc
from avguard.train.model import JointModel
from avguard.train.store import Pool
from avguard.train.views import PIXELS, Inputs, Pixels, tensors


@dataclass(frozen=True)
class Validation:
    """Windows of held-out clips, put together as they are, and the truth per clip and head."""

    clips: list[str]
    pairs: list[tuple[int, int]]
    video: Pool
    audio: Pool
    truth: dict[str, dict[str, int | None]]
    views: Pixels = PIXELS

    def only(self, clips: set[str]) -> Validation:
        """The same, of some clips."""
        kept = [i for i, clip in enumerate(self.clips) if clip in clips]
        return replace(self, clips=[self.clips[i] for i in kept], pairs=[self.pairs[i] for i in kept])

    @torch.no_grad()
    def logits(self, model: JointModel, device: str) -> tuple[list[str], NDArray[np.float32], NDArray[np.bool_]]:
        """Clip name, logits (n, 4) and judged flags (video, audio) (n, 2) of every window."""
        net, out = self.views.net(model).eval(), []
        for at in range(0, len(self.pairs), 32):
            pairs = self.pairs[at : at + 32]
            inputs = natural_inputs(self.video, self.audio, pairs, self.views)
            out.append(net(*tensors(inputs, device))[0].float().cpu().numpy())
        judged = np.array([[v >= 0, a >= 0] for v, a in self.pairs])
        return self.clips, np.concatenate(out), judged

    def scores(self, model: JointModel, device: str) -> dict[str, float]:
        """AUC per head over clips (mean logit of their windows)."""
        clips, logits, judged = self.logits(model, device)
        names = np.array(clips)
        result = {}
        for head, index in (("video", 0), ("audio", 1), ("sync", 2)):
            seen = judged.all(1) if head == "sync" else judged[:, index]
            values, truths = [], []
            for clip in sorted(set(names[seen])):
                truth = self.truth[clip][head]
                if truth is not None:
                    values.append(float(logits[(names == clip) & seen, index].mean()))
                    truths.append(truth)
            if len(set(truths)) == 2:
                result[head] = float(auc(np.array(truths), np.array(values)))
        return result


def natural_inputs(video: Pool, audio: Pool, pairs: list[tuple[int, int]], views: Pixels = PIXELS) -> Inputs:
    """Model inputs of (video window, audio window) pairs; -1 leaves a side empty."""
    return views.pack(video, audio, np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]))


def load_validation(store: Path, rows: list[Row], views: Pixels = PIXELS) -> Validation:
    """The held-out windows of ``store``."""
    return load_windows(store / "validation", rows, views)


def load_windows(folder: Path, rows: list[Row], views: Pixels = PIXELS) -> Validation:
    """Windows of clips as they are, written by the producer."""
    video, audio = views.pools(folder)
    keys = [
        {(str(c), int(s)): i for i, (c, s) in enumerate(zip(p.column("clip"), p.column("start"), strict=True))}
        for p in (video, audio)
    ]
    everything = sorted(set(keys[0]) | set(keys[1]))
    pairs = [(keys[0].get(key, -1), keys[1].get(key, -1)) for key in everything]
    truth = {
        Path(r.path).stem: {"video": r.truth("video"), "audio": r.truth("audio"), "sync": r.truth("sync")} for r in rows
    }
    return Validation([key[0] for key in everything], pairs, video, audio, truth, views)
