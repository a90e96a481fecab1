# SPDX-License-Identifier: Apache-2.0
"""Small neural vocoders, trained here on real voices: log-mel in, waveform out, adversarially.

Two signatures of what is in use: "spectral" predicts magnitude and phase for an inverse STFT (after Siuzdak, "Vocos",
2023), "time" grows the waveform by transposed convolutions (after Kong et al., "HiFi-GAN", 2020). Trained for minutes,
not days: their faults are larger than those of the originals, but of the same kind.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avguard.train.forge.audio import mel_bank
from avguard.train.forge.vocoders import SAMPLE_RATE_HZ, Pcm

HOP, N_FFT, BANDS = 256, 1024, 80
KINDS = ("spectral", "time")


class LogMel(nn.Module):
    """Waveform (N, S) -> log-mel (N, 80, S // 256 + 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bank", torch.from_numpy(mel_bank(BANDS, N_FFT, SAMPLE_RATE_HZ / 2)))
        self.register_buffer("window", torch.hann_window(N_FFT))
        self.bank: Tensor
        self.window: Tensor

    def forward(self, wave: Tensor) -> Tensor:
        spectrum = torch.stft(wave, N_FFT, HOP, window=self.window, return_complex=True).abs()
        return torch.log(self.bank @ spectrum + 1e-5)


class _Residual(nn.Module):
    def __init__(self, channels: int, kernel: int, dilation: int, grow: int) -> None:
        super().__init__()
        pad = dilation * (kernel // 2)
        self.net = nn.Sequential(
            nn.Conv1d(channels, channels, kernel, padding=pad, dilation=dilation, groups=channels if grow else 1),
            nn.GELU(),
            nn.Conv1d(channels, max(grow, 1) * channels, 1),
            nn.GELU(),
            nn.Conv1d(max(grow, 1) * channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.net(x)
        return out


class SpectralVocoder(nn.Module):
    """Log-mel (N, 80, T) -> waveform (N, 256 * (T - 1))."""

    def __init__(self, width: int = 192) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(BANDS, width, 7, padding=3),
            *(_Residual(width, 7, 1, 2) for _ in range(6)),
            nn.Conv1d(width, 2 * (N_FFT // 2 + 1), 1),
        )
        self.register_buffer("window", torch.hann_window(N_FFT))
        self.window: Tensor

    def forward(self, mel: Tensor) -> Tensor:
        size, phase = self.body(mel).chunk(2, 1)
        spectrum = torch.polar(torch.exp(size.clamp(max=6)), phase)
        return torch.istft(spectrum, N_FFT, HOP, window=self.window)


class TimeVocoder(nn.Module):
    """Log-mel (N, 80, T) -> waveform (N, 256 * (T - 1))."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(BANDS, width, 7, padding=3)]
        channels = width
        for factor in (8, 8, 2, 2):
            half = channels // 2
            layers += [
                nn.LeakyReLU(0.1),
                nn.ConvTranspose1d(channels, half, 2 * factor, factor, factor // 2),
                *(_Residual(half, kernel, dilation, 0) for kernel, dilation in ((3, 1), (7, 3))),
            ]
            channels = half
        self.net = nn.Sequential(*layers, nn.LeakyReLU(0.1), nn.Conv1d(channels, 1, 7, padding=3), nn.Tanh())

    def forward(self, mel: Tensor) -> Tensor:
        wave: Tensor = self.net(mel)[:, 0]
        return wave[:, HOP // 2 : wave.shape[1] - HOP // 2]


def make(kind: str) -> nn.Module:
    """An untrained vocoder of one of KINDS."""
    return {"spectral": SpectralVocoder, "time": TimeVocoder}[kind]()


_RESOLUTIONS = ((512, 128), (1024, 256), (256, 64))


def _magnitude(wave: Tensor, n_fft: int, hop: int) -> Tensor:
    window = torch.hann_window(n_fft, device=wave.device)
    return torch.stft(wave, n_fft, hop, window=window, return_complex=True).abs()


class SpectrumCritics(nn.Module):
    """One 2-D critic per STFT resolution: list of (score, features)."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Conv2d(1, 16, (7, 5), (2, 2), (3, 2)),
                    nn.Conv2d(16, 24, (5, 3), (2, 2), (2, 1)),
                    nn.Conv2d(24, 32, (5, 3), (2, 1), (2, 1)),
                    nn.Conv2d(32, 1, 3, 1, 1),
                ]
            )
            for _ in _RESOLUTIONS
        )

    def forward(self, wave: Tensor) -> list[list[Tensor]]:
        out = []
        for (n_fft, hop), net in zip(_RESOLUTIONS, self.nets, strict=True):
            x = torch.log(_magnitude(wave, n_fft, hop) + 1e-4)[:, None]
            features = []
            for i, layer in enumerate(net):  # type: ignore[arg-type]
                x = layer(x)
                x = functional.leaky_relu(x, 0.1) if i < 3 else x
                features.append(x)
            out.append(features)
        return out


def _spectral_distance(fake: Tensor, real: Tensor) -> Tensor:
    total = fake.new_zeros(())
    for n_fft, hop in _RESOLUTIONS:
        a, b = _magnitude(fake, n_fft, hop), _magnitude(real, n_fft, hop)
        total = total + functional.l1_loss(torch.log(a + 1e-4), torch.log(b + 1e-4))
        total = total + torch.linalg.vector_norm(b - a) / torch.linalg.vector_norm(b).clamp_min(1e-3)
    return total


def _segments(voices: list[Pcm], count: int, samples: int, rng: np.random.Generator) -> Tensor:
    rows = []
    while len(rows) < count:
        voice = voices[int(rng.integers(len(voices)))]
        if len(voice) < samples:
            continue
        start = int(rng.integers(0, len(voice) - samples + 1))
        row = voice[start : start + samples]
        peak = float(np.abs(row).max())
        if peak > 0.01:
            rows.append(row * np.float32(rng.uniform(0.3, 0.95) / peak))
    return torch.from_numpy(np.stack(rows))


def train_vocoder(kind: str, voices: list[Pcm], path: Path, minutes: float, seed: int = 0) -> None:
    """Train one kind on real voices (float32, 16 kHz) and save its weights at ``path``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model, critics, mel = make(kind), SpectrumCritics(), LogMel()
    own = torch.optim.AdamW(model.parameters(), 1.2e-3, betas=(0.8, 0.99))
    other = torch.optim.AdamW(critics.parameters(), 5e-4, betas=(0.8, 0.99))
    started, step = time.monotonic(), 0
    while (progress := (time.monotonic() - started) / (60 * minutes)) < 1:
        for group in own.param_groups:
            group["lr"] = 1.2e-3 * (0.05 + 0.95 * (1 - progress))
        real = _segments(voices, 12, 48 * HOP, rng)
        fake = model(mel(real))
        real = real[:, : fake.shape[1]]
        loss = _spectral_distance(fake, real)
        if progress > 0.25:
            judged, truth = critics(fake), critics(real)
            for a, b in zip(judged, truth, strict=True):
                loss = loss + 0.15 * functional.relu(1 - a[-1]).mean()
                loss = loss + 0.3 * sum(functional.l1_loss(x, y.detach()) for x, y in zip(a[:-1], b[:-1], strict=True))
        own.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        own.step()
        if progress > 0.2:
            judged, truth = critics(fake.detach()), critics(real)
            gap = sum(
                functional.relu(1 + a[-1]).mean() + functional.relu(1 - b[-1]).mean()
                for a, b in zip(judged, truth, strict=True)
            )
            other.zero_grad(set_to_none=True)
            gap.backward()  # type: ignore[union-attr]
            other.step()
        step += 1
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"kind": kind, "model": model.state_dict(), "steps": step, "loss": float(loss.detach())}, path)


@torch.no_grad()
def resynthesise(model: nn.Module, pcm: Pcm) -> Pcm:
    """A voice (float32 (n,), 16 kHz) through log-mel and the vocoder: same length."""
    samples = -(-len(pcm) // HOP) * HOP
    wave = torch.from_numpy(np.pad(pcm, (0, samples - len(pcm))))[None]
    out: Pcm = model(LogMel()(wave))[0, : len(pcm)].numpy()
    return np.pad(out, (0, len(pcm) - len(out)))
