# SPDX-License-Identifier: Apache-2.0
"""Signal tools of the audio forge (STFT, level) and its parametric vocoders (WORLD, LPC, harmonic+noise)."""

from __future__ import annotations

from functools import cache
from importlib import util
from importlib.machinery import PathFinder
from types import ModuleType

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import gaussian_filter1d, minimum_filter1d, uniform_filter1d
from scipy.signal import lfilter

from avguard.errors import UsageError
from avguard.spec import load_spec

Pcm = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]
Spectrum = npt.NDArray[np.complex64]

SAMPLE_RATE_HZ = load_spec().audio.sample_rate_hz
PEAK = 0.999
MINIMUM_SAMPLES = 4096
SILENCE_RMS = 1e-6
LAG_SAMPLES = SAMPLE_RATE_HZ // 500
LIMITER_SAMPLES = 161
LIMITER_ROUNDS = 8


def check_pcm(pcm: Pcm) -> None:
    """Raise UsageError unless ``pcm`` is a non-empty, finite, one-dimensional float32 array."""
    if not isinstance(pcm, np.ndarray) or pcm.ndim != 1 or pcm.dtype != np.float32 or pcm.size == 0:
        raise UsageError("pcm must be a non-empty float32 array of shape (n,); convert with pcm.astype(np.float32)")
    if not np.isfinite(pcm).all():
        raise UsageError("pcm holds NaN or infinity; drop the clip or repair it before forging")


def rms(pcm: npt.NDArray[np.floating]) -> float:
    """Root mean square of any float array, accumulated in double precision."""
    return float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))


def _limited(pcm: Array) -> Array:
    # Turning the whole clip down instead would make fakes of loud clips quieter than the clips: a shortcut to learn.
    gain = minimum_filter1d(np.minimum(1.0, PEAK / np.maximum(np.abs(pcm), SILENCE_RMS)), LIMITER_SAMPLES)
    return pcm * uniform_filter1d(gain, LIMITER_SAMPLES)


def envelope_lag(fake: npt.NDArray[np.floating], source: npt.NDArray[np.floating]) -> int:
    """Samples, a multiple of 8 within +-15 ms, by which the envelope of ``fake`` trails that of ``source``."""
    reach = 30
    tracks = []
    for pcm in (fake, source):
        smooth = uniform_filter1d(uniform_filter1d(np.abs(pcm.astype(np.float64)), 320), 320)[::8]
        tracks.append(smooth - smooth.mean())
    inner = tracks[1][reach : tracks[1].size - reach]
    pieces = (tracks[0][start : start + inner.size] for start in range(2 * reach + 1))
    scores = [float(inner @ piece) / (float(np.linalg.norm(piece)) + 1e-12) for piece in pieces]
    return 8 * (int(np.argmax(scores)) - reach)


def finish(fake: npt.NDArray[np.floating], source: Pcm) -> Pcm:
    """``fake`` cut or zero-padded to the length of ``source``, in step with it, at its RMS, below full scale."""
    out = np.zeros(source.size, np.float64)
    kept = min(source.size, fake.size)
    out[:kept] = fake[:kept]
    level = rms(out)
    if level < SILENCE_RMS or rms(source) < SILENCE_RMS:
        return np.zeros(source.size, np.float32)
    late = envelope_lag(out, source) if source.size >= MINIMUM_SAMPLES else 0
    if abs(late) > LAG_SAMPLES:
        out = np.pad(out, abs(late))[abs(late) + late :][: out.size]
    for _ in range(LIMITER_ROUNDS):
        out *= rms(source) / max(rms(out), SILENCE_RMS)
        if np.abs(out).max() <= PEAK:
            break
        out = _limited(out)
    return out.astype(np.float32)


def padded(pcm: Pcm) -> Pcm:
    """``pcm`` zero-padded at its end so that every analysis below has enough samples."""
    return np.pad(pcm, (0, max(0, MINIMUM_SAMPLES - pcm.size)))


