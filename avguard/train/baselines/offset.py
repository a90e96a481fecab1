# SPDX-License-Identifier: Apache-2.0
"""An offset score: two towers that bring lips and voice together, after Chung & Zisserman, "Out of Time: Automated Lip
Sync in the Wild" (2016), learned from bona fide clips alone. No fake is ever seen.

SyncNet's confidence: over the lags that are tried, the median distance minus the least one. Low: no lag fits better
than any other. A clip's score is minus its confidence, so that more is more suspect.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avguard.spec import load_spec
from avguard.train.align import lag_curves
from avguard.train.baselines.inputs import Floats, batches, chosen, what_is_judged
from avguard.train.dataset import Batch
from avguard.train.experiments.run import DECIMALS
from avguard.train.losses import alignment_loss
from avguard.train.streams import Collapse, MouthNet, Separable, conv
from avguard.train.validation import Validation

SPEC = load_spec()
REACH = 5  # frames that an embedding sees, as in SyncNet


class SyncNet(nn.Module):
    """mouth (N, 48, 1, 48, 48), motion (N, 48, 1, 48), mel (N, 1, 64, 192) -> two embeddings (N, E, 1, 48)."""

    kind = "sync"
    reads = ("mouth", "motion", "mel")
    heads = ("sync", "desync")

    def __init__(self) -> None:
        super().__init__()
        dims, fine = SPEC.embedding_dims, 96
        self.mouth = MouthNet(1.0)
        self.video = nn.Sequential(
            conv(self.mouth.channels + SPEC.motion.dims, fine, (1, REACH)), Separable(fine, fine, (1, 1)),
            nn.Conv2d(fine, dims, 1, bias=False), nn.BatchNorm2d(dims),
        )  # fmt: skip
        self.audio = nn.Sequential(
            conv(1, 16, 3, 2), Separable(16, 32, stride=2), Collapse(32, 64, SPEC.audio.mel_bands // 4),
            conv(64, fine, (1, REACH)), nn.Conv2d(fine, dims, 1, bias=False), nn.BatchNorm2d(dims),
        )  # fmt: skip

    def forward(self, mouth: Tensor, motion: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        return self.video(torch.cat([self.mouth(mouth), motion], 1)), self.audio(mel)

    def loss(self, batch: Batch) -> Tensor:
        """How badly lips and voice find each other, of a batch of bona fide pairs."""
        video, audio = self(*(torch.from_numpy(x) for x in batch.inputs[1:4]))
        in_sync, lags = torch.from_numpy(batch.in_sync), torch.from_numpy(batch.lags)
        return alignment_loss(video, audio, in_sync, lags=lags, own_window=True)


def confidence(curve: Floats) -> float:
    """SyncNet's, of the mean cosine at each lag: median distance minus the least one."""
    distances = np.sqrt(np.maximum(2 - 2 * curve, 0))
    return float(np.median(distances) - distances.min())


@torch.no_grad()
def clip_scores(model: SyncNet, windows: Validation) -> dict[str, dict[str, float]]:
    """Minus the confidence of each clip that has picture and sound, by the mean curve of its windows."""
    windows = chosen(windows, np.flatnonzero(what_is_judged(windows)["sync"]))
    names = np.array(windows.clips)
    model.eval()
    curves: list[Floats] = []
    for inputs in batches(windows):
        video, audio = (functional.normalize(x[:, :, 0], dim=1).numpy() for x in model(*inputs[1:4]))
        curves.append(lag_curves(video, audio))
    table = np.concatenate(curves)
    scores = {name: -confidence(table[names == name].mean(0)) for name in sorted(set(names.tolist()))}
    return {name: dict.fromkeys(model.heads, round(score, DECIMALS)) for name, score in scores.items()}
