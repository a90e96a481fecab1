# SPDX-License-Identifier: Apache-2.0
"""The results file: one JSON line per checked clip, appended as it is known, keyed by clip and model."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from avguard.errors import UsageError

SCORES = ("video", "audio", "sync", "desync", "overall")
QUALITIES = ("face_s", "speech_s", "duration_s", "face_px", "bandwidth_hz")
LABELS = ("real", "fake", "inconclusive")


@dataclass(frozen=True)
class Result:
    """What the product said about one clip, or ``error``: then ``label`` and every score are None.

    ``segments``: start and end in seconds, score; None in lines of versions that did not keep them.
    """

    clip: str
    model_id: str
    label: str | None = None
    scores: dict[str, float | None] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    quality: dict[str, float | None] = field(default_factory=dict)
    offset_ms: float | None = None
    elapsed_s: float = 0.0
    error: str | None = None
    segments: tuple[tuple[float, float, float], ...] | None = None

    def score(self, head: str) -> float | None:
        """Probability of that head, None where it was not judged."""
        return self.scores.get(head)


def read_results(path: Path) -> dict[tuple[str, str], Result]:
    """All results by (clip, model id), the last line of a key wins; a file that is absent is empty.

    A last line without its line end was cut by a killed run and is left out. Raises UsageError for any other line
    that is not a result.
    """
    if not path.exists():
        return {}
    lines = path.read_bytes().split(b"\n")[:-1]
    found = [parse_line(line, f"{path.name} line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    return {(result.clip, result.model_id): result for result in found}


def parse_line(line: bytes, where: str) -> Result:
    """One line of the file. Raises UsageError naming ``where``."""
    try:
        raw: dict[str, Any] = dict(json.loads(line))
        segments = raw.get("segments")
        kept = None if segments is None else tuple((float(a), float(b), float(c)) for a, b, c in segments)
        result = Result(**{**raw, "reasons": tuple(raw.get("reasons", ())), "segments": kept})
    except (ValueError, TypeError) as error:
        raise UsageError(f"{where} is not a result of avguard.evaluate ({error}): use another --out") from None
    _refuse_nonsense(result, where)
    return result


def _refuse_nonsense(result: Result, where: str) -> None:
    if (result.error is None) != (result.label in LABELS):
        raise UsageError(f"{where}: label {result.label!r} does not fit error {result.error!r}")
    for head, value in result.scores.items():
        if head not in SCORES:
            raise UsageError(f"{where}: {head!r} is not a head")
        if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
            raise UsageError(f"{where}: score {head} is {value!r}, not a probability")


def open_journal(path: Path) -> IO[bytes]:
    """Open for appending, after cutting off a half-written last line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("a+b")
    handle.seek(0)
    whole = handle.read().rfind(b"\n") + 1
    handle.truncate(whole)
    handle.seek(0, os.SEEK_END)
    return handle


def append(handle: IO[bytes], record: Mapping[str, object]) -> None:
    """Write one record as one line, and hand it to the system at once."""
    handle.write(json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n")
    handle.flush()
