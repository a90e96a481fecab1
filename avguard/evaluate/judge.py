# SPDX-License-Identifier: Apache-2.0
"""What evaluation needs from a checker, and one clip's answer from it as a result row."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from avguard.errors import ModelError, UsageError
from avguard.evaluate.journal import LABELS, QUALITIES, SCORES, Result

# "NAME@DIGEST": a bundle that was trained again under its old name is another model.
DIGEST_MARK = "@"


class _Score(Protocol):
    """Probability of each head, None where it could not be judged."""

    @property
    def video(self) -> float | None: ...
    @property
    def audio(self) -> float | None: ...
    @property
    def sync(self) -> float | None: ...
    @property
    def desync(self) -> float | None: ...
    @property
    def overall(self) -> float | None: ...


class _Quality(Protocol):
    """What could be seen and heard."""

    @property
    def face_s(self) -> float | None: ...
    @property
    def speech_s(self) -> float | None: ...
    @property
    def duration_s(self) -> float | None: ...
    @property
    def face_px(self) -> float | None: ...
    @property
    def bandwidth_hz(self) -> float | None: ...


class _Segment(Protocol):
    """A stretch that looks forged."""

    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...
    @property
    def score(self) -> float: ...


class VerdictLike(Protocol):
    """The part of ``avguard.Verdict`` that evaluation reads."""

    @property
    def label(self) -> str:
        """real, fake or inconclusive."""
        ...

    @property
    def score(self) -> _Score:
        """Probability per head."""
        ...

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is inconclusive or incomplete."""
        ...

    @property
    def quality(self) -> _Quality:
        """What could be seen and heard."""
        ...

    @property
    def offset_ms(self) -> float | None:
        """Measured offset of picture and sound."""
        ...

    @property
    def segments(self) -> Sequence[_Segment]:
        """Stretches that look forged, any modality."""
        ...

    @property
    def model_id(self) -> str:
        """Which weights answered."""
        ...


class CheckerLike(Protocol):
    """Whatever can check a file: ``avguard.Checker``, or a double in a test."""

    def check(self, path: str, /) -> VerdictLike:
        """Verdict on a file; raises AvguardError."""
        ...


CheckerFactory = Callable[[], CheckerLike]


def judge(checker: CheckerLike, data: Path, clip: str, model_id: str) -> Result:
    """Check one clip; whatever goes wrong becomes the ``error`` of its result."""
    started = time.monotonic()
    try:
        verdict = checker.check(str(data / clip))
        return _from_verdict(clip, model_id, verdict, time.monotonic() - started)
    except Exception as error:  # one hostile file must not end a run over thousands
        text = f"{type(error).__name__}: {error}"
        return Result(clip, model_id, elapsed_s=time.monotonic() - started, error=text)


def _from_verdict(clip: str, model_id: str, verdict: VerdictLike, elapsed_s: float) -> Result:
    if verdict.model_id != model_id.rpartition(DIGEST_MARK)[0]:
        raise ModelError(f"the verdict is of model {verdict.model_id}, the run is of {model_id}")
    return Result(
        clip=clip,
        model_id=model_id,
        label=_label(verdict.label),
        scores={head: _probability(getattr(verdict.score, head), head) for head in SCORES},
        reasons=tuple(verdict.reasons),
        quality={name: _number(getattr(verdict.quality, name)) for name in QUALITIES},
        offset_ms=_number(verdict.offset_ms),
        elapsed_s=elapsed_s,
        segments=tuple((float(part.start_s), float(part.end_s), float(part.score)) for part in verdict.segments),
    )


def _label(label: str) -> str:
    text = str(getattr(label, "value", label))
    if text not in LABELS:
        raise UsageError(f"the verdict's label is {text!r}")
    return text


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _probability(value: float | None, head: str) -> float | None:
    if value is None:
        return None
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise UsageError(f"score {head} of the verdict is {value!r}, not a probability")
    return float(value)
