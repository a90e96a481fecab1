# SPDX-License-Identifier: Apache-2.0
"""Rows as a Parquet file, for whatever reads tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

from avguard.errors import UsageError
from avguard.scan.row import SCORES, Row
from avguard.verdict import Quality

ROWS_PER_GROUP = 10_000
QUALITIES = tuple(field.name for field in fields(Quality))
TEXTS = ("path", "sha256", "model", "label", "engine", "credentials", "same_as", "error", "error_text")
LISTS = ("reasons", "warnings")
NUMBERS = (*(f"score_{name}" for name in SCORES), "offset_ms", *QUALITIES, "elapsed_s")


def write_parquet(rows: Iterable[Row], path: Path) -> int:
    """Write one table row per row, whole or not at all; returns how many. Raises UsageError.

    Scores are columns of their own; ``segments`` is a list of (start_s, end_s, modality, score).
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError("Parquet needs pyarrow. pip install 'avguard[scan]', or leave out --parquet.") from None
    segment = [("start_s", pa.float64()), ("end_s", pa.float64()), ("modality", pa.string()), ("score", pa.float64())]
    schema = pa.schema(
        [(name, pa.string()) for name in TEXTS]
        + [("size", pa.int64())]
        + [(name, pa.float64()) for name in NUMBERS]
        + [(name, pa.list_(pa.string())) for name in LISTS]
        + [("segments", pa.list_(pa.struct(segment)))]
    )
    aside = path.with_name(f".{path.name}.part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(aside, schema, compression="zstd") as writer:
            for group in _groups(rows):
                writer.write_table(pa.Table.from_pylist([_flat(row) for row in group], schema=schema))
                count += len(group)
        aside.replace(path)
    except OSError as failure:
        raise UsageError(f"{path} cannot be written ({failure}). Name another file.") from None
    finally:
        with suppress(OSError):
            aside.unlink()
    return count


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while group := list(islice(rest, ROWS_PER_GROUP)):
        yield group


def _flat(row: Row) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in (*TEXTS[:-2], "size", "offset_ms", "elapsed_s")}
    values |= {f"score_{name}": row.score.get(name) for name in SCORES}
    values |= {name: row.quality.get(name) for name in QUALITIES}
    values |= {"error": row.error and row.error.kind, "error_text": row.error and row.error.text}
    for name, value in values.items():
        if isinstance(value, str):
            values[name] = readable(value)
    return values | {"reasons": row.reasons, "warnings": row.warnings, "segments": row.segments}


def readable(name: str) -> str:
    """A file name as text that every program can read: bytes that are no UTF-8 become escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
