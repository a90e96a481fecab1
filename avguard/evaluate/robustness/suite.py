# SPDX-License-Identifier: Apache-2.0
"""The suite: kinds of damage in five levels each, and a name for every one of them.

Visual kinds and levels: DeeperForensics-1.0 (Jiang et al., CVPR 2020). Audio kinds after AuViRe (noise, pitch, reverb,
compression) and ASVspoof 5 (codecs, telephone); levels are ours. Offsets: +-1 to 5 frames of 25 Hz.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from avguard.errors import UsageError
from avguard.evaluate.robustness import picture, sound
from avguard.evaluate.robustness.material import Frames, Material, Samples, from_time, read, write

LEVELS = (1, 2, 3, 4, 5)
CLEAN = "clean"
MARK = "#"
_FRAME_S = 0.04

Change = Callable[[Material, float, np.random.Generator], Material]


@dataclass(frozen=True)
class Kind:
    """One kind of damage: family (picture, sound, both), what ``values`` (one per level) count, and how it is done."""

    family: str
    unit: str
    values: tuple[float, float, float, float, float]
    change: Change


def _film(change: Callable[[Frames, float, np.random.Generator], Frames]) -> Change:
    return lambda clip, value, rng: replace(clip, frames=change(clip.frames, value, rng))


def _tone(change: Callable[[Samples, int, float, np.random.Generator], Samples]) -> Change:
    return lambda clip, value, rng: replace(clip, samples=change(clip.samples, clip.rate_hz, value, rng))


def _compress(clip: Material, crf: float, _: np.random.Generator) -> Material:
    return replace(clip, crf=round(crf))


def _again(clip: Material, generations: float, _: np.random.Generator) -> Material:
    for _generation in range(round(generations)):
        clip = _round_trip(clip, crf=28, kbps=48)
    return clip


def _round_trip(clip: Material, crf: int, kbps: int) -> Material:
    file = io.BytesIO()
    write(replace(clip, crf=crf, kbps=kbps), file)
    file.seek(0)
    back = read(file)
    return replace(back, samples=back.samples[: len(clip.samples)], crf=clip.crf, kbps=clip.kbps)


def _shift(clip: Material, frames: float, _: np.random.Generator) -> Material:
    """The voice ``frames`` later than the lips (negative: earlier); what has no counterpart then is cut off."""
    late_s, end_s = frames * _FRAME_S, clip.seconds
    pictures = from_time(clip.frames, max(late_s, 0.0), end_s + min(late_s, 0.0))
    begin, length = round(max(-late_s, 0.0) * clip.rate_hz), round((end_s - abs(late_s)) * clip.rate_hz)
    return replace(clip, frames=pictures, samples=clip.samples[begin : begin + length])


@dataclass(frozen=True)
class _Rung:
    shorter_px: int
    rate_hz: int
    crf: int
    kbps: int


# What messengers do to a clip, from careful to a bad line; no service documents its ladder.
_LADDER = (
    _Rung(480, 30, 26, 64),
    _Rung(360, 30, 28, 48),
    _Rung(288, 25, 30, 32),
    _Rung(240, 20, 32, 24),
    _Rung(144, 15, 35, 16),
)


def _send(clip: Material, level: float, rng: np.random.Generator) -> Material:
    rung = _LADDER[round(level) - 1]
    frames = picture.slow(picture.resize(clip.frames, rung.shorter_px, rng), rung.rate_hz, rng)
    samples = sound.opus(clip.samples, clip.rate_hz, rung.kbps, rng)
    return replace(clip, frames=frames, samples=samples, crf=rung.crf)


def _mix(clip: Material, level: float, rng: np.random.Generator) -> Material:
    """One picture and one sound kind, drawn by clip: AV-Deepfake1M++ (Cai et al. 2025) damages its clips like that."""
    for family in ("picture", "sound"):
        name = str(rng.choice([name for name, kind in KINDS.items() if kind.family == family]))
        clip = KINDS[name].change(clip, KINDS[name].values[round(level) - 1], rng)
    return clip


KINDS: dict[str, Kind] = {
    "saturation": Kind("picture", "colour left", (0.4, 0.3, 0.2, 0.1, 0.0), _film(picture.saturate)),
    "contrast": Kind("picture", "contrast left", (0.85, 0.725, 0.6, 0.475, 0.35), _film(picture.flatten)),
    "blocks": Kind("picture", "grey blocks in 256 px", (16, 32, 48, 64, 80), _film(picture.cover)),
    "grain": Kind("picture", "noise variance", (0.001, 0.002, 0.005, 0.01, 0.05), _film(picture.grain)),
    "blur": Kind("picture", "kernel px", (7, 9, 13, 17, 21), _film(picture.blur)),
    "coarse": Kind("picture", "times down and up", (2, 3, 4, 5, 6), _film(picture.coarsen)),
    "h264": Kind("picture", "CRF", (30, 32, 35, 38, 40), _compress),
    "noise": Kind("sound", "SNR dB", (30, 20, 15, 10, 5), _tone(sound.hiss)),
    "pitch": Kind("sound", "semitones up", (0.5, 1, 2, 3, 4), _tone(sound.raise_pitch)),
    "reverb": Kind("sound", "RT60 s", (0.1, 0.2, 0.4, 0.7, 1.0), _tone(sound.echo)),
    "aac": Kind("sound", "kbit/s", (64, 48, 32, 24, 16), _tone(sound.aac)),
    "mp3": Kind("sound", "kbit/s", (64, 48, 32, 24, 16), _tone(sound.mp3)),
    "opus": Kind("sound", "kbit/s", (32, 24, 16, 10, 6), _tone(sound.opus)),
    "lowpass": Kind("sound", "Hz", (7000, 5500, 4000, 3400, 2500), _tone(sound.muffle)),
    "packets": Kind("sound", "share lost", (0.02, 0.05, 0.1, 0.2, 0.3), _tone(sound.drop)),
    "telephone": Kind("sound", "kbit/s", (64, *sound.AMR_KBPS), _tone(sound.telephone)),
    "resize": Kind("both", "shorter side px", (288, 240, 180, 144, 108), _film(picture.resize)),
    "generations": Kind("both", "re-encodes", (1, 2, 3, 4, 5), _again),
    "frame rate": Kind("both", "Hz", (24, 20, 15, 12, 10), _film(picture.slow)),
    "voice late": Kind("both", "frames", (1, 2, 3, 4, 5), _shift),
    "voice early": Kind("both", "frames", (1, 2, 3, 4, 5), lambda clip, n, rng: _shift(clip, -n, rng)),
    "messenger": Kind("both", "rung", (1, 2, 3, 4, 5), _send),
    "mixed": Kind("both", "level of each", (1, 2, 3, 4, 5), _mix),
}


@dataclass(frozen=True)
class Condition:
    """A kind at a level; ``clean`` at level 0 is written once more like all others, and not touched otherwise."""

    kind: str
    level: int

    @property
    def value(self) -> float | None:
        """The strength in the kind's unit, None for clean."""
        return None if self.kind == CLEAN else KINDS[self.kind].values[self.level - 1]

    def apply(self, clip: Material, name: str) -> Material:
        """The damaged clip; the same ``name`` is damaged the same way every time."""
        if self.kind == CLEAN:
            return clip
        rng = np.random.default_rng(zlib.crc32(f"{name}{MARK}{self.kind}{self.level}".encode()))
        kind = KINDS[self.kind]
        return kind.change(clip, kind.values[self.level - 1], rng)


def conditions(kinds: Sequence[str] = (), levels: Sequence[int] = LEVELS) -> tuple[Condition, ...]:
    """Clean, then every kind (all by default) at each level in the order given. Raises UsageError on a wrong name."""
    unknown = [name for name in kinds if name not in KINDS] + [str(level) for level in levels if level not in LEVELS]
    if unknown:
        raise UsageError(f"{', '.join(unknown)}: not among the kinds {', '.join(KINDS)} and the levels 1 to 5")
    return (Condition(CLEAN, 0), *(Condition(name, level) for level in levels for name in kinds or KINDS))


def tagged(path: str, condition: Condition) -> str:
    """Name of a clip under a condition, as journals hold it."""
    return f"{path}{MARK}{condition.kind}:{condition.level}"


def untagged(name: str) -> tuple[str, Condition]:
    """The reverse of ``tagged``. Raises UsageError for any other name."""
    path, _, tag = name.rpartition(MARK)
    kind, _, level = tag.partition(":")
    if not path or not level.isdigit() or (kind not in KINDS and kind != CLEAN):
        raise UsageError(f"{name} is not a clip under a condition of the suite")
    return path, Condition(kind, int(level))
