# SPDX-License-Identifier: Apache-2.0
"""What the adapters share: reading owners' lists, and refusing in words what is not as their owners ship it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from avguard.data.row import Kind, Row, Span
from avguard.errors import InputNotFoundError, UsageError

Json: TypeAlias = Any

UNKNOWN_S = math.nan


def plain_row(
    path: str,
    fake: bool,
    *,
    source: str,
    group: str,
    video: int | None,
    audio: int | None,
    generator: str = "",
    split: str = "",
    duration_s: float = UNKNOWN_S,
    language: str = "",
    video_spans: tuple[Span, ...] | None = None,
    audio_spans: tuple[Span, ...] | None = None,
) -> Row:
    """A row of picture and sound; a real one has neither generator nor spans."""
    kind: Kind = "fake" if fake else "real"
    return Row(
        path=path,
        media="clips",
        kind=kind,
        video=video if fake else 0,
        audio=audio if fake else 0,
        generator=generator if fake else "",
        source=source,
        group=f"{source}:{group}",
        split=split,
        duration_s=duration_s,
        language=language,
        video_spans=video_spans if fake else (),
        audio_spans=audio_spans if fake else (),
    )


def read_json(path: Path) -> Json:
    """A JSON file. Raises UsageError naming it when it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON ({error})") from None


def read_csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The lines of a CSV file. Raises UsageError naming the columns that it lacks."""
    with path.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise UsageError(f"{path} lacks the column(s) {', '.join(missing)}")
        return [{k: (v or "").strip() for k, v in raw.items() if k is not None} for raw in reader]


def field(record: Json, name: str, where: str) -> Json:
    """One field of a JSON object. Raises UsageError naming ``where`` when it is not there."""
    if not isinstance(record, dict) or name not in record:
        raise UsageError(f"{where} has no {name!r}: not as its owners ship it")
    return record[name]


def spans(raw: Json, where: str) -> tuple[Span, ...]:
    """[[start, end], ...] in seconds. Raises UsageError for anything else."""
    try:
        found = tuple((float(start), float(end)) for start, end in raw)
    except (TypeError, ValueError):
        raise UsageError(f"{where}: {raw!r} is not a list of [start, end] in seconds") from None
    if any(not 0 <= start <= end for start, end in found):
        raise UsageError(f"{where}: {raw!r} has a span that ends before it starts")
    return tuple(sorted(found))


def inside(root: Path, path: str, where: str) -> str:
    """``path`` below ``root`` in one spelling. Raises UsageError when it leaves it."""
    clean = PurePosixPath(path.replace("\\", "/"))
    if clean.is_absolute() or ".." in clean.parts or not clean.parts:
        raise UsageError(f"{where}: {path!r} is not a path inside {root}")
    return str(clean)


def films(folder: Path, root: Path, suffix: str = ".mp4") -> list[str]:
    """Paths of the films below ``folder``, relative to ``root``, in order; none where there is no such folder."""
    return sorted(file.relative_to(root).as_posix() for file in folder.rglob(f"*{suffix}")) if folder.is_dir() else []


def present(root: Path, rows: Iterable[Row], what: str) -> tuple[Row, ...]:
    """The rows whose files are there: many people hold a part of a set. Raises InputNotFoundError when none is."""
    listed = list(rows)
    found = tuple(row for row in listed if (root / row.path).is_file())
    if not found:
        raise InputNotFoundError(f"{root} holds none of the {len(listed)} listed files of {what}: give its top folder")
    return found
