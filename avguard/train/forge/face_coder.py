# SPDX-License-Identifier: Apache-2.0
"""Small convolutional autoencoders of faces, trained here on real canvases: the reconstruction signature of generators.

A detector trained on real pictures against their own reconstructions learns the decoder's traces and not what is shown
(Rajan et al., "Aligned Datasets Improve Detection of Latent Diffusion-Generated Images", 2024). The kinds differ in
their latent grid and in how they grow it back, which is where checkerboards and lost detail come from.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avguard.train.mesh import SIDE_PX, Pixels


@dataclass(frozen=True)
class CoderKind:
    """``factor``: canvas pixels per latent cell (4 or 8); ``channels`` of the latent; ``grow``: how it is undone."""

    factor: int
    channels: int
    grow: str


KINDS: dict[str, CoderKind] = {
    "nearest4": CoderKind(4, 4, "nearest"),
    "transposed4": CoderKind(4, 6, "transposed"),
    "shuffle8": CoderKind(8, 20, "shuffle"),
    "nearest8": CoderKind(8, 32, "nearest"),
}
_WIDTHS = (24, 40, 64, 64)


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(4, outputs), nn.SiLU(inplace=True))


def _grow(inputs: int, outputs: int, kind: str) -> nn.Module:
    if kind == "transposed":
        return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1), nn.SiLU(inplace=True))
    if kind == "shuffle":
        return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, 1, 1), nn.PixelShuffle(2), nn.SiLU(inplace=True))
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, 1, 1), nn.SiLU(inplace=True))


class FaceCoder(nn.Module):
    """RGB faces (N, 3, 112, 112) in [-1, 1] -> their reconstruction, same shape."""

    def __init__(self, kind: CoderKind) -> None:
        super().__init__()
        depth = {4: 2, 8: 3}[kind.factor]
        down: list[nn.Module] = [_block(3, _WIDTHS[0])]
        up: list[nn.Module] = [_block(kind.channels, _WIDTHS[depth])]
        for i in range(depth):
            down += [_block(_WIDTHS[i], _WIDTHS[i + 1], 2), _block(_WIDTHS[i + 1], _WIDTHS[i + 1])]
            wide, narrow = _WIDTHS[depth - i], _WIDTHS[depth - i - 1]
            up += [_block(wide, wide), _grow(wide, narrow, kind.grow)]
        self.encoder = nn.Sequential(*down, nn.Conv2d(_WIDTHS[depth], kind.channels, 1))
        self.decoder = nn.Sequential(*up, _block(_WIDTHS[0], _WIDTHS[0]), nn.Conv2d(_WIDTHS[0], 3, 3, 1, 1))

    def forward(self, face: Tensor, disturb: float = 0.0) -> Tensor:
        """``disturb``: standard deviation of noise put on the latent, in units of its own."""
        code = torch.tanh(self.encoder(face) / 3) * 3
        if disturb:
            code = code + disturb * torch.randn_like(code) * code.std()
        out: Tensor = self.decoder(code)
        return out


class PatchCritic(nn.Module):
    """Hinge critic of 22 px patches: without it a reconstruction is only blurred, which no generator today is."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 24), (24, 48), (48, 64)):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        self.net = nn.Sequential(*layers, nn.Conv2d(64, 1, 3, 1, 1))

    def forward(self, face: Tensor) -> Tensor:
        out: Tensor = self.net(face)
        return out


def _gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def _distance(fake: Tensor, real: Tensor) -> Tensor:
    """L1 of pixels and of their gradients at two scales."""
    total = functional.l1_loss(fake, real)
    for scale in (1, 2):
        a, b = (functional.avg_pool2d(x, scale) if scale > 1 else x for x in (fake, real))
        total = total + sum(functional.l1_loss(p, q) for p, q in zip(_gradients(a), _gradients(b), strict=True))
    return total


def load_faces(folders: list[Path], per_clip: int, rng: np.random.Generator) -> Pixels:
    """``per_clip`` canvases of each cached clip: uint8 (n, 112, 112, 3)."""
    faces = []
    for folder in folders:
        if (folder / "canvases.npy").exists():
            canvases = np.load(folder / "canvases.npy", mmap_mode="r")
            chosen = rng.choice(len(canvases), min(per_clip, len(canvases)), replace=False)
            faces.append(np.ascontiguousarray(canvases[np.sort(chosen)]))
    return np.concatenate(faces)


def train_coder(name: str, faces: Pixels, path: Path, minutes: float, seed: int = 0) -> None:
    """Train one kind on real faces uint8 (n, 112, 112, 3) and save its weights at ``path``; goes on from there."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model, critic = FaceCoder(KINDS[name]), PatchCritic()
    model, critic = (m.to(memory_format=torch.channels_last) for m in (model, critic))
    own = torch.optim.AdamW(model.parameters(), 1.5e-3, betas=(0.8, 0.99))
    other = torch.optim.AdamW(critic.parameters(), 4e-4, betas=(0.5, 0.99))
    started, step = time.monotonic(), 0
    while (progress := (time.monotonic() - started) / (60 * minutes)) < 1:
        for group in own.param_groups:
            group["lr"] = 1.5e-3 * (0.03 + 0.97 * (1 - progress))
        real = to_tensor(faces[rng.integers(0, len(faces), 16)])
        real = torch.flip(real, (3,)) if rng.random() < 0.5 else real
        fake = model(real, disturb=0.05)
        loss = _distance(fake, real)
        if progress > 0.35:
            gap = functional.relu(1 - critic(real)).mean() + functional.relu(1 + critic(fake.detach())).mean()
            other.zero_grad(set_to_none=True)
            gap.backward()
            other.step()
            loss = loss - 0.03 * critic(fake).mean()
        own.zero_grad(set_to_none=True)
        loss.backward()
        own.step()
        step += 1
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"kind": name, "model": model.state_dict(), "steps": step, "loss": float(loss.detach())}, path)


def to_tensor(faces: Pixels) -> Tensor:
    """uint8 (n, 112, 112, 3) -> float32 (n, 3, 112, 112) in [-1, 1]."""
    out = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 127.5 - 1
    return out.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def rebuild(model: FaceCoder, faces: Pixels, disturb: float = 0.0) -> Pixels:
    """Faces uint8 (n, 112, 112, 3) through the coder, same shape and type."""
    assert faces.shape[1:] == (SIDE_PX, SIDE_PX, 3)
    out = model(to_tensor(np.ascontiguousarray(faces)), disturb)
    return ((out.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
