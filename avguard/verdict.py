# SPDX-License-Identifier: Apache-2.0
"""The result of a check. It is made by the C++ core as versioned JSON; this module only gives it types."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "avguard.verdict/1"


@dataclass(frozen=True)
class Scores:
    """Calibrated probabilities of manipulation in [0, 1]; None where a head had nothing to judge.

    ``video``, ``audio`` and ``sync`` (either one manipulated) follow Zhou & Lim, ICCV 2021; ``desync`` is a mismatch
    of lips and voice, which a dub has too; ``overall`` combines them.
    """

    overall: float | None
    video: float | None
    audio: float | None
    sync: float | None
    desync: float | None


@dataclass(frozen=True)
class HeadVerdict:
    """What one head says: ``label`` real, fake or inconclusive, and why it is inconclusive."""

    label: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Segment:
    """A suspicious stretch. Times in seconds on the clip's clock; ``score`` is the mean probability in it."""

    start_s: float
    end_s: float
    modality: str
    score: float


@dataclass(frozen=True)
class Timeline:
    """Probabilities every ``step_s`` seconds from ``start_s`` on; a head that was not judged has an empty curve."""

    start_s: float
    step_s: float
    video: tuple[float | None, ...]
    audio: tuple[float | None, ...]
    sync: tuple[float | None, ...]
    desync: tuple[float | None, ...]


@dataclass(frozen=True)
class FaceTrack:
    """One face. ``speaking`` in [-1, 1]: how much more its lips move in speech than in silence."""

    id: int
    primary: bool
    start_s: float
    end_s: float
    face_s: float
    face_px: float
    speaking: float
    video: float | None
    sync: float | None
    desync: float | None


@dataclass(frozen=True)
class Quality:
    """What there was to judge: seconds, eye distance [px], yaw [eye distances], levels, bandwidth [Hz], loudness."""

    duration_s: float
    face_s: float
    speech_s: float
    face_px: float | None
    yaw: float | None
    sharpness: float | None
    brightness: float | None
    bandwidth_hz: float | None
    loudness_dbfs: float | None


@dataclass(frozen=True)
class ModelInfo:
    """Which model said it, on which engine, under which licence, for which spec."""

    id: str
    licence: str
    engine: str
    spec_hash: str


@dataclass(frozen=True)
class Verdict:
    """What is likely manipulated, where, and what could not be seen.

    ``label`` is real, fake or inconclusive; ``reasons`` say what was missing (no_video, no_audio, no_face,
    face_too_small, face_too_short, no_speech, too_short) or that the score lies between the thresholds (uncertain).
    ``offset_ms``: how much later the voice comes than the lips, None when it cannot be told.
    """

    label: str
    reasons: tuple[str, ...]
    score: Scores
    heads: dict[str, HeadVerdict]
    offset_ms: float | None
    offset_contrast: float
    segments: tuple[Segment, ...]
    timeline: Timeline
    tracks: tuple[FaceTrack, ...]
    quality: Quality
    warnings: tuple[str, ...]
    model: ModelInfo
    json: str = field(repr=False, compare=False)

    def to_json(self) -> str:
        """The JSON text exactly as the core wrote it: the same bytes in every language."""
        return self.json

    @property
    def model_id(self) -> str:
        """Name and version of the model."""
        return self.model.id

    def __bool__(self) -> bool:
        raise TypeError("a verdict has three values; compare verdict.label with 'real', 'fake' or 'inconclusive'")

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """Parse what ``to_json`` gave. Raises ValueError for another schema."""
        raw: dict[str, Any] = json.loads(text)
        if raw.get("schema") != SCHEMA:
            raise ValueError(f"verdict has schema {raw.get('schema')!r}, this version reads {SCHEMA!r}")
        line: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in raw["timeline"].items()
        }
        return cls(
            label=raw["label"],
            reasons=tuple(raw["reasons"]),
            score=Scores(**raw["score"]),
            heads={
                name: HeadVerdict(label=head["label"], reasons=tuple(head["reasons"]))
                for name, head in raw["heads"].items()
            },
            offset_ms=raw["offset_ms"],
            offset_contrast=raw["offset_contrast"],
            segments=tuple(Segment(**segment) for segment in raw["segments"]),
            timeline=Timeline(**line),
            tracks=tuple(FaceTrack(**track) for track in raw["tracks"]),
            quality=Quality(**raw["quality"]),
            warnings=tuple(raw["warnings"]),
            model=ModelInfo(**raw["model"]),
            json=text,
        )
