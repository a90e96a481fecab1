# SPDX-License-Identifier: Apache-2.0
"""A checker that damages a clip as its name says before it checks it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path

from avguard.evaluate.judge import CheckerLike, VerdictLike
from avguard.evaluate.product import make_checker
from avguard.evaluate.robustness.material import Material, read, write
from avguard.evaluate.robustness.suite import untagged


class DamagingChecker:
    """Wraps ``inner``; keeps the last clip decoded, because its conditions come one after the other."""

    def __init__(self, inner: CheckerLike, seconds: float) -> None:
        self._inner, self._seconds = inner, seconds
        self._folder = Path(tempfile.mkdtemp(prefix="avguard-robustness-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._path = ""
        self._clip: Material | None = None

    def check(self, path: str, /) -> VerdictLike:
        """Verdict on ``path``, a file's name with a condition behind it. Raises AvguardError."""
        file, condition = untagged(path)
        clip = self._decoded(file)
        damaged = condition.apply(clip, Path(file).name)
        target = self._target("damaged.mp4")
        untouched = damaged.frames is clip.frames and damaged.crf == clip.crf
        write(damaged, target, film=self._target("film.mp4") if untouched and clip.frames else None)
        return self._inner.check(str(target))

    def _decoded(self, file: str) -> Material:
        if self._clip is not None and self._path == file:
            return self._clip
        self._clip = None
        clip = read(file, self._seconds)
        if clip.frames:
            write(replace(clip, samples=clip.samples[:0]), self._target("film.mp4"))
        self._path, self._clip = file, clip
        return clip

    def _target(self, name: str) -> Path:
        return self._folder / name


def make_damaging_checker(model: str | None, engine: str, seconds: float) -> CheckerLike:
    """The product behind the damage, as a worker process builds it."""
    checker: CheckerLike = DamagingChecker(make_checker(model, engine), seconds)
    return checker
