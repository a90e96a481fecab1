# SPDX-License-Identifier: Apache-2.0
"""The audio forge: families of pseudo-fakes of one voice clip, aligned with it in time and matched in loudness.

Every family maps (pcm float32 (n,) 16 kHz mono, rng) to float32 (n,); silence in gives silence out. UsageError on
any other input. Artefacts live where the family puts them: ``hf_replicate`` above 3-6 kHz only, for one, so a low-pass
of the channel may leave nothing to see.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import gaussian_filter, gaussian_filter1d, uniform_filter1d
from scipy.signal import resample_poly

from avguard.errors import UsageError
from avguard.train.forge.vocoders import (
    SAMPLE_RATE_HZ,
    Array,
    Pcm,
    Spectrum,
    check_pcm,
    finish,
    harmonic_noise,
    istft,
    lpc_vocoder,
    padded,
    rms,
    stft,
    world,
)

Mask = npt.NDArray[np.bool_]
Family = Callable[[Pcm, np.random.Generator], Pcm]


def griffin_lim(
    magnitude: Pcm, n_fft: int, hop: int, samples: int, iterations: int, momentum: float, start: Spectrum
) -> Pcm:
    """Samples with STFT ``magnitude`` (t, f), phase from complex ``start`` (Griffin & Lim 1984, Perraudin 2013)."""
    angles = start / (np.abs(start) + 1e-9)
    previous = np.zeros_like(angles)
    for _ in range(iterations):
        rebuilt = stft(istft(magnitude * angles, n_fft, hop, samples), n_fft, hop)
        angles = rebuilt + np.float32(momentum) * (rebuilt - previous)
        angles /= np.abs(angles) + np.float32(1e-9)
        previous = rebuilt
    return istft(magnitude * angles, n_fft, hop, samples)


def random_phase(shape: tuple[int, ...], rng: np.random.Generator) -> Spectrum:
    """Unit complex64 numbers of uniform phase."""
    return np.exp(2j * np.pi * rng.random(shape)).astype(np.complex64)


@cache
def mel_bank(bands: int, n_fft: int, high_hz: float) -> Pcm:
    """Triangular HTK-mel filters from 0 Hz to ``high_hz``, float32 (bands, n_fft // 2 + 1), each of unit sum."""
    mels = np.linspace(0.0, 2595 * np.log10(1 + high_hz / 700), bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    bins = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ)
    # A triangle narrower than a bin would be empty, which no vocoder's front end tolerates.
    widths = np.maximum(np.diff(edges), SAMPLE_RATE_HZ / n_fft)
    up = (bins - edges[1:-1, None]) / widths[:-1, None] + 1
    down = 1 - (bins - edges[1:-1, None]) / widths[1:, None]
    bank = np.maximum(np.minimum(up, down), 0)
    return (bank / np.maximum(bank.sum(axis=1, keepdims=True), 1e-9)).astype(np.float32)


@cache
def _mel_inverse(bands: int, n_fft: int, high_hz: float) -> Pcm:
    return np.linalg.pinv(mel_bank(bands, n_fft, high_hz)).astype(np.float32)


def mel_to_linear(mel: Pcm, n_fft: int, high_hz: float, refine: int) -> Pcm:
    """Magnitudes (t, f) for mel (t, bands): clipped pseudo-inverse, then ``refine`` multiplicative NNLS steps."""
    bank = mel_bank(mel.shape[1], n_fft, high_hz)
    linear = np.maximum(mel @ _mel_inverse(mel.shape[1], n_fft, high_hz).T, 1e-7)
    for _ in range(refine):
        linear *= (mel @ bank) / (linear @ bank.T @ bank + 1e-9)
    linear[:, np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ) > high_hz] = 0
    return linear


def _frame(rng: np.random.Generator) -> tuple[int, int]:
    """FFT size (512-2048) and hop (128-320), at 4 or 8 frames of overlap, as vocoders in use have them."""
    hop = int(rng.choice([128, 160, 200, 256, 320]))
    return (8 if hop <= 256 and rng.random() < 0.3 else 4) * hop, hop


def _momentum(rng: np.random.Generator) -> float:
    return float(rng.choice([0.0, 0.5, 0.99]))


def _mel_shape(rng: np.random.Generator) -> tuple[int, float]:
    return int(rng.choice([64, 80, 100, 128])), float(rng.choice([7000.0, 7600.0, 8000.0]))


def _bins_hz(n_fft: int) -> Array:
    return np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ)


