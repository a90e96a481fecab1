# SPDX-License-Identifier: Apache-2.0
"""The field's table: AUC, EER, AP and ACC for each head and overall, by method, and localisation where spans are told.

Clips from sources that the model was trained on are counted in every line and reported apart.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avguard.data.row import HEADS, Head, Row
from avguard.evaluate.journal import Result
from avguard.evaluate.localise import (
    AP_OVERLAPS,
    AR_COUNTS,
    ClipSpans,
    average_precision_at,
    average_recall_at,
)
from avguard.evaluate.metrics import auc, average_precision, eer

ALL, SEEN, UNSEEN = "all", "seen sources", "unseen sources"
_THRESHOLD = 0.5


@dataclass(frozen=True)
class Line:
    """One head on one part of the clips. ``part``: all, clips of sources that the model was trained on or was not, or
    a method against all real clips. ``seen``: how many of the scored clips come from trained sources, None where
    the bundle does not tell. ``acc``: share right at 0.5, ``balanced_acc``: mean of both classes' shares.
    """

    head: Head
    part: str
    negatives: int
    positives: int
    unscored: int
    seen: int | None
    auc: float
    eer: float
    ap: float
    acc: float
    balanced_acc: float


@dataclass(frozen=True)
class Localisation:
    """Segments against forged spans. ``clips`` have both told, ``spans`` in all; ``ap`` by overlap, ``ar`` by count."""

    part: str
    clips: int
    spans: int
    proposals: int
    seen: int | None
    ap: dict[str, float]
    ar: dict[str, float]


@dataclass(frozen=True)
class Benchmark:
    """Everything. ``clips`` have a result, ``missing`` have none, ``errors`` failed; ``seen`` as in ``Line``."""

    name: str
    split: str
    model_id: str
    trimmed: bool
    clips: int
    missing: int
    errors: int
    seen: int | None
    decided: float
    false_alarms: float
    lines: tuple[Line, ...]
    methods: tuple[Line, ...]
    localisation: tuple[Localisation, ...]


def make_benchmark(
    rows: Sequence[Row],
    results: Mapping[str, Result],
    trained_on: Collection[str] | None,
    *,
    name: str,
    split: str,
    model_id: str,
    trimmed: bool = False,
) -> Benchmark:
    """All lines for the ``rows`` that have a result. ``trained_on``: sources that the bundle names, None if none."""
    known = [row for row in rows if row.path in results]
    films = [row for row in known if row.media == "clips"]
    parts = _parts(films, trained_on)
    speech = [row for row in known if row.media == "speech"]
    lines = [_line(part, members, head, results, trained_on) for part, members in parts.items() for head in HEADS]
    if speech:
        said = {f"speech files, {part}": members for part, members in _parts(speech, trained_on).items()}
        lines += [_line(part, members, "audio", results, trained_on) for part, members in said.items()]
    judged = [results[row.path] for row in known]
    reals = [results[row.path].label == "fake" for row in known if row.kind == "real"]
    return Benchmark(
        name=name,
        split=split,
        model_id=model_id,
        trimmed=trimmed,
        clips=len(known),
        missing=len(rows) - len(known),
        errors=sum(result.error is not None for result in judged),
        seen=_seen(known, trained_on),
        decided=_share([result.label in ("real", "fake") for result in judged]),
        false_alarms=_share(reals),
        lines=tuple(lines),
        methods=tuple(_methods(films, results, trained_on) + _methods(speech, results, trained_on)),
        localisation=tuple(_localisation(part, members, results, trained_on) for part, members in parts.items())
        if any(_told(row, results) and row.spans() for row in films)
        else (),
    )


def _parts(rows: Sequence[Row], trained_on: Collection[str] | None) -> dict[str, list[Row]]:
    parts = {ALL: list(rows)}
    if trained_on is not None:
        parts[SEEN] = [row for row in rows if row.source in trained_on]
        parts[UNSEEN] = [row for row in rows if row.source not in trained_on]
    return parts


def _seen(rows: Sequence[Row], trained_on: Collection[str] | None) -> int | None:
    return None if trained_on is None else sum(row.source in trained_on for row in rows)


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else math.nan


def _line(
    part: str, rows: Sequence[Row], head: Head, results: Mapping[str, Result], trained_on: Collection[str] | None
) -> Line:
    known = [row for row in rows if row.truth(head) is not None]
    scored = [row for row in known if results[row.path].score(head) is not None]
    truth = np.array([row.truth(head) for row in scored], np.int64)
    score = np.array([results[row.path].score(head) for row in scored], np.float64)
    right = (score >= _THRESHOLD) == (truth == 1)
    both = [float(right[truth == kind].mean()) if (truth == kind).any() else math.nan for kind in (0, 1)]
    return Line(
        head=head,
        part=part,
        negatives=int((truth == 0).sum()),
        positives=int((truth == 1).sum()),
        unscored=len(known) - len(scored),
        seen=_seen(scored, trained_on),
        auc=auc(truth, score),
        eer=eer(truth, score),
        ap=average_precision(truth, score),
        acc=float(right.mean()) if len(right) else math.nan,
        balanced_acc=sum(both) / 2,
    )


def _methods(rows: Sequence[Row], results: Mapping[str, Result], trained_on: Collection[str] | None) -> list[Line]:
    """Each method's fakes against all real clips, for the heads that it touches."""
    reals = [row for row in rows if row.kind == "real"]
    lines = []
    for method in sorted({row.generator for row in rows if row.kind == "fake"}, key=str.casefold):
        fakes = [row for row in rows if row.kind == "fake" and row.generator == method]
        heads: tuple[Head, ...] = HEADS if fakes[0].media == "clips" else ("audio",)
        for head in heads:
            forged = [row for row in fakes if row.truth(head) == 1]
            if forged:
                lines.append(_line(method, [*reals, *forged], head, results, trained_on))
    return lines


def _told(row: Row, results: Mapping[str, Result]) -> bool:
    return row.spans() is not None and results[row.path].segments is not None


def _localisation(
    part: str, rows: Sequence[Row], results: Mapping[str, Result], trained_on: Collection[str] | None
) -> Localisation:
    members = [row for row in rows if _told(row, results)]
    clips = [ClipSpans(row.spans() or (), results[row.path].segments or ()) for row in members]
    return Localisation(
        part=part,
        clips=len(clips),
        spans=sum(len(clip.truth) for clip in clips),
        proposals=sum(len(clip.proposals) for clip in clips),
        seen=_seen(members, trained_on),
        ap={f"{overlap:g}": average_precision_at(clips, overlap) for overlap in AP_OVERLAPS},
        ar={str(count): average_recall_at(clips, count) for count in AR_COUNTS},
    )
