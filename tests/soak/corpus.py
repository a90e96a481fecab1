# SPDX-License-Identifier: Apache-2.0
"""Files as a folder of the real world holds them: clips and speech of the shared folder, and copies that are broken."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.soak.mutations import KINDS


def listed(data: Path, table: str, count: int) -> dict[Path, float]:
    """The first ``count`` files that a CSV names, by name, so that sources mix; and the seconds of each."""
    with (data / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted((row["clip"], float(row["duration_s"])) for row in csv.DictReader(file))
    return dict([(data / name, seconds) for name, seconds in rows if (data / name).is_file()][:count])


def corpus(data: Path, folder: Path, clips: int, speech: int, broken: int) -> tuple[list[Path], float]:
    """(files to scan, seconds of those that are whole); the broken ones are made in ``folder``."""
    whole = listed(data, "clips", clips) | listed(data, "speech", speech)
    sources, made = list(whole), []
    for k in range(broken):
        source = sources[k * len(sources) // broken]
        kind = list(KINDS)[k % len(KINDS)]
        made.append(folder / f"{kind}-{k}{source.suffix}")
        made[-1].write_bytes(KINDS[kind](source.read_bytes(), k))
    return [*sources, *made], sum(whole.values())
