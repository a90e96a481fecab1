# SPDX-License-Identifier: Apache-2.0
"""Damage to the sound. Every function keeps the length and the sample rate, whatever it goes through on the way."""

from __future__ import annotations

import io
from collections.abc import Sequence

import av
import av.filter
import numpy as np

from avguard.evaluate.robustness.material import Samples, blocks_of

_LOSS_MS = 20
_TELEPHONE_HZ = 8000
# Rates of AMR narrow band, kbit/s (3GPP TS 26.071).
AMR_KBPS = (12.2, 7.95, 5.9, 4.75)


def hiss(samples: Samples, rate_hz: int, snr_db: float, rng: np.random.Generator) -> Samples:
    """White noise at this signal-to-noise ratio."""
    del rate_hz
    level = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) * 10 ** (-snr_db / 20)
    return (samples + rng.normal(0, 1, len(samples)) * level).astype(np.float32)


def raise_pitch(samples: Samples, rate_hz: int, semitones: float, rng: np.random.Generator) -> Samples:
    """Pitch and formants up, length kept."""
    del rng
    factor = 2 ** (semitones / 12)
    chain = [("asetrate", str(round(rate_hz * factor))), ("aresample", str(rate_hz)), ("atempo", f"{1 / factor:.6f}")]
    return _fit(_filtered(samples, rate_hz, chain), len(samples))


def echo(samples: Samples, rate_hz: int, rt60_s: float, rng: np.random.Generator) -> Samples:
    """A room whose echo falls by 60 dB in ``rt60_s``: exponentially fading noise behind the direct sound."""
    times = np.arange(round(rt60_s * rate_hz)) / rate_hz
    tail = rng.normal(0, 1, len(times)) * 10 ** (-3 * times / rt60_s)
    tail *= 0.5 / max(float(np.sqrt(np.sum(tail**2))), 1e-9)
    tail[0] = 1.0
    size = 1 << (len(samples) + len(tail)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return wet[: len(samples)].astype(np.float32)


def muffle(samples: Samples, rate_hz: int, cutoff_hz: float, rng: np.random.Generator) -> Samples:
    """Everything above ``cutoff_hz`` gone, by a resampler's steep filter."""
    del rng
    low = _resampled(samples, rate_hz, round(2 * cutoff_hz))
    return _fit(_resampled(low, round(2 * cutoff_hz), rate_hz), len(samples))


def drop(samples: Samples, rate_hz: int, share: float, rng: np.random.Generator) -> Samples:
    """Packets of 20 ms lost, filled with silence."""
    size = round(_LOSS_MS * rate_hz / 1000)
    lost = np.repeat(rng.random(len(samples) // size + 1) < share, size)[: len(samples)]
    return np.where(lost, np.float32(0), samples)


def aac(samples: Samples, rate_hz: int, kbps: float, rng: np.random.Generator) -> Samples:
    """Through AAC."""
    del rng
    return through_codec(samples, rate_hz, "aac", "mp4", kbps)


def mp3(samples: Samples, rate_hz: int, kbps: float, rng: np.random.Generator) -> Samples:
    """Through MP3 at 16 kHz, where its low rates live."""
    del rng
    return through_codec(samples, rate_hz, "libmp3lame", "mp3", kbps, codec_hz=16_000)


def opus(samples: Samples, rate_hz: int, kbps: float, rng: np.random.Generator) -> Samples:
    """Through Opus, as messengers and calls do."""
    del rng
    return through_codec(samples, rate_hz, "libopus", "ogg", kbps, codec_hz=48_000)


def telephone(samples: Samples, rate_hz: int, kbps: float, rng: np.random.Generator) -> Samples:
    """Through a telephone: 8 kHz and G.711 mu-law at 64 kbit/s, AMR below."""
    del rng
    if kbps >= 64:
        return through_codec(samples, rate_hz, "pcm_mulaw", "wav", kbps, codec_hz=_TELEPHONE_HZ)
    return through_codec(samples, rate_hz, "libopencore_amrnb", "amr", kbps, codec_hz=_TELEPHONE_HZ)


def through_codec(
    samples: Samples, rate_hz: int, codec: str, container: str, kbps: float, codec_hz: int | None = None
) -> Samples:
    """Encode and decode again at ``codec_hz`` (as it is by default)."""
    if not len(samples):
        return samples
    inner_hz = codec_hz or rate_hz
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=inner_hz, layout="mono")
        stream.bit_rate = round(kbps * 1000)
        adapt = av.AudioResampler(stream.format.name, "mono", inner_hz, frame_size=stream.frame_size or 1024)
        for block in [*blocks_of(samples, rate_hz), None]:
            for part in adapt.resample(block):
                out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as coded:
        back = av.AudioResampler("flt", "mono", rate_hz)
        parts = [p.to_ndarray().reshape(-1) for f in [*coded.decode(audio=0), None] for p in back.resample(f)]
    return _fit(np.concatenate(parts).astype(np.float32), len(samples))


def _resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    resampler = av.AudioResampler("flt", "mono", to_hz)
    parts = [p.to_ndarray().reshape(-1) for b in [*blocks_of(samples, from_hz), None] for p in resampler.resample(b)]
    return np.concatenate([np.zeros(0, np.float32), *parts]).astype(np.float32)


def _filtered(samples: Samples, rate_hz: int, chain: Sequence[tuple[str, str]]) -> Samples:
    graph = av.filter.Graph()
    nodes = [graph.add_abuffer(sample_rate=rate_hz, format="fltp", layout="mono", time_base=None)]
    nodes += [graph.add(name, arguments) for name, arguments in chain]
    nodes.append(graph.add("abuffersink"))
    for left, right in zip(nodes, nodes[1:], strict=False):
        left.link_to(right)
    graph.configure()
    found: list[Samples] = []
    for block in [*blocks_of(samples, rate_hz), None]:
        graph.push(block)
        while True:
            try:
                found.append(graph.pull().to_ndarray().reshape(-1).astype(np.float32))
            except (av.error.BlockingIOError, av.error.EOFError):
                break
    return np.concatenate([np.zeros(0, np.float32), *found]).astype(np.float32)


def _fit(samples: Samples, length: int) -> Samples:
    return np.pad(samples[:length], (0, max(0, length - len(samples))))
