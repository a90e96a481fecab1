# SPDX-License-Identifier: Apache-2.0
"""The audio stations again, in float64 NumPy straight from their definitions; slow and independent of the C++ core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avguard.spec import load_spec

Real = NDArray[np.float64]


def hz_to_mel(hz: Real | float) -> Real:
    """HTK's mel scale."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, dtype=np.float64) / 700.0)


def mel_weights() -> Real:
    """(mel_bands, fft_size / 2 + 1) triangles, evenly spaced on and straight in the mel scale."""
    audio = load_spec().audio
    edges = np.linspace(hz_to_mel(audio.mel_low_hz), hz_to_mel(audio.mel_high_hz), audio.mel_bands + 2)
    bins = hz_to_mel(np.arange(audio.fft_size // 2 + 1) * audio.sample_rate_hz / audio.fft_size)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rise, fall))


def frame_power(samples: Real, first_sample: int, j: int) -> Real:
    """(fft_size / 2 + 1,) power spectrum of frame j of a signal that starts at clock index ``first_sample``."""
    audio = load_spec().audio
    n = np.arange(audio.window_samples)
    at = j * audio.hop_samples - (audio.window_samples - audio.hop_samples) // 2 + n - first_sample
    inside = (at >= 0) & (at < len(samples))
    values = np.where(inside, samples[np.clip(at, 0, len(samples) - 1)], 0.0)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / audio.window_samples)
    return np.abs(np.fft.rfft(values * window / window.sum(), audio.fft_size)) ** 2


def log_mel(samples: NDArray[np.float32], first_sample: int = 0) -> tuple[int, Real]:
    """(first frame, (frames, mel_bands + linear_bands)): the definition in ``logmel.h``."""
    audio = load_spec().audio
    first = first_sample // audio.hop_samples
    if len(samples) == 0:
        return first, np.zeros((0, audio.mel_bands + audio.linear_bands))
    last = (first_sample + len(samples) - 1) // audio.hop_samples
    signal = samples.astype(np.float64)
    power = np.stack([frame_power(signal, first_sample, j) for j in range(first, last + 1)])
    power[:, 0] = 0.0
    linear = power[:, :-1].reshape(len(power), audio.linear_bands, -1).mean(axis=2)
    bands = np.concatenate([power @ mel_weights().T, linear], axis=1)
    return first, np.log(np.maximum(bands, audio.log_floor))


def audio_window(frames: NDArray[np.float32], valid: NDArray[np.bool_]) -> tuple[Real, Real, bool]:
    """(mel (mel_bands, n), linear (linear_bands, n), enough) of one window's frames (n, bands)."""
    spec = load_spec()
    bands = np.zeros(frames.T.shape)
    enough = bool(valid.sum() >= spec.window.minimum_frames)
    if enough:
        there = frames[valid].astype(np.float64)
        bands[:, valid] = ((there - there.mean(axis=0)) * spec.audio.scale).T
    return bands[: spec.audio.mel_bands], bands[spec.audio.mel_bands :], enough


def tones(hz: Real, phase: Real, amplitude: Real, times_s: Real) -> Real:
    """Sum of sines at the given times: a signal whose samples are known at any rate."""
    waves = amplitude[:, None] * np.sin(2 * np.pi * hz[:, None] * times_s + phase[:, None])
    return np.asarray(waves.sum(axis=0), dtype=np.float64)