def griffin_lim_mel(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """Mel magnitudes (64-128 bands), inverted by pseudo-inverse or NNLS, phase by 8-60 Griffin-Lim iterations."""
    check_pcm(pcm)
    wide, (n_fft, hop), (bands, high_hz) = padded(pcm), _frame(rng), _mel_shape(rng)
    mel = np.abs(stft(wide, n_fft, hop)) @ mel_bank(bands, n_fft, high_hz).T
    linear = mel_to_linear(mel, n_fft, high_hz, int(rng.choice([0, 15])))
    start = random_phase(linear.shape, rng)
    return finish(griffin_lim(linear, n_fft, hop, wide.size, int(rng.integers(8, 61)), _momentum(rng), start), pcm)


def griffin_lim_linear(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """The clip's own STFT magnitudes under a phase found by 4-40 Griffin-Lim iterations."""
    check_pcm(pcm)
    wide, (n_fft, hop) = padded(pcm), _frame(rng)
    magnitude = np.abs(stft(wide, n_fft, hop))
    start = random_phase(magnitude.shape, rng)
    return finish(griffin_lim(magnitude, n_fft, hop, wide.size, int(rng.integers(4, 41)), _momentum(rng), start), pcm)


def _minimum_phase(magnitude: Pcm, n_fft: int) -> Spectrum:
    cepstrum = scipy.fft.irfft(np.log(magnitude + 1e-5), n_fft, axis=1)
    cepstrum[:, 1 : n_fft // 2] *= 2
    cepstrum[:, n_fft // 2 + 1 :] = 0
    # Each frame's impulse is placed at its centre, where the analysis window has its weight.
    centre = np.where(np.arange(n_fft // 2 + 1) % 2, -1.0, 1.0)
    return np.exp(1j * scipy.fft.rfft(cepstrum, axis=1).imag).astype(np.complex64) * centre.astype(np.float32)


def _new_phase(spectrum: Spectrum, n_fft: int, hop: int, rng: np.random.Generator) -> Spectrum:
    """Unit complex numbers: jittered, smoothed over time, predicted bin by bin, or minimum phase."""
    unit = spectrum / (np.abs(spectrum) + 1e-9)
    kind = rng.choice(["jitter", "smooth", "predicted", "minimum"])
    if kind == "jitter":
        noise = rng.standard_normal(spectrum.shape) * rng.uniform(0.8, 2.0)
        return unit * np.exp(1j * noise).astype(np.complex64)
    if kind == "minimum":
        return _minimum_phase(np.abs(spectrum), n_fft)
    advance = np.exp(2j * np.pi * hop * np.arange(spectrum.shape[1]) / n_fft)
    if kind == "predicted":
        start = np.exp(2j * np.pi * rng.random(spectrum.shape[1]))
        drift = np.cumsum(rng.standard_normal(spectrum.shape) * rng.uniform(0.0, 0.3), axis=0)
        steps = np.arange(len(spectrum))[:, None]
        return (start * advance**steps * np.exp(1j * drift)).astype(np.complex64)
    turned = unit * advance ** -np.arange(len(spectrum))[:, None]
    width = rng.uniform(1.0, 3.0)
    calm = gaussian_filter1d(turned.real, width, axis=0) + 1j * gaussian_filter1d(turned.imag, width, axis=0)
    calm *= advance ** np.arange(len(spectrum))[:, None]
    return (calm / (np.abs(calm) + 1e-9)).astype(np.complex64)


def phase_vocoder(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """Own magnitudes, wrong phases above a random 0-4 kHz: the high-band incoherence of neural vocoders."""
    check_pcm(pcm)
    wide, (n_fft, hop) = padded(pcm), _frame(rng)
    spectrum = stft(wide, n_fft, hop)
    phase = _new_phase(spectrum, n_fft, hop, rng)
    cut_hz = rng.uniform(1000, 4000) * (rng.random() < 0.7)
    changed = np.where(_bins_hz(n_fft) >= cut_hz, np.abs(spectrum) * phase, spectrum)
    return finish(istft(changed, n_fft, hop, wide.size), pcm)


def _mirrored(spectrum: Spectrum, n_fft: int, rng: np.random.Generator) -> Spectrum:
    """Bins above a random 3-6 kHz taken from below it, mirrored or moved, at the level of what they replace."""
    cut = int(rng.uniform(3000, 6000) * n_fft / SAMPLE_RATE_HZ)
    bins = np.arange(cut, spectrum.shape[1])
    origin = 2 * cut - bins if rng.random() < 0.5 else bins - cut + int(0.25 * cut)
    image = spectrum[:, np.clip(origin, 1, cut - 1)]
    floor = 0.01 * np.linalg.norm(spectrum[:, :cut], axis=1, keepdims=True)
    level = np.maximum(np.linalg.norm(spectrum[:, cut:], axis=1, keepdims=True), floor)
    out = spectrum.copy()
    out[:, cut:] = image * level / (np.linalg.norm(image, axis=1, keepdims=True) + 1e-9)
    return out


def _stuffed(pcm: Pcm, rng: np.random.Generator) -> Array:
    """Half-rate version, zero-stuffed and filtered as badly as a transposed convolution of 2-4 taps does."""
    half = resample_poly(pcm.astype(np.float64), 1, 2)
    images = np.zeros(2 * half.size)
    images[::2] = 2 * half
    kernel = np.array([[0, 0.5, 0.5], [0.25, 0.5, 0.25], [0.1, 0.8, 0.1]][int(rng.integers(3))])
    kernel = kernel + rng.normal(0, 0.05, 3)
    rough = np.convolve(images, kernel, "same")[: pcm.size]
    smooth = resample_poly(half, 2, 1)[: pcm.size]
    low = scipy.fft.rfft(rough)
    low[scipy.fft.rfftfreq(pcm.size, 1 / SAMPLE_RATE_HZ) < SAMPLE_RATE_HZ / 4] = 0
    high = scipy.fft.irfft(low, pcm.size)
    level = max(rms(pcm - smooth), 0.01 * rms(pcm)) * 10 ** (rng.uniform(-3, 6) / 20)
    return smooth + high * level / (rms(high) + 1e-9)


def hf_replicate(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """High band replaced by spectral images of the low band, as imperfect upsampling layers leave them."""
    check_pcm(pcm)
    wide = padded(pcm)
    if rng.random() < 0.4:
        return finish(_stuffed(wide, rng), pcm)
    n_fft, hop = _frame(rng)
    return finish(istft(_mirrored(stft(wide, n_fft, hop), n_fft, rng), n_fft, hop, wide.size), pcm)


def checkerboard(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """Tones at multiples of a hop rate, locked to the envelope, and a stride-periodic gain (Odena et al. 2016)."""
    check_pcm(pcm)
    hop, stride = int(rng.choice([64, 80, 128, 160, 200, 256, 320])), int(rng.choice([2, 4, 5, 8]))
    pattern = rng.standard_normal(hop)
    pattern = np.diff(pattern, append=pattern[:1]) if rng.random() < 0.5 else pattern - pattern.mean()
    tones = np.resize(pattern / (rms(pattern) + 1e-9), pcm.size)
    envelope = uniform_filter1d(np.abs(pcm.astype(np.float64)), int(rng.uniform(240, 960)))
    level = 10 ** (rng.uniform(-28, -16) / 20)
    ripple = 1 + rng.uniform(0.05, 0.3) * np.resize(rng.standard_normal(stride), pcm.size)
    return finish(pcm * ripple + level * envelope * tones, pcm)


def _level(magnitude: Pcm) -> Pcm:
    return np.linalg.norm(magnitude, axis=1, keepdims=True) + np.float32(1e-6)


def _at_level(magnitude: Pcm, level: Pcm) -> Pcm:
    """Frames of ``magnitude`` (t, f) scaled to norms ``level`` (t, 1): log-domain smoothing loses loud onsets."""
    return (magnitude * (level / _level(magnitude))).astype(np.float32)


def mel_smooth(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """Oversmoothed log magnitudes, over time and frequency, under the original phase or one of Griffin-Lim."""
    check_pcm(pcm)
    wide, (n_fft, hop) = padded(pcm), _frame(rng)
    spectrum = stft(wide, n_fft, hop)
    widths = (rng.uniform(0.005, 0.015) * SAMPLE_RATE_HZ / hop, rng.uniform(30, 90) * n_fft / SAMPLE_RATE_HZ)
    magnitude = _at_level(np.exp(gaussian_filter(np.log(np.abs(spectrum) + 1e-4), widths)), _level(np.abs(spectrum)))
    iterations = int(rng.choice([0, rng.integers(8, 31)]))
    return finish(griffin_lim(magnitude, n_fft, hop, wide.size, iterations, _momentum(rng), spectrum), pcm)


def _codebook(vectors: Pcm, size: int, rng: np.random.Generator) -> Pcm:
    """Each of vectors (t, d) replaced by the nearest of ``size`` centroids learned on them (Lloyd, 8 rounds)."""
    centers = vectors[rng.choice(len(vectors), min(size, len(vectors)), replace=False)]
    for _ in range(8):
        nearest = np.argmin(np.sum(centers**2, axis=1) - 2 * vectors @ centers.T, axis=1)
        counts = np.bincount(nearest, minlength=len(centers))
        used = counts > 0
        members = (nearest == np.arange(len(centers))[:, None]).astype(np.float32)
        centers[used] = (members @ vectors)[used] / counts[used, None]
    return centers[nearest]


def low_bit_codec(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """Log-mel frames through a one- or two-stage vector quantiser of 16-128 entries, then Griffin-Lim."""
    check_pcm(pcm)
    wide, (n_fft, hop), (bands, high_hz) = padded(pcm), _frame(rng), _mel_shape(rng)
    magnitude, step = np.abs(stft(wide, n_fft, hop)), rng.uniform(0.1, 0.4)
    mel = np.log(magnitude @ mel_bank(bands, n_fft, high_hz).T + 1e-4)
    shape, coded = mel - mel.mean(axis=1, keepdims=True), np.zeros_like(mel)
    for _ in range(int(rng.integers(1, 3))):
        coded += _codebook(shape - coded, int(rng.integers(16, 129)), rng)
    level = np.exp(step * np.round(np.log(_level(magnitude)) / step))
    linear = _at_level(mel_to_linear(np.exp(coded).astype(np.float32), n_fft, high_hz, 0), level)
    start = random_phase(linear.shape, rng)
    return finish(griffin_lim(linear, n_fft, hop, wide.size, int(rng.integers(8, 31)), _momentum(rng), start), pcm)


_ALL: tuple[Family, ...] = (
    *(world, griffin_lim_mel, griffin_lim_linear, lpc_vocoder, harmonic_noise),
    *(phase_vocoder, hf_replicate, checkerboard, mel_smooth, low_bit_codec),
)
FAMILIES: dict[str, Family] = {family.__name__: family for family in _ALL}


def forge_audio(pcm: Pcm, rng: np.random.Generator, family: str | None = None) -> tuple[Pcm, str]:
    """A pseudo-fake of ``pcm`` (float32 (n,), 16 kHz) and its family: ``family``, or one drawn evenly.

    Raises UsageError on an unknown family or on pcm of another type or shape, empty, or not finite.
    """
    name = str(rng.choice(list(FAMILIES))) if family is None else family
    if name not in FAMILIES:
        raise UsageError(f"no audio forge family {name!r}; choose one of {', '.join(FAMILIES)}")
    return FAMILIES[name](pcm, rng), name


def _region(pcm: Pcm, rng: np.random.Generator) -> tuple[int, int]:
    """Start and length in samples of 0.3-1.5 s (or the clip): the loudest of four draws, as silence proves nothing."""
    length = min(pcm.size, int(rng.uniform(0.3, 1.5) * SAMPLE_RATE_HZ))
    starts = rng.integers(0, pcm.size - length + 1, 4)
    return int(max(starts, key=lambda start: rms(pcm[start : start + length]))), length


def _faded_in(pcm: Pcm, other: Pcm, start: int, rng: np.random.Generator) -> tuple[Pcm, Mask]:
    """``other`` (length,) put over ``pcm`` at ``start`` with 5-30 ms fades, none at the clip's own edges."""
    weight = np.ones(other.size, np.float32)
    fade = min(int(rng.uniform(0.005, 0.030) * SAMPLE_RATE_HZ), other.size // 2)
    ramp = ((np.arange(fade) + 1) / (fade + 1)).astype(np.float32)
    if start > 0:
        weight[:fade] = ramp
    if start + other.size < pcm.size:
        weight[other.size - fade :] = ramp[::-1]
    mixed, mask = pcm.copy(), np.zeros(pcm.size, bool)
    inside = slice(start, start + other.size)
    mixed[inside] += weight * (other - pcm[inside])
    mask[inside] = True
    return mixed, mask


def partial_splice(pcm: Pcm, forged: Pcm, rng: np.random.Generator) -> tuple[Pcm, Mask]:
    """``pcm`` with 0.3-1.5 s taken from ``forged`` (same shape), and a mask (n,) True wherever forged has a share.

    Outside the mask the result equals ``pcm`` exactly. Raises UsageError when the shapes differ.
    """
    check_pcm(pcm)
    check_pcm(forged)
    if pcm.size != forged.size:
        raise UsageError(f"forged has {forged.size} samples and pcm {pcm.size}; forge the very clip you splice into")
    start, length = _region(pcm, rng)
    return _faded_in(pcm, forged[start : start + length], start, rng)


def real_splice(pcm: Pcm, rng: np.random.Generator) -> tuple[Pcm, Mask]:
    """The control of ``partial_splice``: a region replaced by other real audio of the clip. Edited, not synthetic."""
    check_pcm(pcm)
    start, length = _region(pcm, rng)
    origin = int(rng.integers(0, pcm.size - length + 1))
    for _ in range(8):
        if abs(origin - start) >= length // 2:
            break
        origin = int(rng.integers(0, pcm.size - length + 1))
    return _faded_in(pcm, pcm[origin : origin + length], start, rng)