@cache
def hann(size: int) -> Pcm:
    """Periodic Hann window, float32 (size,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def overlap_add(frames: npt.NDArray[np.floating], hop: int) -> npt.NDArray[np.floating]:
    """Sum frames (t, size) at steps of ``hop``; returns ((t - 1) * hop + size rounded up to whole hops,)."""
    count, size = frames.shape
    blocks = -(-size // hop)
    whole = np.pad(frames, ((0, 0), (0, blocks * hop - size))).reshape(count, blocks, hop)
    out = np.zeros((count + blocks - 1, hop), frames.dtype)
    for block in range(blocks):
        out[block : block + count] += whole[:, block]
    return out.reshape(-1)


def stft(pcm: npt.NDArray[np.floating], n_fft: int, hop: int) -> Spectrum:
    """Hann STFT, complex64 (t, n_fft // 2 + 1); frame j is centred on sample j * hop."""
    wide = np.pad(pcm.astype(np.float32), (n_fft // 2, n_fft // 2 + hop))
    frames = np.lib.stride_tricks.sliding_window_view(wide, n_fft)[::hop]
    return scipy.fft.rfft(frames * hann(n_fft), axis=1)


@cache
def _overlap_norm(n_fft: int, hop: int, count: int) -> Pcm:
    return np.maximum(overlap_add(np.tile(hann(n_fft) ** 2, (count, 1)), hop), 1e-3)


def istft(spectrum: Spectrum, n_fft: int, hop: int, samples: int) -> Pcm:
    """Least-squares inverse of ``stft``, float32 (samples,)."""
    frames = scipy.fft.irfft(spectrum, n_fft, axis=1) * hann(n_fft)
    out = overlap_add(frames, hop) / _overlap_norm(n_fft, hop, len(frames))
    return out[n_fft // 2 : n_fft // 2 + samples].astype(np.float32)


@cache
def _world_library() -> ModuleType:
    # pyworld's own __init__ needs pkg_resources, which setuptools no longer ships: load its extension module alone.
    package = util.find_spec("pyworld")
    if package is None or package.submodule_search_locations is None:
        raise UsageError("pyworld is not installed; the forge needs it: pip install pyworld")
    spec = PathFinder.find_spec("pyworld.pyworld", package.submodule_search_locations)
    if spec is None or spec.loader is None:
        raise UsageError("pyworld is installed without its extension module; reinstall it: pip install pyworld")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pitch(pcm: Pcm, period_ms: float) -> tuple[Array, Array, Array]:
    """F0 in Hz (t,), 0 where unvoiced, frame times in s (t,), and the samples as float64 (WORLD: dio + stonemask)."""
    lib = _world_library()
    wide = pcm.astype(np.float64)
    coarse, times = lib.dio(wide, SAMPLE_RATE_HZ, frame_period=period_ms)
    return lib.stonemask(wide, coarse, times, SAMPLE_RATE_HZ), times, wide


def _edit_pitch(f0: Array, rng: np.random.Generator) -> Array:
    voiced = f0 > 0
    if not voiced.any():
        return f0
    center = float(np.median(f0[voiced]))
    kind = rng.choice(["scale", "scale", "flat", "quantised", "smooth"])
    if kind == "scale":
        return f0 * np.exp(rng.uniform(np.log(0.8), np.log(1.25)))
    if kind == "flat":
        return np.where(voiced, center + rng.uniform(0.0, 0.5) * (f0 - center), 0.0)
    if kind == "quantised":
        step = rng.uniform(0.5, 2.0) / 12
        return np.where(voiced, center * 2 ** (step * np.round(np.log2(np.maximum(f0, 1) / center) / step)), 0.0)
    filled = np.interp(np.arange(f0.size), np.flatnonzero(voiced), f0[voiced])
    return np.where(voiced, gaussian_filter1d(filled, rng.uniform(3, 10)), 0.0)


def _warp(envelope: Array, factor: float) -> Array:
    bins = envelope.shape[1]
    position = np.minimum(np.arange(bins) / factor, bins - 1)
    low = np.minimum(position.astype(int), bins - 2)
    log = np.log(envelope)
    return np.exp(log[:, low] + (position - low) * (log[:, low + 1] - log[:, low]))


def _edit_envelope(envelope: Array, rng: np.random.Generator) -> Array:
    if rng.random() < 0.5:
        return _warp(envelope, rng.uniform(0.9, 1.1))
    lib = _world_library()
    coded = lib.code_spectral_envelope(envelope, SAMPLE_RATE_HZ, int(rng.integers(16, 50)))
    return lib.decode_spectral_envelope(coded, SAMPLE_RATE_HZ, 2 * (envelope.shape[1] - 1))


def _edit_aperiodicity(noise: Array, rng: np.random.Generator) -> Array:
    if rng.random() < 0.4:
        return np.full_like(noise, 1e-3)
    return np.clip(noise ** rng.uniform(0.3, 3.0), 1e-3, 1 - 1e-9)


def world(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """WORLD copy-synthesis (Morise 2016), plain (1 in 4) or with F0, envelope or aperiodicity edited."""
    check_pcm(pcm)
    lib = _world_library()
    period_ms = float(rng.choice([5.0, 10.0]))
    f0, times, wide = pitch(padded(pcm), period_ms)
    envelope = lib.cheaptrick(wide, f0, times, SAMPLE_RATE_HZ)
    noise = lib.d4c(wide, f0, times, SAMPLE_RATE_HZ)
    edits = rng.random(3) < 0.5 if rng.random() < 0.75 else np.zeros(3, bool)
    f0 = _edit_pitch(f0, rng) if edits[0] else f0
    envelope = _edit_envelope(envelope, rng) if edits[1] else envelope
    noise = _edit_aperiodicity(noise, rng) if edits[2] else noise
    tracks = (np.ascontiguousarray(track) for track in (f0, envelope, noise))
    return finish(lib.synthesize(*tracks, SAMPLE_RATE_HZ, period_ms), pcm)


def _per_sample(f0: Array, times: Array, samples: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """F0 at each sample, carried across unvoiced gaps so that phase stays continuous, and the voiced flags."""
    clock = np.arange(samples) / SAMPLE_RATE_HZ
    known = np.flatnonzero(f0 > 0)
    curve = np.interp(clock, times[known], f0[known]) if known.size else np.full(samples, 120.0)
    return curve, np.interp(clock, times, (f0 > 0).astype(float)) > 0.5


def _high_band(pcm: Array, cut_hz: float) -> Array:
    bins = scipy.fft.rfftfreq(pcm.size, 1 / SAMPLE_RATE_HZ)
    return scipy.fft.irfft(scipy.fft.rfft(pcm) / (1 + (cut_hz / np.maximum(bins, 1)) ** 8), pcm.size)


def _excitation(pcm: Pcm, kind: str, rng: np.random.Generator) -> Array:
    """Unit-power source: "noise", "pulse" (noise where unvoiced) or "mixed" (pulses with noise above 1.5-4.5 kHz)."""
    noise = rng.standard_normal(pcm.size)
    if kind == "noise":
        return noise
    f0, times, _ = pitch(pcm, 5.0)
    curve, voiced = _per_sample(f0 * rng.uniform(0.95, 1.05), times, pcm.size)
    turns = np.floor(np.cumsum(curve / SAMPLE_RATE_HZ))
    pulses = np.diff(turns, prepend=0.0) * np.sqrt(SAMPLE_RATE_HZ / curve)
    if kind == "mixed":
        cut_hz = rng.uniform(1500, 4500)
        pulses = pulses - _high_band(pulses, cut_hz) + _high_band(noise, cut_hz)
    return np.where(voiced, pulses, noise)


def _levinson(frames: Array, order: int) -> tuple[Array, Array]:
    """Predictors (t, order + 1) and residual energies (t,) of windowed frames (t, size)."""
    size = frames.shape[1]
    lags = scipy.fft.irfft(np.abs(scipy.fft.rfft(frames, 2 * size, axis=1)) ** 2, axis=1)[:, : order + 1]
    error = lags[:, 0] * 1.0001 + 1e-9
    filters = np.zeros((len(frames), order + 1))
    filters[:, 0] = 1
    for step in range(1, order + 1):
        reflection = -np.sum(filters[:, :step] * lags[:, step:0:-1], axis=1) / error
        filters[:, 1 : step + 1] += reflection[:, None] * filters[:, step - 1 :: -1][:, :step]
        error *= 1 - reflection**2
    return filters, error


def lpc_vocoder(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """LPC vocoder of order 16-24, excited by pulses, noise or both, 20-32 ms frames (Atal & Hanauer 1971)."""
    check_pcm(pcm)
    size = int(rng.choice([320, 400, 512]))
    emphasis, order = rng.uniform(0.7, 0.97), int(rng.integers(16, 25))
    wide = padded(pcm)
    source = _excitation(wide, str(rng.choice(["pulse", "mixed", "mixed", "noise"])), rng)
    lifted = lfilter([1, -emphasis], [1], wide.astype(np.float64))
    cut = [
        np.lib.stride_tricks.sliding_window_view(np.pad(x, size), size)[:: size // 4] * hann(size)
        for x in (lifted, source)
    ]
    filters, error = _levinson(cut[0], order)
    gain = np.sqrt(error / (np.sum(cut[1] ** 2, axis=1) + 1e-6))
    n_fft = 4 * size
    shaped = scipy.fft.rfft(cut[1] * gain[:, None], n_fft, axis=1) / scipy.fft.rfft(filters, n_fft, axis=1)
    rebuilt = overlap_add(scipy.fft.irfft(shaped, n_fft, axis=1), size // 4)[size : size + wide.size]
    return finish(lfilter([1], [1, -emphasis], rebuilt), pcm)


def _harmonics(
    f0: Array, times: Array, envelope: Array, cut_hz: float, rng: np.random.Generator, samples: int
) -> Array:
    curve, voiced = _per_sample(f0, times, samples)
    clock, turns = np.arange(samples) / SAMPLE_RATE_HZ, (np.cumsum(curve) / SAMPLE_RATE_HZ) % 1.0
    rows, bin_hz = np.arange(f0.size), SAMPLE_RATE_HZ / 2 / (envelope.shape[1] - 1)
    dispersion = rng.uniform(0, 1) * rng.choice([0.0, 1.0])
    out = np.zeros(samples)
    for number in range(1, int(cut_hz / max(60.0, float(f0[f0 > 0].min(initial=500.0)))) + 1):
        target = number * f0
        power = envelope[rows, np.minimum((target / bin_hz).round().astype(int), envelope.shape[1] - 1)]
        # The amplitude that gives a harmonic the power which noise shaped by the same envelope has in a band of F0.
        level = 2 * np.sqrt(power * f0 / SAMPLE_RATE_HZ) * (target < cut_hz)
        phase = (number * turns + dispersion * rng.random()).astype(np.float32)
        out += np.interp(clock, times, level) * np.cos(np.float32(2 * np.pi) * phase)
    return out * voiced


def harmonic_noise(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """Harmonic-plus-noise resynthesis from F0 and envelope, noise above 2.5-6 kHz when voiced (Stylianou 2001)."""
    check_pcm(pcm)
    wide = padded(pcm)
    f0, times, double = pitch(wide, 5.0)
    envelope = _world_library().cheaptrick(double, f0, times, SAMPLE_RATE_HZ)
    cut_hz, leak = rng.uniform(2500, 6000), rng.uniform(0.0, 0.2)
    tones = _harmonics(f0, times, envelope, cut_hz, rng, wide.size)
    n_fft, hop = 2 * (envelope.shape[1] - 1), SAMPLE_RATE_HZ // 200
    noise = stft(rng.standard_normal(wide.size), n_fft, hop)
    count = min(len(noise), len(envelope))
    bins = np.fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ)
    share = np.where((f0[:count, None] > 0) & (bins < cut_hz), leak, 1.0)
    hiss = istft((noise[:count] * np.sqrt(envelope[:count]) * share).astype(np.complex64), n_fft, hop, wide.size)
    return finish(tones + np.pad(hiss, (0, wide.size - hiss.size)), pcm)
