# SPDX-License-Identifier: Apache-2.0
"""Results on disk: one JSON file a run, small enough to be kept with the code.

A result holds the mean window logit of every clip by head. On disk clips are numbers into ``names.json`` beside it, and
each has a list of its logits in the order of the spec's heads, null where there is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from avguard.spec import load_spec

HEADS = load_spec().heads
NAMES = "names.json"

Result = dict[str, Any]


def write_names(folder: Path, clips: Iterable[str]) -> None:
    """Write what clip numbers mean, unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / NAMES).exists():
        _write(folder / NAMES, sorted(set(clips)))


def write_result(folder: Path, result: Result) -> None:
    """Write ``result`` by its name."""
    number = {name: i for i, name in enumerate(json.loads((folder / NAMES).read_text()))}
    clips = {
        part: [[number[clip], *(values.get(head) for head in HEADS)] for clip, values in sorted(found.items())]
        for part, found in result["clips"].items()
    }
    _write(folder / f"{result['name']}.json", {**result, "clips": clips})


def read_results(folder: Path) -> list[Result]:
    """All results in ``folder``, by name; also those that name their clips."""
    names: list[str] = []
    if (folder / NAMES).exists():
        names = json.loads((folder / NAMES).read_text())
    results = []
    for path in sorted(folder.glob("*.json")):
        if path.name == NAMES:
            continue
        result = json.loads(path.read_text())
        result["clips"] = {
            part: found if isinstance(found, dict) else _named(found, names) for part, found in result["clips"].items()
        }
        results.append(result)
    return results


def _named(rows: list[list[Any]], names: list[str]) -> dict[str, dict[str, float]]:
    return {
        names[number]: {head: value for head, value in zip(HEADS, values, strict=True) if value is not None}
        for number, *values in rows
    }


def _write(path: Path, value: object) -> None:
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")))
    aside.rename(path)
