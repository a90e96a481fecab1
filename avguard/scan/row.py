# SPDX-License-Identifier: Apache-2.0
"""One file's line in the results: what the product said about it, or why it could not say anything."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from avguard.errors import AvguardError, LimitError, MediaError, UsageError
from avguard.verdict import Verdict

SCHEMA = "avguard.scan/1"
LABELS = ("real", "fake", "inconclusive")
SCORES = ("overall", "video", "audio", "sync", "desync")
# What a verdict says that a row keeps. Timeline and tracks are left out: they are nine tenths of the bytes.
KEPT = ("label", "reasons", "score", "offset_ms", "segments", "quality", "warnings")
# Errors that the same bytes bring again, on any machine.
LASTING = {MediaError.__name__, LimitError.__name__}


@dataclass(frozen=True)
class Found:
    """A file to be judged. ``stamp``: changes when the content does (size, time of change, or a store's entity tag)."""

    path: str
    size: int
    stamp: str


@dataclass(frozen=True)
class Failure:
    """Why there is no verdict: class of the error, its stable code, its words."""

    kind: str
    code: int
    text: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Any exception; only avguard's own have codes of their own."""
        code = error.code if isinstance(error, AvguardError) else AvguardError.code
        return cls(type(error).__name__, code, str(error))


@dataclass(frozen=True)
class Row:
    """A line of the results. Either ``error`` is None or ``label`` is.

    ``sha256``: of the content, empty when it could not be read. ``model``: id, digest of the manifest, and precision
    where it was insisted on: what a verdict depends on besides the content. ``same_as``: the path whose check answered,
    when that was another file with the same content. ``credentials``: state of the C2PA content credentials, never part
    of a score; None when nobody looked. ``verdict``: all of it, where it was asked for.
    """

    path: str
    size: int
    stamp: str
    sha256: str
    model: str
    label: str | None = None
    reasons: tuple[str, ...] = ()
    score: dict[str, float | None] = field(default_factory=dict)
    offset_ms: float | None = None
    segments: tuple[dict[str, Any], ...] = ()
    quality: dict[str, float | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    engine: str = ""
    credentials: str | None = None
    elapsed_s: float = 0.0
    same_as: str | None = None
    error: Failure | None = None
    verdict: dict[str, Any] | None = None

    @property
    def lasting(self) -> bool:
        """Whether another check of the same content would end alike."""
        return self.error is None or self.error.kind in LASTING

    def line(self) -> bytes:
        """One line of JSON with its line end; names that are no UTF-8 survive as escapes."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        return json.dumps({"schema": SCHEMA, **values}, allow_nan=False, separators=(",", ":")).encode() + b"\n"

    def for_twin(self, found: Found) -> Row:
        """The row of another file with the same content."""
        origin = self.same_as or self.path
        return replace(self, path=found.path, size=found.size, stamp=found.stamp, same_as=origin, elapsed_s=0.0)


def from_verdict(
    found: Found, sha256: str, model: str, verdict: Verdict, *, elapsed_s: float, credentials: str | None, whole: bool
) -> Row:
    """The row of a judged file."""
    raw = json.loads(verdict.to_json())
    kept: dict[str, Any] = {key: tuple(raw[key]) if isinstance(raw[key], list) else raw[key] for key in KEPT}
    return Row(
        **asdict(found),
        **kept,
        sha256=sha256,
        model=model,
        engine=raw["model"]["engine"],
        credentials=credentials,
        elapsed_s=round(elapsed_s, 3),
        verdict=raw if whole else None,
    )


def from_error(found: Found, sha256: str, model: str, failure: Failure, elapsed_s: float) -> Row:
    """The row of a file that could not be judged."""
    return Row(**asdict(found), sha256=sha256, model=model, error=failure, elapsed_s=round(elapsed_s, 3))


def parse_line(line: bytes, where: str) -> Row:
    """A line back to a row. Raises UsageError, naming ``where``, for anything else."""
    try:
        raw: dict[str, Any] = dict(json.loads(line))
        if raw.pop("schema", None) != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        for key in ("reasons", "segments", "warnings"):
            raw[key] = tuple(raw[key])
        error = raw.get("error")
        row = Row(**raw | {"error": Failure(**error) if error is not None else None})
        if (row.error is None) != (row.label in LABELS):
            raise ValueError(f"label {row.label!r} does not fit error {row.error!r}")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{where} is no row of avguard scan ({error}). Name another results file.") from None
    return row
