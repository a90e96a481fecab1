# SPDX-License-Identifier: Apache-2.0
"""Checkers that answer by the name of the file, and a data folder of any rows; importable by worker processes."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avguard.errors import MediaError

MODEL = "double-1"

CLIP_COLUMNS = ["clip", "kind", "video_fake", "audio_fake", "generator", "source", "source_path", "commit", "licence"]
CLIP_COLUMNS += ["split", "group", "duration_s", "notes"]
SPEECH_COLUMNS = ["clip", "kind", "audio_fake", "generator", "source", "source_path", "commit", "split", "duration_s"]
SPEECH_COLUMNS += ["notes"]


@dataclass(frozen=True)
class Scores:
    video: float | None
    audio: float | None
    sync: float | None
    desync: float | None
    overall: float | None


@dataclass(frozen=True)
class Quality:
    face_s: float = 3.0
    speech_s: float = 2.5
    duration_s: float = 4.0
    face_px: float | None = 40.0
    bandwidth_hz: float | None = None


@dataclass(frozen=True)
class Segment:
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Verdict:
    label: str
    score: Scores
    reasons: tuple[str, ...] = ()
    quality: Quality = field(default_factory=Quality)
    offset_ms: float | None = None
    model_id: str = MODEL
    segments: tuple[Segment, ...] = ()


def value(name: str) -> float:
    """A score in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


class NameChecker:
    """Answers by name and counts its answers in ``log``: "bad" raises, "crash" kills the process, "nan" is no score,
    "mute" has no audio score."""

    def __init__(self, log: Path | None = None) -> None:
        self._log = log

    def check(self, path: str, /) -> Verdict:
        name = Path(path).name
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as handle:
                handle.write(name + "\n")
        if "crash" in name:
            os._exit(9)
        if "bad" in name:
            raise MediaError(f"{name} is not media")
        if "bug" in name:
            raise ZeroDivisionError("a bug in the product")
        found = float("nan") if "nan" in name else value(name)
        audio = None if "mute" in name else found
        label = "inconclusive" if "mute" in name else ("fake" if found > 0.5 else "real")
        reasons = ("no_speech",) if "mute" in name else ()
        return Verdict(label, Scores(found, audio, found, 0.25, found), reasons, offset_ms=12.0)


class NoChecker:
    """Cannot be built."""

    def __init__(self) -> None:
        raise MediaError("no model here")


def clip_row(name: str, kind: str = "real", **others: str) -> dict[str, str]:
    """A valid row of clips.csv."""
    flag = "1" if kind == "fake" else "0"
    row = {"clip": f"clips/{name}", "kind": kind, "video_fake": flag, "audio_fake": flag, "source": "page/one"}
    row |= {"generator": "Gen" if kind == "fake" else "", "split": "test", "group": name, "duration_s": "4.0"}
    return row | others


def speech_row(name: str, kind: str = "real", **others: str) -> dict[str, str]:
    """A valid row of speech.csv."""
    row = {"clip": f"speech/{name}", "kind": kind, "audio_fake": "1" if kind == "fake" else "0", "source": "page/voice"}
    row |= {"generator": "Vocoder" if kind == "fake" else "", "source_path": f"x/{name}", "split": "test"}
    return row | {"duration_s": "3.0"} | others


def write_lists(folder: Path, clips: Sequence[dict[str, str]] = (), speech: Sequence[dict[str, str]] = ()) -> Path:
    """Write the lists that have rows; returns the folder."""
    for name, columns, rows in (("clips", CLIP_COLUMNS, clips), ("speech", SPEECH_COLUMNS, speech)):
        if rows:
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
                writer = csv.DictWriter(handle, columns, restval="")
                writer.writeheader()
                writer.writerows(rows)
    return folder
