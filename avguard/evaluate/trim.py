# SPDX-License-Identifier: Apache-2.0
"""Clips without their leading silence, which in FakeAVCeleb and AV-Deepfake1M alone tells fakes (Smeu et al. 2025).

Every clip is written anew, real or fake, with silence or without, so that the rewriting tells nothing.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from avguard.evaluate.judge import CheckerLike, VerdictLike
from avguard.evaluate.product import make_checker
from avguard.evaluate.robustness.material import Material, Samples, from_time, read, write

_BLOCK_S = 0.01
_SILENCE_DBFS = -50.0
# What is left must be long enough to be judged at all.
_LEAST_S = 1.0


def leading_silence_s(samples: Samples, rate_hz: int) -> float:
    """Length of the blocks below -50 dBFS at the start; 0 for a clip without any sound."""
    size = max(1, round(_BLOCK_S * rate_hz))
    blocks = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    loud = np.flatnonzero(10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12) > _SILENCE_DBFS)
    return float(loud[0] * size / rate_hz) if len(loud) else 0.0


def trim(clip: Material) -> tuple[Material, float]:
    """The clip from its first sound on, and how much of it went."""
    cut_s = min(leading_silence_s(clip.samples, clip.rate_hz), max(clip.seconds - _LEAST_S, 0.0))
    frames = from_time(clip.frames, cut_s, float("inf"))
    return replace(clip, frames=frames, samples=clip.samples[round(cut_s * clip.rate_hz) :]), cut_s


@dataclass(frozen=True)
class _Stretch:
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class _Shifted:
    """A verdict whose segments are told in the time of the untrimmed clip."""

    verdict: VerdictLike
    cut_s: float

    @property
    def segments(self) -> tuple[_Stretch, ...]:
        return tuple(_Stretch(s.start_s + self.cut_s, s.end_s + self.cut_s, s.score) for s in self.verdict.segments)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever else the verdict has
        return getattr(self.verdict, name)


class TrimmingChecker:
    """Wraps ``inner``."""

    def __init__(self, inner: CheckerLike) -> None:
        self._inner = inner
        self._folder = Path(tempfile.mkdtemp(prefix="avguard-trimmed-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def check(self, path: str, /) -> VerdictLike:
        """Verdict on the trimmed file. Raises AvguardError."""
        clip, cut_s = trim(read(path))
        target = self._folder / "trimmed.mp4"
        write(clip, target)
        shifted: VerdictLike = _Shifted(self._inner.check(str(target)), cut_s)
        return shifted


def make_trimming_checker(model: str | None, engine: str) -> CheckerLike:
    """The product behind the trimming, as a worker process builds it."""
    checker: CheckerLike = TrimmingChecker(make_checker(model, engine))
    return checker
