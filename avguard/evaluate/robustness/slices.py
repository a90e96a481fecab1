# SPDX-License-Identifier: Apache-2.0
"""Real clips in slices: how often the product calls a true clip fake, by where it comes from and how good it is."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from avguard.data import Row
from avguard.evaluate.journal import Result
from avguard.evaluate.metrics import Estimate, wilson

_SIDES_PX = (160, 240, 360, 720)
_FACES_PX = (20, 40, 80)
_BANDS_HZ = (4000, 7000, 9000)
_SPEECH_S = (1.0, 3.0)
UNKNOWN = "not known"


@dataclass(frozen=True)
class Slice:
    """Real clips that share ``name`` on ``axis``. ``false_alarms``: label "fake"; ``decided``: real or fake."""

    axis: str
    name: str
    clips: int
    errors: int
    false_alarms: Estimate
    decided: float
    mean_overall: float


def slices(
    rows: Sequence[Row],
    results: Mapping[str, Result],
    sides_px: Mapping[str, int | None],
    trained_on: Collection[str] | None = None,
) -> tuple[Slice, ...]:
    """Every axis over the real clips that have a result. ``sides_px``: shorter side of the picture, by path.
    ``trained_on``: the bundle's sources, None where it does not name them.
    """
    reals = [row for row in rows if row.kind == "real" and row.path in results]
    axes = {
        "source": {row.path: row.source for row in reals},
        "source in training": {row.path: _trained(row, trained_on) for row in reals},
        "language": {row.path: row.language or UNKNOWN for row in reals},
        "shorter side, px": {row.path: _bin(sides_px.get(row.path), _SIDES_PX) for row in reals},
        "between the eyes, px": _measured(reals, results, "face_px", _FACES_PX),
        "bandwidth, Hz": _measured(reals, results, "bandwidth_hz", _BANDS_HZ),
        "speech, s": _measured(reals, results, "speech_s", _SPEECH_S),
    }
    return tuple(part for axis, names in axes.items() for part in _axis(axis, names, results))


def _trained(row: Row, trained_on: Collection[str] | None) -> str:
    return UNKNOWN if trained_on is None else "seen" if row.source in trained_on else "unseen"


def shorter_side_px(path: Path) -> int | None:
    """From the file's header; None without a picture or when it cannot be read."""
    try:
        with av.open(str(path)) as container:
            video = container.streams.video
            return min(video[0].width, video[0].height) if video else None
    except (av.error.FFmpegError, OSError):
        return None


def _measured(
    reals: Sequence[Row], results: Mapping[str, Result], quality: str, edges: Sequence[float]
) -> dict[str, str]:
    return {row.path: _bin(results[row.path].quality.get(quality), edges) for row in reals}


def _bin(value: float | None, edges: Sequence[float]) -> str:
    if value is None:
        return UNKNOWN
    index = int(np.searchsorted(edges, value, side="left"))
    if index == 0:
        return f"up to {edges[0]:g}"
    return f"over {edges[index - 1]:g}" + (f" to {edges[index]:g}" if index < len(edges) else "")


def _axis(axis: str, names: Mapping[str, str], results: Mapping[str, Result]) -> list[Slice]:
    # In the order of size, which "up to 20" and "over 160" do not have as words.
    def rank(name: str) -> tuple[float, str]:
        words = name.split()
        return (float(words[1]) if words[0] == "over" else -1.0 if words[0] == "up" else math.inf, name)

    found = []
    for name in sorted(set(names.values()), key=rank):
        part = [results[path] for path, own in names.items() if own == name]
        scores = [score for result in part if (score := result.score("overall")) is not None]
        found.append(
            Slice(
                axis=axis,
                name=name,
                clips=len(part),
                errors=sum(result.error is not None for result in part),
                false_alarms=wilson(sum(result.label == "fake" for result in part), len(part)),
                decided=sum(result.label in ("real", "fake") for result in part) / len(part),
                mean_overall=float(np.mean(scores)) if scores else math.nan,
            )
        )
    return found
