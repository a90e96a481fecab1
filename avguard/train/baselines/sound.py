# SPDX-License-Identifier: Apache-2.0
"""AASIST-L on our bands: the light form of AASIST (Jung et al., ICASSP 2022), on the ``linear`` bands.

The published net learns sinc filters over the waveform; the store holds no waveforms, so that 128 linear bands stand in
for its 70 filters. They are max-pooled to 21 rows (its filters: to 23), and time is halved once where the published
encoder, at 21,490 steps, divides by three six times: 32 temporal nodes, as there are 29. All else is as published, from
the residual blocks to the two branches of stacking graph attention whose maximum is read out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avguard.spec import load_spec
from avguard.train.baselines.graph_attention import GraphAttention, GraphPool, HeterogeneousAttention
from avguard.train.baselines.inputs import SMOOTHING, head_column
from avguard.train.dataset import AUDIO, Batch
from avguard.train.losses import masked_bce

SPEC = load_spec()
POOL = (6, 3)
ROWS = SPEC.audio.linear_bands // POOL[0]
# (inputs, outputs, by how much time is pooled) of every residual block.
BLOCKS = ((1, 32, 2), (32, 32, 1), (32, 24, 1), (24, 24, 1), (24, 24, 1), (24, 24, 1))
NODE, STACKED = 24, 32
KEPT_SPECTRAL, KEPT_TEMPORAL, KEPT_STACKED = 0.4, 0.5, 0.7
TEMPERATURE, STACKED_TEMPERATURE = 2.0, 100.0


class Residual(nn.Module):
    """Two convolutions over bands and time with SELU between them. (N, C, rows, T) -> (N, outputs, rows, T / pool)."""

    def __init__(self, inputs: int, outputs: int, pool: int) -> None:
        super().__init__()
        # The first block reads what was normalised just before.
        self.before = nn.Identity() if inputs == 1 else nn.Sequential(nn.BatchNorm2d(inputs), nn.SELU())
        self.net = nn.Sequential(
            nn.Conv2d(inputs, outputs, (2, 3), padding=(1, 1)), nn.BatchNorm2d(outputs), nn.SELU(),
            nn.Conv2d(outputs, outputs, (2, 3), padding=(0, 1)),
        )  # fmt: skip
        self.same = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1))
        self.pool = nn.MaxPool2d((1, pool)) if pool > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pool(self.net(self.before(x)) + self.same(x))
        return out


class Branch(nn.Module):
    """Stacking graph attention twice with pools between: temporal (N, A, 24), spectral (N, B, 24) -> fewer, with 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = nn.Parameter(torch.randn(1, 1, NODE))
        self.one = HeterogeneousAttention(NODE, STACKED, STACKED_TEMPERATURE)
        self.two = HeterogeneousAttention(STACKED, STACKED, STACKED_TEMPERATURE)
        self.pool_temporal, self.pool_spectral = (GraphPool(STACKED, KEPT_STACKED) for _ in range(2))

    def forward(self, temporal: Tensor, spectral: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        temporal, spectral, stack = self.one(temporal, spectral, self.stack.expand(len(temporal), -1, -1))
        temporal, spectral = self.pool_temporal(temporal), self.pool_spectral(spectral)
        further = self.two(temporal, spectral, stack)
        return temporal + further[0], spectral + further[1], stack + further[2]


class SoundNet(nn.Module):
    """Bands (N, 1, 128, 192) -> logit (N, 1) that the sound was forged."""

    kind = "audio"
    reads = ("linear",)
    heads = ("audio",)

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Sequential(nn.MaxPool2d(POOL), nn.BatchNorm2d(1), nn.SELU())
        self.encoder = nn.Sequential(*(Residual(*block) for block in BLOCKS))
        self.place = nn.Parameter(torch.randn(1, ROWS, NODE))
        self.spectral = nn.Sequential(GraphAttention(NODE, NODE, TEMPERATURE), GraphPool(NODE, KEPT_SPECTRAL))
        self.temporal = nn.Sequential(GraphAttention(NODE, NODE, TEMPERATURE), GraphPool(NODE, KEPT_TEMPORAL))
        self.branches = nn.ModuleList([Branch(), Branch()])
        self.drop_branch, self.drop = nn.Dropout(0.2), nn.Dropout(0.5)
        self.out = nn.Linear(5 * STACKED, 1)

    def forward(self, linear: Tensor) -> Tensor:
        x = self.encoder(self.front(linear)).abs()
        spectral = self.spectral(x.amax(3).transpose(1, 2) + self.place)
        temporal = self.temporal(x.amax(2).transpose(1, 2))
        one, two = (branch(temporal, spectral) for branch in self.branches)
        temporal, spectral, stack = (
            torch.maximum(self.drop_branch(a), self.drop_branch(b)) for a, b in zip(one, two, strict=True)
        )
        # The maximum of magnitudes beside the mean, of both kinds of nodes (the paper's max graph operation).
        read = [f for nodes in (temporal, spectral) for f in (nodes.abs().amax(1), nodes.mean(1))]
        out: Tensor = self.out(self.drop(torch.cat([*read, stack[:, 0]], 1)))
        return out

    def answer(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The joint model's five inputs -> window logits (N, 4)."""
        return head_column(self(inputs[4]), "audio")

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy with the labels of windows, where these are known."""
        truth = torch.from_numpy(batch.window[:, AUDIO, None])
        return masked_bce(self(torch.from_numpy(batch.inputs[4])), truth, smoothing=SMOOTHING)
