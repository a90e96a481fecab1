# SPDX-License-Identifier: Apache-2.0
"""Results on disk: one JSON file a run, small enough to be kept with the code, and what is true of the clips.

A result holds the mean window logit of every clip by head. On disk clips are numbers into ``clips.json`` beside it, and
each has a list of its logits in the order of the spec's heads, null where there is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avguard.data.row import Row
from avguard.spec import load_spec

HEADS = load_spec().heads
CLIPS = "clips.json"
FACTS = ("media", "kind", "video", "audio", "generator", "source", "split")

Result = dict[str, Any]
Rows = dict[str, Row]


def write_clips(folder: Path, rows: Mapping[str, Row]) -> None:
    """Write what clip numbers mean, unless it is there: names, and facts as numbers into a list of each."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CLIPS).exists():
        return
    columns: dict[str, Any] = {"clip": sorted(rows)}
    for fact in FACTS:
        values = [getattr(rows[name], fact) for name in columns["clip"]]
        known = sorted(set(values), key=str)
        columns[fact] = {"is": known, "of": [known.index(value) for value in values]}
    _write(folder / CLIPS, columns)


def read_clips(folder: Path) -> Rows:
    """Rows by clip, in the order of their numbers; without durations and groups, which no table needs."""
    columns = json.loads((folder / CLIPS).read_text())
    rows = {}
    for i, name in enumerate(columns["clip"]):
        facts = {fact: columns[fact]["is"][columns[fact]["of"][i]] for fact in FACTS}
        rows[name] = Row(path=name, group="", duration_s=float("nan"), **facts)
    return rows


def write_result(folder: Path, result: Result) -> None:
    """Write ``result`` by its name."""
    number = {name: i for i, name in enumerate(json.loads((folder / CLIPS).read_text())["clip"])}
    clips = {
        part: [[number[clip], *(values.get(head) for head in HEADS)] for clip, values in sorted(found.items())]
        for part, found in result["clips"].items()
    }
    _write(folder / f"{result['name']}.json", {**result, "clips": clips})


def read_results(folder: Path) -> list[Result]:
    """All results in ``folder``, by name; also those that name their clips."""
    names = list(read_clips(folder)) if (folder / CLIPS).exists() else []
    results = []
    for path in sorted(folder.glob("*.json")):
        if path.name == CLIPS:
            continue
        result = json.loads(path.read_text())
        result["clips"] = {
            part: found if isinstance(found, dict) else _named(found, names) for part, found in result["clips"].items()
        }
        results.append(result)
    return results


def _named(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> dict[str, dict[str, float]]:
    return {
        names[number]: {head: value for head, value in zip(HEADS, values, strict=True) if value is not None}
        for number, *values in rows
    }


def _write(path: Path, value: object) -> None:
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")))
    aside.rename(path)
