# SPDX-License-Identifier: Apache-2.0
"""The rows of a data folder: ``clips.csv`` (picture and sound) and ``speech.csv`` (sound only)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from avguard.data.row import HEADS, Head, Kind, Media, Row
from avguard.errors import InputNotFoundError, UsageError

__all__ = [
    "HEADS",
    "SPLITS",
    "Head",
    "Kind",
    "Media",
    "Row",
    "normalise_generator",
    "read_manifest",
    "seen_generators",
    "select",
]

SPLITS = ("train", "test")
_FLAGS: dict[str, int | None] = {"0": 0, "1": 1, "unknown": None}
_COLUMNS: dict[Media, tuple[str, ...]] = {
    "clips": ("clip", "kind", "video_fake", "audio_fake", "generator", "source", "split", "group", "duration_s"),
    "speech": ("clip", "kind", "audio_fake", "generator", "source", "source_path", "split", "duration_s"),
}


def read_manifest(data: Path) -> tuple[Row, ...]:
    """All rows of both lists of ``data``; one of the two may be absent.

    Raises InputNotFoundError when neither exists, UsageError with file and line for a row that cannot be meant.
    """
    lists: list[tuple[Media, Path]] = [("clips", data / "clips.csv"), ("speech", data / "speech.csv")]
    found = [(media, path) for media, path in lists if path.is_file()]
    if not found:
        raise InputNotFoundError(f"no clips.csv and no speech.csv in {data}: give the folder that holds them")
    rows: list[Row] = []
    for media, path in found:
        rows += _read_list(media, path)
    _refuse_repeats(rows)
    return tuple(rows)


def select(rows: Iterable[Row], split: str) -> tuple[Row, ...]:
    """The rows of one split, or of every split for ``all``. Raises UsageError for any other name."""
    if split not in (*SPLITS, "all"):
        raise UsageError(f"split {split!r} is not one of train, test, all")
    return tuple(row for row in rows if split in ("all", row.split))


def normalise_generator(name: str) -> str:
    """The name under which generators are compared: no case, no bracketed remark, single spaces."""
    return " ".join(re.sub(r"\([^()]*\)", " ", name).casefold().split())


def seen_generators(rows: Iterable[Row]) -> frozenset[str]:
    """Normalised names of the generators among the fakes of ``train``, in either list."""
    return frozenset(normalise_generator(r.generator) for r in rows if r.split == "train" and r.kind == "fake")


def _refuse_repeats(rows: Sequence[Row]) -> None:
    known: set[str] = set()
    for row in rows:
        if row.path in known:
            raise UsageError(f"{row.path} is listed twice: every file must have one row")
        known.add(row.path)


def _read_list(media: Media, path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        missing = [name for name in _COLUMNS[media] if name not in (reader.fieldnames or ())]
        if missing:
            raise UsageError(f"{path.name} lacks the column(s) {', '.join(missing)}")
        return [
            _parse(media, {k: v or "" for k, v in raw.items() if k}, f"{path.name} line {reader.line_num}")
            for raw in reader
        ]


def _parse(media: Media, raw: dict[str, str], where: str) -> Row:
    row = Row(
        path=_relative(raw["clip"], where),
        media=media,
        kind=_kind(raw["kind"], where),
        video=_flag(raw, "video_fake", where) if media == "clips" else None,
        audio=_flag(raw, "audio_fake", where),
        generator=raw["generator"].strip(),
        source=raw["source"].strip(),
        group=_group(media, raw),
        split=_split(raw["split"], where),
        duration_s=_seconds(raw["duration_s"], where),
    )
    _refuse_contradiction(row, where)
    return row


def _refuse_contradiction(row: Row, where: str) -> None:
    flags = [row.audio] if row.media == "speech" else [row.video, row.audio]
    if row.kind == "real" and any(flag != 0 for flag in flags):
        raise UsageError(f"{where}: kind is real, so every *_fake column must be 0")
    if row.kind == "fake" and all(flag == 0 for flag in flags):
        raise UsageError(f"{where}: kind is fake, but no *_fake column is 1 or unknown")
    if row.kind == "fake" and not row.generator:
        raise UsageError(f"{where}: a fake needs a generator")
    if not row.source:
        raise UsageError(f"{where}: source is empty")


def _relative(text: str, where: str) -> str:
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts:
        raise UsageError(f"{where}: clip {text!r} is not a path inside the data folder")
    return str(path)


def _kind(text: str, where: str) -> Kind:
    if text == "real":
        return "real"
    if text == "fake":
        return "fake"
    raise UsageError(f"{where}: kind {text!r} is not one of real, fake")


def _flag(raw: dict[str, str], column: str, where: str) -> int | None:
    if raw[column] not in _FLAGS:
        raise UsageError(f"{where}: {column} {raw[column]!r} is not one of {', '.join(_FLAGS)}")
    return _FLAGS[raw[column]]


def _split(text: str, where: str) -> str:
    if text not in SPLITS:
        raise UsageError(f"{where}: split {text!r} is not one of {', '.join(SPLITS)}")
    return text


def _seconds(text: str, where: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise UsageError(f"{where}: duration_s {text!r} is not a number") from None
    if not 0 < seconds < 1e6:
        raise UsageError(f"{where}: duration_s {text!r} is not a positive number of seconds")
    return seconds


def _group(media: Media, raw: dict[str, str]) -> str:
    # Speech has no group column; one utterance passed through many vocoders keeps its file name.
    name = raw["group"] if media == "clips" else PurePosixPath(raw["source_path"]).stem
    return f"{raw['source'].strip()}:{name or raw['clip']}"
