# SPDX-License-Identifier: Apache-2.0
"""A frame net: EfficientNet-lite0 on single faces, as detectors have been built since FaceForensics++ (Rössler et al.,
ICCV 2019, with Xception). It knows no motion and no sound; a window's logit is the mean over its twelve faces.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avguard.train.backbone import TAP_CHANNELS, Trunk
from avguard.train.baselines.inputs import SMOOTHING, head_column
from avguard.train.dataset import VIDEO, Batch
from avguard.train.losses import masked_bce
from avguard.train.streams import conv, pool

FEATURES = 256


class FrameNet(nn.Module):
    """Faces (N, 3, 112, 112) -> logit (N, 1) that the picture was forged. All of the trunk learns."""

    kind = "video"
    reads = ("face",)
    heads = ("video",)

    def __init__(self, dropout: float = 0.4) -> None:
        super().__init__()
        self.trunk = Trunk(3)
        self.head = nn.Sequential(conv(TAP_CHANNELS[-1], FEATURES), nn.Dropout(dropout))
        self.out = nn.Conv2d(FEATURES, 1, 1)

    def forward(self, face: Tensor) -> Tensor:
        x: Tensor = self.out(pool(self.head(self.trunk(face)[-1])))
        return x.flatten(1)

    def answer(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The joint model's five inputs -> window logits (N, 4): the mean over the faces of a window."""
        face = inputs[0][:, :, :3]
        logits: Tensor = self(face.flatten(0, 1))
        return head_column(logits.reshape(face.shape[:2]).mean(1, keepdim=True), "video")

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of one face of each window that has a picture with its step's label, where that is known."""
        face, truth = torch.from_numpy(batch.inputs[0]), torch.from_numpy(batch.steps[:, VIDEO])
        rows = (~torch.isnan(truth)).any(1).nonzero()[:, 0]
        at = torch.randint(face.shape[1], (len(rows),))
        return masked_bce(self(face[rows, at, :3]), truth[rows, at, None], smoothing=SMOOTHING)
