# SPDX-License-Identifier: Apache-2.0
"""Lips and voice of one moment, drawn from the store with as little as telling them apart by lag needs.

Bona fide windows, and those generated to speak a given sound half as often: whose lips a generator moves, it moves by
the voice. Forgeries that leave timing alone count as what they were forged from, so that what is aligned is speech and
not its finish.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avguard.data.row import Row
from avguard.errors import UsageError
from avguard.spec import load_spec
from avguard.train.splits import part_of
from avguard.train.store import PIXEL_MEAN, PIXEL_SCALE, Pool

SPEC = load_spec()
PER_FRAME = SPEC.audio.frames_per_video_frame
LONGEST_MOVE_FRAMES, STILL_SHARE = 12, 0.25
# A clip of n windows comes n ** EVENNESS as often as one of 1.
EVENNESS, GENERATED = 0.4, 0.5
# Families of the forge, by the start of their names, that do not move a sound in time.
TIMELY = (
    "hf_rep", "lpc", "griffin", "world", "phase_v", "low_bit", "neural", "harmonic", "mel_smooth",
)  # fmt: skip
HIDDEN = 0.1


@dataclass(frozen=True)
class Lips:
    """Inputs but for the face, (N, ...) each, and ``lags`` (N,): by how many video frames the sound is late."""

    mouth: Tensor
    motion: Tensor
    mel: Tensor
    linear: Tensor
    lags: Tensor


def take_lips(video: Pool, ids: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """(mouth, motion) of some windows, as ``store.decode_video`` gives them."""
    mouth = (torch.from_numpy(video.take("mouth", ids)).float() - PIXEL_MEAN) * PIXEL_SCALE
    return mouth, torch.from_numpy(video.take("motion", ids)).float()


def take_sound(audio: Pool, ids: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """(mel, linear) of some windows, (N, 1, bands, frames) each."""
    mel, linear = (torch.from_numpy(audio.take(key, ids)).float() for key in ("mel", "linear"))
    return mel.reshape(len(ids), 1, *mel.shape[-2:]), linear.reshape(len(ids), 1, *linear.shape[-2:])


def moved(sound: Tensor, frames: int) -> Tensor:
    """``sound`` (..., audio frames) some video frames later; what leaves at one end comes in at the other."""
    return torch.roll(sound, frames * PER_FRAME, -1)


def sounds_by_key(audio: Pool, families: tuple[str, ...] | None = TIMELY) -> dict[tuple[str, int], list[int]]:
    """Sound windows of each (clip, start): unforged ones, and those of ``families`` (None: of every family)."""
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    clips, starts, forged = (audio.column(key) for key in ("clip", "start", "family"))
    for number, (clip, start, family) in enumerate(zip(clips, starts, forged, strict=True)):
        if families is None or not family or str(family).startswith(families):
            found[(str(clip), int(start))].append(number)
    return found


class Pairs:
    """Draws windows of the train part of ``rows``. Raises UsageError when the store has none."""

    def __init__(self, video: Pool, audio: Pool, rows: list[Row]) -> None:
        self.video, self.audio, self.sounds = video, audio, sounds_by_key(audio)
        by_clip = {Path(row.path).stem: row for row in rows if part_of(row) == "train"}
        clips, starts = video.column("clip"), video.column("start")
        families, broken = video.column("family"), video.column("breaks_sync").any(1)
        self.keys = [(str(c), int(s)) for c, s in zip(clips, starts, strict=True)]
        chosen = []
        for number, key in enumerate(self.keys):
            row = by_clip.get(key[0])
            if row is None or key not in self.sounds:
                continue
            if not broken[number] if row.kind == "real" else families[number] == "":
                chosen.append(number)
        if not chosen:
            raise UsageError("no window of the train part has both picture and sound; run the produce step first")
        self.ids = np.array(chosen)
        names = [self.keys[i][0] for i in chosen]
        count = Counter(names)
        weight = np.array([count[n] ** (EVENNESS - 1) * (1 if by_clip[n].kind == "real" else GENERATED) for n in names])
        self.weight = weight / weight.sum()

    def draw(self, size: int, rng: np.random.Generator) -> Lips:
        """``size`` windows with their sound moved, and parts of both hidden."""
        ids = self.ids[rng.choice(len(self.ids), size, p=self.weight)]
        sounds = np.array([rng.choice(self.sounds[self.keys[i]]) for i in ids])
        mouth, motion = take_lips(self.video, ids)
        mel, linear = take_sound(self.audio, sounds)
        lags = rng.integers(-LONGEST_MOVE_FRAMES, LONGEST_MOVE_FRAMES + 1, size)
        lags[rng.random(size) < STILL_SHARE] = 0
        for i, lag in enumerate(lags.tolist()):
            mel[i], linear[i] = moved(mel[i], lag), moved(linear[i], lag)
            mouth[i] = _shaken(mouth[i], rng)
            _hide((motion[i], mouth[i]), rng)
            _hide((mel[i], linear[i]), rng)
            for bands in (mel[i], linear[i]):
                _mask_bands(bands, rng)
                _mask_bands(bands, rng)
        return Lips(mouth, motion, mel, linear, torch.from_numpy(lags))


def _shaken(mouth: Tensor, rng: np.random.Generator) -> Tensor:
    """The same mouths (T, 1, H, W) in another light, a little beside where they were, or mirrored."""
    if rng.random() < 0.5:
        mouth = mouth * float(rng.uniform(0.7, 1.3)) + float(rng.uniform(-0.2, 0.2))
    if rng.random() < 0.5:
        down, right = rng.integers(-3, 4, 2).tolist()
        mouth = torch.roll(mouth, (down, right), (-2, -1))
    return mouth.flip(-1) if rng.random() < 0.5 else mouth


def _hide(views: tuple[Tensor, Tensor], rng: np.random.Generator) -> None:
    """At times one of two views of the same thing, in place."""
    chance = rng.random()
    if chance < HIDDEN:
        views[0].zero_()
    elif chance < 2 * HIDDEN:
        views[1].zero_()


def _mask_bands(bands: Tensor, rng: np.random.Generator) -> None:
    """A stretch of frequency (SpecAugment, Park et al. 2019), in place; (1, bands, frames)."""
    count = bands.shape[1]
    width = int(rng.integers(0, count // 4))
    low = int(rng.integers(0, count - width))
    bands[:, low : low + width] = 0
