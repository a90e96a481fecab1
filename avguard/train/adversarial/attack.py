# SPDX-License-Identifier: Apache-2.0
"""FGSM (Goodfellow et al. 2015) and PGD (Madry et al. 2018) on the face canvases, in whole levels of 8 bit.

The attacker knows the weights and where the windows lie, and changes pixels only: lip points and sound stay. Steps are
whole levels, so what comes out is a picture. ``pack`` is the core's ``pack_pixels`` with a gradient; a test holds the
two together to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avguard.spec import load_spec
from avguard.train.adversarial.stretch import Stretch, inputs_of
from avguard.train.dataset import SYNC, VIDEO
from avguard.train.windows import FRAMES

SPEC = load_spec()
LUMA = (77, 150, 29)  # of 256, as cpp/src/levels.h


def luma(frames: Tensor) -> Tensor:
    """(…, 3) levels -> (…) Rec. 601 luma."""
    return frames @ torch.tensor([w / 256 for w in LUMA])


def pack(canvases: Tensor) -> tuple[Tensor, Tensor]:
    """Levels (48, 112, 112, 3) of one window -> (face (12, 4, 112, 112), mouth (48, 1, 48, 48))."""
    video = SPEC.video
    scaled = (canvases - video.pixel_mean) * video.pixel_scale
    grey = luma(canvases)
    shown = slice(0, FRAMES, video.face_every)
    difference = (grey[1 :: video.face_every] - grey[shown]) * video.difference_scale
    face = torch.cat([scaled[shown].permute(0, 3, 1, 2), difference[:, None]], 1)
    rows = slice(video.mouth_top_px, video.mouth_top_px + video.mouth_px)
    columns = slice(video.mouth_left_px, video.mouth_left_px + video.mouth_px)
    mouth = (grey[:, rows, columns] - video.pixel_mean) * video.pixel_scale
    return face, mouth[:, None]


class Attacker:
    """Pushes fakes towards real and real clips towards fake, in the logits of the video and sync heads."""

    def __init__(self, model: nn.Module, stretch: Stretch, starts: Sequence[int]) -> None:
        """``starts``: the windows whose mean the attacker moves. Raises ValueError when one of them has no sound."""
        inputs = inputs_of(stretch, list(starts))
        if inputs is None:
            raise ValueError("a window of the stretch has no sound")
        self._model, self._stretch, self._starts = model, stretch, starts
        self._rest = [torch.from_numpy(part) for part in inputs[2:]]
        self._sign = -1.0 if stretch.row.kind == "fake" else 1.0

    def gradient(self, canvases: NDArray[np.int16]) -> NDArray[np.int16]:
        """The sign of the wanted change of every level, (frames, 112, 112, 3); 0 where a level does not matter."""
        levels = torch.from_numpy(canvases.astype(np.float32)).requires_grad_()
        packed = [pack(levels[start : start + FRAMES]) for start in self._starts]
        face, mouth = (torch.stack(part) for part in zip(*packed, strict=True))
        logits = self._model(face, mouth, *self._rest)[0]
        (slope,) = torch.autograd.grad(self._sign * (logits[:, VIDEO] + logits[:, SYNC]).mean(), levels)
        return np.asarray(torch.sign(slope).numpy(), np.int16)

    def fgsm(self, levels: int) -> Stretch:
        """One step of ``levels``."""
        start = self._stretch.clip.canvases.astype(np.int16)
        return self._with(start + levels * self.gradient(start))

    def pgd(self, levels: int, steps: int) -> Stretch:
        """``steps`` steps of one level, never further than ``levels`` from the picture."""
        start = self._stretch.clip.canvases.astype(np.int16)
        now = start
        for _ in range(steps):
            now = np.clip(now + self.gradient(now), np.maximum(start - levels, 0), np.minimum(start + levels, 255))
        return self._with(now)

    def _with(self, canvases: NDArray[np.int16]) -> Stretch:
        pixels = np.clip(canvases, 0, 255).astype(np.uint8)
        return replace(self._stretch, clip=replace(self._stretch.clip, canvases=pixels))
