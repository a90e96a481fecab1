# SPDX-License-Identifier: Apache-2.0
"""Channel effects for training audio: what microphones, rooms, codecs and networks do to real and forged voices alike.

An effect is chosen and seeded before any sample is seen, so a real clip and its forgery that are augmented from equal
generators pass through the very same channel, and no effect can know a label. Nothing here moves sound in time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import av
import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.signal import fftconvolve, lfilter, resample_poly

from avguard.errors import UsageError
from avguard.spec import load_spec

Pcm = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]
Effect = Callable[[Pcm, np.random.Generator], npt.NDArray[np.floating]]

SAMPLE_RATE_HZ = load_spec().audio.sample_rate_hz
MARGIN_SAMPLES = SAMPLE_RATE_HZ // 10


@dataclass(frozen=True)
class Codec:
    """How FFmpeg runs one codec, and the bit rates it is drawn at; no rates where the codec has only its own."""

    encoder: str
    decoder: str
    rate_hz: int
    sample_format: str
    bitrates: tuple[int, ...] = ()
    channels: int = 1
    options: dict[str, str] = field(default_factory=dict)


_AMR_RATES = (4750, 5150, 5900, 6700, 7400, 7950, 10200, 12200)
_MPEG_RATES = (24000, 32000, 48000, 64000, 96000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 32000, 48000)

CODECS: dict[str, Codec] = {
    "aac": Codec("aac", "aac", 16000, "fltp", _MPEG_RATES),
    "aac_48k": Codec("aac", "aac", 48000, "fltp", _MPEG_RATES),
    "mp3": Codec("libmp3lame", "mp3float", 16000, "fltp", _MPEG_RATES[1:]),
    "mp3_48k": Codec("libmp3lame", "mp3float", 48000, "fltp", _MPEG_RATES[1:]),
    "opus": Codec("libopus", "opus", 48000, "flt", _OPUS_RATES),
    "opus_voip": Codec("libopus", "opus", 48000, "flt", _OPUS_RATES, options={"application": "voip"}),
    "vorbis": Codec("vorbis", "vorbis", 16000, "fltp", (32000, 48000, 64000), 2, {"strict": "-2"}),
    "mulaw": Codec("pcm_mulaw", "pcm_mulaw", 8000, "s16"),
    "alaw": Codec("pcm_alaw", "pcm_alaw", 8000, "s16"),
    "g722": Codec("g722", "g722", 16000, "s16"),
    "amr_nb": Codec("libopencore_amrnb", "amrnb", 8000, "s16", _AMR_RATES),
}


def _encode(pcm: Pcm, codec: Codec, bitrate: int) -> tuple[list[av.Packet], bytes | None]:
    context = av.CodecContext.create(codec.encoder, "w")
    context.sample_rate, context.format = codec.rate_hz, codec.sample_format
    context.layout = "mono" if codec.channels == 1 else "stereo"
    context.time_base, context.options = Fraction(1, codec.rate_hz), dict(codec.options)
    if bitrate:
        context.bit_rate = bitrate
    context.open()
    size = context.frame_size or codec.rate_hz // 50
    whole = np.pad(pcm, (0, -pcm.size % size))
    if codec.sample_format == "s16":
        whole = np.round(np.clip(whole, -1, 1) * 32767).astype(np.int16)
    packets: list[av.Packet] = []
    for start in range(0, whole.size, size):
        block = np.tile(whole[start : start + size], (codec.channels, 1))
        frame = av.AudioFrame.from_ndarray(block, format=codec.sample_format, layout=context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = codec.rate_hz, start, context.time_base
        packets += context.encode(frame)
    return packets + context.encode(None), context.extradata


def _decode(packets: list[av.Packet], extradata: bytes | None, codec: Codec) -> Pcm:
    context = av.CodecContext.create(codec.decoder, "r")
    context.sample_rate, context.layout = codec.rate_hz, "mono" if codec.channels == 1 else "stereo"
    if extradata:
        context.extradata = extradata
    parts = []
    for packet in [*packets, None]:
        for frame in context.decode(packet):
            block = frame.to_ndarray()[0]
            parts.append(block / np.float32(32768) if block.dtype == np.int16 else block)
    return np.concatenate(parts).astype(np.float32)


@cache
def _delay_samples(name: str, bitrate: int) -> int:
    """Delay of a codec in its own samples, measured once with noise in the band which every codec keeps."""
    codec = CODECS[name]
    probe = np.random.default_rng(0).standard_normal(codec.rate_hz)
    bins = scipy.fft.rfftfreq(probe.size, 1 / codec.rate_hz)
    keep = (bins > 300) & (bins < 3000)
    probe = scipy.fft.irfft(scipy.fft.rfft(probe) * keep, probe.size)
    probe = (0.1 * probe / np.std(probe)).astype(np.float32)
    heard = _decode(*_encode(np.pad(probe, (0, 4096)), codec, bitrate), codec)
    scores = fftconvolve(heard, probe[::-1])[probe.size - 1 :]
    return int(np.argmax(scores[: codec.rate_hz // 4]))


@cache
def available_codecs() -> tuple[str, ...]:
    """The names in CODECS whose encoder and decoder this FFmpeg build has and which start with their settings."""
    found = []
    for name, codec in CODECS.items():
        try:
            _delay_samples(name, max(codec.bitrates, default=0))
        except (av.error.FFmpegError, ValueError):
            continue
        found.append(name)
    return tuple(found)


def codec_round_trip(pcm: Pcm, name: str, bitrate: int = 0) -> Pcm:
    """``pcm`` (n,) through codec ``name`` at ``bitrate`` bit/s and back, sample-aligned, float32 (n,).

    ``bitrate`` must be one of ``CODECS[name].bitrates``, or 0 for codecs that have none; UsageError otherwise, or when
    this FFmpeg build lacks the codec.
    """
    _check(pcm)
    if name not in available_codecs():
        raise UsageError(f"codec {name!r} is not available; choose one of {', '.join(available_codecs())}")
    codec = CODECS[name]
    if bitrate not in (codec.bitrates or (0,)):
        raise UsageError(f"codec {name!r} runs at {codec.bitrates or (0,)} bit/s, not {bitrate}")
    # A window is cut from the middle of a stream: the margins keep the codec's start and end out of it.
    wide = np.concatenate([_mirror(pcm, True), pcm, _mirror(pcm, False)])
    up, down = _ratio(codec.rate_hz)
    coded = _resample(wide, up, down)
    heard = _decode(*_encode(np.pad(coded, (0, codec.rate_hz // 4)), codec, bitrate), codec)
    heard = heard[_delay_samples(name, bitrate) :][: coded.size]
    back = _resample(np.pad(heard, (0, coded.size - heard.size)), down, up)
    return back[MARGIN_SAMPLES : MARGIN_SAMPLES + pcm.size]


def _check(pcm: Pcm) -> None:
    if not isinstance(pcm, np.ndarray) or pcm.ndim != 1 or pcm.dtype != np.float32 or pcm.size == 0:
        raise UsageError("pcm must be a non-empty float32 array of shape (n,); convert with pcm.astype(np.float32)")
    if not np.isfinite(pcm).all():
        raise UsageError("pcm holds NaN or infinity; drop the clip or repair it before augmenting")


def _mirror(pcm: Pcm, front: bool) -> Pcm:
    return np.resize(pcm[::-1], MARGIN_SAMPLES) if not front else np.resize(pcm, MARGIN_SAMPLES)[::-1]


def _ratio(rate_hz: int) -> tuple[int, int]:
    ratio = Fraction(rate_hz, SAMPLE_RATE_HZ)
    return ratio.numerator, ratio.denominator


def _resample(pcm: Pcm, up: int, down: int) -> Pcm:
    return pcm if up == down else resample_poly(pcm, up, down).astype(np.float32)


def _rms(pcm: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64)))) + 1e-9


def _filtered(pcm: Pcm, response: Callable[[Array], Array]) -> Array:
    """Zero-phase filtering by a gain over frequency in Hz."""
    size = scipy.fft.next_fast_len(pcm.size + MARGIN_SAMPLES, real=True)
    gain = response(scipy.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ))
    return scipy.fft.irfft(scipy.fft.rfft(pcm.astype(np.float64), size) * gain, size)[: pcm.size]


def reverb(pcm: Pcm, rng: np.random.Generator) -> Array:
    """A room: direct sound first, then exponentially decaying noise, RT60 0.1-0.6 s, direct-to-room 0-15 dB."""
    rt60_s, direct_db = rng.uniform(0.1, 0.6), rng.uniform(0, 15)
    length = int(rt60_s * SAMPLE_RATE_HZ)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE_HZ)] = 0
    tail *= 10 ** (-direct_db / 20) / np.linalg.norm(tail)
    tail[0] = 1
    wet = fftconvolve(pcm.astype(np.float64), tail)[: pcm.size]
    return wet * (_rms(pcm) / _rms(wet))


def _coloured(size: int, slope: float, rng: np.random.Generator) -> Array:
    bins = np.maximum(scipy.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ), 20)
    return scipy.fft.irfft(scipy.fft.rfft(rng.standard_normal(size)) * bins**-slope, size)


def noise(pcm: Pcm, rng: np.random.Generator) -> Array:
    """White, pink or brown noise, mains hum, or babble made of the clip itself backwards, at 5-40 dB SNR."""
    kind, snr_db = str(rng.choice(["white", "pink", "brown", "hum", "babble"])), rng.uniform(5, 40)
    if kind == "hum":
        clock, mains_hz = np.arange(pcm.size) / SAMPLE_RATE_HZ, rng.choice([50.0, 60.0])
        turns = np.outer(np.arange(1, 9), mains_hz * clock) + rng.random((8, 1))
        added = (rng.random(8) / np.arange(1, 9)) @ np.sin(2 * np.pi * turns)
    elif kind == "babble":
        voices = [np.roll(pcm[::-1], int(shift * pcm.size)) for shift in rng.random(4)]
        added = np.sum(voices, axis=0, dtype=np.float64)
    else:
        added = _coloured(pcm.size, {"white": 0.0, "pink": 0.5, "brown": 1.0}[kind], rng)
    return pcm + added * (_rms(pcm) / _rms(added) * 10 ** (-snr_db / 20))


def equalise(pcm: Pcm, rng: np.random.Generator) -> Array:
    """A smooth curve through 3-6 random points of +-8 dB between 50 Hz and half the sample rate."""
    points = int(rng.integers(3, 7))
    knots, gains_db = np.linspace(np.log(50), np.log(SAMPLE_RATE_HZ / 2), points), rng.uniform(-8, 8, points)

    def response(hz: Array) -> Array:
        place = (np.log(np.maximum(hz, 50)) - knots[0]) / (knots[1] - knots[0])
        low = np.minimum(place.astype(int), points - 2)
        blend = 0.5 - 0.5 * np.cos(np.pi * (place - low))
        return 10 ** ((gains_db[low] + blend * (gains_db[low + 1] - gains_db[low])) / 20)

    return _filtered(pcm, response)


def low_pass(pcm: Pcm, rng: np.random.Generator) -> Array:
    """Low-pass at 2.8-7.8 kHz, from 12 dB per octave to a wall."""
    cut_hz, order = rng.uniform(2800, 7800), np.exp(rng.uniform(np.log(2), np.log(40)))
    return _filtered(pcm, lambda hz: 1 / np.sqrt(1 + (hz / cut_hz) ** (2 * order)))


def high_pass(pcm: Pcm, rng: np.random.Generator) -> Array:
    """High-pass at 50-300 Hz, 6 to 36 dB per octave."""
    cut_hz, order = rng.uniform(50, 300), rng.uniform(1, 6)
    return _filtered(pcm, lambda hz: 1 / np.sqrt(1 + (cut_hz / np.maximum(hz, 1)) ** (2 * order)))


def compress(pcm: Pcm, rng: np.random.Generator) -> Array:
    """Dynamic range compression 2-6 : 1 above a threshold 0-20 dB below the clip's level, level kept."""
    ratio, below_db, release_s = rng.uniform(2, 6), rng.uniform(0, 20), rng.uniform(0.02, 0.2)
    decay = np.exp(-1 / (release_s * SAMPLE_RATE_HZ))
    follower = np.sqrt(lfilter([1 - decay], [1, -decay], pcm.astype(np.float64) ** 2))
    threshold = _rms(pcm) * 10 ** (-below_db / 20)
    out = pcm * np.maximum(follower / threshold, 1) ** (1 / ratio - 1)
    return out * (_rms(pcm) / _rms(out))


