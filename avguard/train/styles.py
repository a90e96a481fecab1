# SPDX-License-Identifier: Apache-2.0
"""Style mixing: windows lend each other their statistics, so that no source is known by its look or its room.

What is normalised away and mixed is what cameras, microphones and codecs set: means and deviations. After Zhou et al.,
"Domain Generalization with MixStyle" (ICLR 2021), and, per frequency band, Kim et al., "Domain Generalization on
Efficient Acoustic Scene Classification using Residual Normalization" (DCASE 2021). Blind to every label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CHANCE, ALPHA = 0.4, 0.3
EPSILON = 1e-3


def mix_band_styles(mel: NDArray[np.float32], linear: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Give some windows another's mean and deviation of every band, in part; (N, 1, bands, frames), in place.

    Windows without sound, which are all zero, neither give nor take.
    """
    mix_styles((mel, linear), np.flatnonzero(linear.any(axis=(1, 2, 3))), rng)


def mix_styles(maps: Sequence[NDArray[np.float32]], there: NDArray[np.int64], rng: np.random.Generator) -> None:
    """The same of all ``maps`` (N, C, bands, frames) together, among the windows ``there``."""
    chosen = rng.random(len(there)) < CHANCE
    lender = rng.permutation(there)[chosen]
    own = rng.beta(ALPHA, ALPHA, len(there))[chosen, None, None, None].astype(np.float32)
    mixed = []
    for values in maps:
        x, other = values[there[chosen]], values[lender]
        mean, deviation = x.mean(-1, keepdims=True), x.std(-1, keepdims=True) + EPSILON
        other_mean, other_deviation = other.mean(-1, keepdims=True), other.std(-1, keepdims=True) + EPSILON
        x = (x - mean) / deviation * (own * deviation + (1 - own) * other_deviation)
        mixed.append(x + (own * mean + (1 - own) * other_mean))
    for values, new in zip(maps, mixed, strict=True):
        values[there[chosen]] = new


class MixStyle(nn.Module):
    """(N * images, C, H, W) -> same; in training some windows take on part of another's statistics per channel.

    The ``images`` of a window are consecutive and go together. In evaluation, and in what is exported, nothing happens.
    """

    def __init__(self, images: int) -> None:
        super().__init__()
        self.images = images

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        windows = x.unflatten(0, (-1, self.images))
        deviation, mean = torch.std_mean(windows.detach().float(), dim=(1, 3, 4), keepdim=True)
        deviation = deviation + EPSILON
        n = len(windows)
        # A missing picture is the same everywhere: it has no style to give, and none to take.
        there = (deviation.flatten(1).mean(1) > 0.05).nonzero()[:, 0]
        lender = torch.arange(n, device=x.device)
        lender[there] = there[torch.randperm(len(there), device=x.device)]
        beta = torch.distributions.Beta(ALPHA, ALPHA).sample((n, 1, 1, 1, 1)).to(x.device)
        own = torch.where(torch.rand(n, 1, 1, 1, 1, device=x.device) < CHANCE, beta, 1.0)
        scale = own + (1 - own) * deviation[lender] / deviation
        shift = own * mean + (1 - own) * mean[lender]
        return ((windows - mean) * scale + shift).to(x.dtype).flatten(0, 1)