def gain(pcm: Pcm, rng: np.random.Generator) -> Array:
    """-20 to +6 dB; one time in five also driven so that the loudest 0-1 % of the samples clip."""
    gain_db, drive, share = rng.uniform(-20, 6), rng.random() < 0.2, rng.uniform(0, 0.01)
    out = pcm * 10 ** (gain_db / 20)
    if drive:
        ceiling = max(float(np.quantile(np.abs(out), 1 - share)), 1e-6)
        out = np.clip(out, -ceiling, ceiling)
    return out


def band_limit(pcm: Pcm, rng: np.random.Generator) -> Array:
    """Resampling to 8, 11.025 or 12 kHz and back."""
    up, down = _ratio(int(rng.choice([8000, 11025, 12000])))
    return _resample(_resample(pcm, up, down), down, up)[: pcm.size]


def random_codec(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """One of the available codecs at one of its bit rates."""
    name = str(rng.choice(available_codecs()))
    pick = rng.random()
    rates = CODECS[name].bitrates or (0,)
    return codec_round_trip(pcm, name, rates[int(pick * len(rates))])


def packet_loss(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """1-10 % of 20 ms packets lost, in runs, and filled with nothing or with the fading last good packet."""
    size, rate, repeat = SAMPLE_RATE_HZ // 50, rng.uniform(0.01, 0.10), rng.random() < 0.5
    out, run, ramp = pcm.copy(), 0, np.linspace(1, 0.5, SAMPLE_RATE_HZ // 50, dtype=np.float32)
    for start in range(size, pcm.size - size + 1, size):
        lost = rng.random() < (0.4 if run else rate)
        run = run + 1 if lost else 0
        if lost:
            out[start : start + size] = out[start - size : start] * ramp if repeat else 0
    return out


def quantise(pcm: Pcm, rng: np.random.Generator) -> Array:
    """8-12 bits of the clip's own peak, with or without triangular dither."""
    bits, dither = int(rng.integers(8, 13)), rng.random() < 0.5
    step = max(float(np.abs(pcm).max()), 1e-6) / 2 ** (bits - 1)
    shake = rng.random(pcm.size) - rng.random(pcm.size) if dither else 0.0
    return np.round(pcm / step + shake) * step


def edges(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """Silence before the first and after the last sound turned down 10-60 dB or replaced by a faint noise floor."""
    replace, change_db, floor_db = rng.random() < 0.5, rng.uniform(-60, -10), rng.uniform(-80, -50)
    size = SAMPLE_RATE_HZ // 50
    level = np.array([_rms(pcm[start : start + size]) for start in range(0, pcm.size, size)])
    loud = np.flatnonzero(level > 0.03 * level.max())
    inside = np.zeros(pcm.size, bool)
    inside[loud[0] * size : (loud[-1] + 1) * size] = True
    hiss = rng.standard_normal(pcm.size) * level.max() * 10 ** (floor_db / 20)
    quiet = hiss if replace else pcm * 10 ** (change_db / 20)
    weight = np.convolve(np.pad(inside.astype(float), size // 4, "edge"), np.ones(size // 2 + 1), "valid") / (
        size // 2 + 1
    )
    return (weight * pcm + (1 - weight) * quiet).astype(np.float32)


def pauses(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """Single words: of every 0.8-3 s only 0.4-1.6 s stay, what lies between is cut, turned down or a noise floor."""
    fill, change_db, floor_db = int(rng.integers(3)), rng.uniform(-60, -20), rng.uniform(-80, -45)
    stays, fade, at = np.zeros(pcm.size), SAMPLE_RATE_HZ // 100, -int(rng.uniform(0, 1.5) * SAMPLE_RATE_HZ)
    while at < pcm.size:
        spoken, pause = (int(rng.uniform(0.4, top) * SAMPLE_RATE_HZ) for top in (1.6, 1.4))
        stays[max(at, 0) : max(at + spoken, 0)] = 1
        at += spoken + pause
    stays = np.convolve(np.pad(stays, fade, "edge"), np.ones(2 * fade + 1) / (2 * fade + 1), "valid")
    hiss = rng.standard_normal(pcm.size) * _rms(pcm) * 10 ** (floor_db / 20)
    quiet = (0.0, pcm * 10 ** (change_db / 20), hiss)[fill]
    return (stays * pcm + (1 - stays) * quiet).astype(np.float32)


def gate(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """A noise gate, as calls and phones have them: what stays 15-35 dB below the loud tenth goes down by 15-100 dB.

    Studio and phone recordings reach us with silence of exact zeros between the words, as synthesis does.
    """
    below_db, change_db, hold = rng.uniform(-35, -15), rng.uniform(-100, -15), int(rng.integers(0, 12))
    size = SAMPLE_RATE_HZ // 100
    level = np.array([_rms(pcm[start : start + size]) for start in range(0, pcm.size, size)])
    open_ = level > np.quantile(level, 0.9) * 10 ** (below_db / 20)
    open_ = np.convolve(open_, np.ones(2 * hold + 1), "full")[hold : hold + level.size] > 0.5
    gain = np.repeat(np.where(open_, 1.0, 10 ** (change_db / 20)), size)[: pcm.size]
    ramp = np.hanning(2 * size + 1)[1:-1]
    smooth = np.convolve(np.pad(gain, size - 1, "edge"), ramp / ramp.sum(), "valid")
    return (pcm * smooth[: pcm.size]).astype(np.float32)


# In the order in which sound meets them: room, microphone, processing, coding, network, storage.
EFFECTS: dict[str, tuple[float, Effect]] = {
    "pauses": (0.20, pauses),
    "edges": (0.25, edges),
    "reverb": (0.25, reverb),
    "noise": (0.40, noise),
    "equalise": (0.30, equalise),
    "high_pass": (0.20, high_pass),
    "compress": (0.20, compress),
    "gate": (0.25, gate),
    "gain": (0.80, gain),
    "low_pass": (0.25, low_pass),
    "band_limit": (0.10, band_limit),
    "codec": (0.45, random_codec),
    "packet_loss": (0.08, packet_loss),
    "quantise": (0.10, quantise),
}


def draw_effects(rng: np.random.Generator, strength: float = 1.0) -> list[tuple[str, int]]:
    """Effects and their seeds, drawn without seeing a sample; ``strength`` in [0, 1] scales every probability.

    Raises UsageError on a strength outside [0, 1].
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"strength must lie in [0, 1], not {strength}")
    draws, seeds = rng.random(len(EFFECTS)), rng.integers(2**63, size=len(EFFECTS))
    table = zip(EFFECTS.items(), draws, seeds, strict=True)
    return [(name, int(seed)) for (name, (chance, _)), draw, seed in table if draw < chance * strength]


def apply_effects(pcm: Pcm, effects: list[tuple[str, int]]) -> Pcm:
    """``pcm`` (n,) through ``effects`` as drawn, float32 (n,) within +-1. UsageError on bad pcm or an unknown name."""
    _check(pcm)
    out = pcm.copy()
    for name, seed in effects:
        if name not in EFFECTS:
            raise UsageError(f"no audio effect {name!r}; choose among {', '.join(EFFECTS)}")
        out = np.clip(EFFECTS[name][1](out, np.random.default_rng(seed)), -1, 1).astype(np.float32)
    return out


def augment_audio(pcm: Pcm, rng: np.random.Generator, strength: float = 1.0) -> Pcm:
    """``pcm`` float32 (n,) 16 kHz through a randomly drawn channel; same length, same timing, within +-1.

    Equal generators give equal channels whatever the clip. Raises UsageError on bad pcm or strength.
    """
    return apply_effects(pcm, draw_effects(rng, strength))
