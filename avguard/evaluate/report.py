# SPDX-License-Identifier: Apache-2.0
"""What a run says: numbers from manifest rows and results. ``text.py`` lays them out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avguard.evaluate.journal import LABELS, SCORES, Result
from avguard.evaluate.manifest import HEADS, Head, Media, Row, normalise_generator, seen_generators
from avguard.evaluate.metrics import DRAWS, Estimate, auc, bootstrap, choose_clusters, stratified_auc, wilson

_NOWHERE = Estimate(math.nan)


@dataclass(frozen=True)
class Pair:
    """A manifest row and what the product said about it."""

    row: Row
    result: Result
    seen: bool


@dataclass(frozen=True)
class HeadTable:
    """One head over one choice of fakes (``fakes``: all, seen or unseen generators) against all its negatives.

    ``unscored``: clips of known truth without this score, left out. ``unit``: what the interval resamples, of which
    there are ``clusters``. ``macro_auc``: mean over generators, each against all negatives. ``within_source_auc``:
    over pairs of the same source only, ``within_pairs`` of them.
    """

    media: Media
    head: Head
    fakes: str
    negatives: int
    positives: int
    unscored: int
    unit: str
    clusters: int
    auc: Estimate
    eer: Estimate
    ap: Estimate
    tpr_at_fpr: Estimate
    fpr_at_tpr: Estimate
    ece: Estimate
    brier: Estimate
    macro_auc: float
    within_source_auc: float
    within_pairs: int


@dataclass(frozen=True)
class GeneratorTable:
    """Clips of one generator against all real clips. ``auc`` and ``mean`` by head; a head that it left alone, or of
    unknown truth, is absent. ``detected``: label "fake".
    """

    media: Media
    generator: str
    seen: bool
    clips: int
    errors: int
    mean: dict[str, float]
    auc: dict[str, float]
    detected: Estimate


@dataclass(frozen=True)
class SourceTable:
    """Real clips of one source. ``alarms``: label "fake". ``auc_without``: by head, with the source's clips gone."""

    media: Media
    source: str
    clips: int
    mean: dict[str, float]
    alarms: Estimate
    auc_without: dict[str, float]


@dataclass(frozen=True)
class Coverage:
    """What was judged at all, of ``clips`` checked. ``heads``: shares with a score; ``decided``: real or fake."""

    media: Media
    kind: str
    clips: int
    errors: int
    heads: dict[str, float]
    decided: float
    labels: dict[str, int]


@dataclass(frozen=True)
class Rate:
    """How often the label was "fake" among ``clips``, and among the ``decided`` of them."""

    media: Media
    name: str
    clips: int
    rate: Estimate
    decided: int
    rate_decided: Estimate


@dataclass(frozen=True)
class Sync:
    """The two measurements without a truth in the manifest: desync score and offset, per kind of clip."""

    kind: str
    clips: int
    desync_mean: float
    desync_share_over_half: float
    offset_ms_quartiles: tuple[float, float, float] | None


@dataclass(frozen=True)
class Report:
    """Everything. ``missing``: rows of the split without a result. ``trained``: how many clips of each list and kind
    come from sources that the model was trained on, and how many there are; empty where the bundle does not tell.
    """

    model_id: str
    split: str
    draws: int
    missing: int
    trained: dict[str, tuple[int, int]]
    heads: tuple[HeadTable, ...]
    generators: tuple[GeneratorTable, ...]
    sources: tuple[SourceTable, ...]
    coverage: tuple[Coverage, ...]
    rates: tuple[Rate, ...]
    sync: tuple[Sync, ...]
    reasons: dict[str, int]
    errors: dict[str, int]
    seconds_per_clip: float


def pair_up(rows: Sequence[Row], results: Mapping[str, Result], everything: Sequence[Row]) -> tuple[Pair, ...]:
    """Rows that have a result; ``everything`` is the whole manifest, which says what was seen in training."""
    seen = seen_generators(everything)
    return tuple(
        Pair(row, results[row.path], row.kind == "fake" and normalise_generator(row.generator) in seen)
        for row in rows
        if row.path in results
    )


def make_report(
    rows: Sequence[Row],
    results: Mapping[str, Result],
    everything: Sequence[Row],
    *,
    model_id: str,
    split: str,
    rng: np.random.Generator,
    draws: int = DRAWS,
    trained_on: Collection[str] | None = None,
) -> Report:
    """All tables for ``rows`` of ``split``; results of other clips are ignored.

    ``trained_on``: sources that the bundle names as seen in training, None if it names none.
    """
    pairs = pair_up(rows, results, everything)
    clips, speech = _of(pairs, "clips"), _of(pairs, "speech")
    plan: list[tuple[tuple[Pair, ...], Media, Head]] = [(clips, "clips", head) for head in HEADS]
    plan.append((speech, "speech", "audio"))
    parts: list[tuple[tuple[Pair, ...], Media]] = [(clips, "clips"), (speech, "speech")]
    elapsed = [p.result.elapsed_s for p in pairs if p.result.error is None]
    return Report(
        model_id=model_id,
        split=split,
        draws=draws,
        missing=len(rows) - len(pairs),
        trained={} if trained_on is None else _trained(pairs, trained_on),
        heads=tuple(
            head_table(part, media, head, fakes, rng, draws)
            for part, media, head in plan
            for fakes in ("all", "seen", "unseen")
            if part
        ),
        generators=tuple(table for part, media in parts for table in _generators(part, media)),
        sources=tuple(table for part, media in parts for table in _sources(part, media)),
        coverage=tuple(_coverage(p, m, kind) for p, m in parts if p for kind in ("real", "fake")),
        rates=tuple(rate for part, media in parts if part for rate in _rates(part, media)),
        sync=tuple(_sync(clips, kind) for kind in ("real", "fake")) if clips else (),
        reasons=dict(Counter(reason for p in pairs for reason in p.result.reasons).most_common()),
        errors=dict(Counter((p.result.error or "").split(":")[0] for p in pairs if p.result.error).most_common()),
        seconds_per_clip=_mean(elapsed),
    )


def _trained(pairs: Sequence[Pair], trained_on: Collection[str]) -> dict[str, tuple[int, int]]:
    found = _by(pairs, lambda p: f"{p.row.media}, {p.row.kind}")
    return {name: (sum(p.row.source in trained_on for p in part), len(part)) for name, part in found.items()}


def head_table(
    pairs: Sequence[Pair], media: Media, head: Head, fakes: str, rng: np.random.Generator, draws: int
) -> HeadTable:
    """One head: ``fakes`` is all, seen or unseen; the negatives are always all of them."""
    known = [p for p in pairs if p.row.truth(head) is not None and _wanted(p, head, fakes)]
    scored = [p for p in known if p.result.score(head) is not None]
    labels, scores = truth_and_scores(scored, head)
    sources = [p.row.source for p in scored]
    unit, clusters = choose_clusters(labels, sources, [p.row.group for p in scored])
    # With one class alone even a calibration error says nothing.
    found = bootstrap(labels, scores, clusters, rng, draws) if len(set(labels)) == 2 else {}
    within, within_pairs = stratified_auc(labels, scores, sources)
    return HeadTable(
        media=media,
        head=head,
        fakes=fakes,
        negatives=labels.count(0),
        positives=labels.count(1),
        unscored=len(known) - len(scored),
        unit=unit,
        clusters=len(set(clusters)),
        auc=found.get("auc", _NOWHERE),
        eer=found.get("eer", _NOWHERE),
        ap=found.get("ap", _NOWHERE),
        tpr_at_fpr=found.get("tpr_at_fpr", _NOWHERE),
        fpr_at_tpr=found.get("fpr_at_tpr", _NOWHERE),
        ece=found.get("ece", _NOWHERE),
        brier=found.get("brier", _NOWHERE),
        macro_auc=_macro(scored, head),
        within_source_auc=within,
        within_pairs=within_pairs,
    )


def truth_and_scores(pairs: Sequence[Pair], head: Head) -> tuple[list[int], list[float]]:
    """Labels and scores of the pairs that have both."""
    both = [(p.row.truth(head), p.result.score(head)) for p in pairs]
    kept = [(truth, score) for truth, score in both if truth is not None and score is not None]
    return [truth for truth, _ in kept], [score for _, score in kept]


def _wanted(pair: Pair, head: Head, fakes: str) -> bool:
    return pair.row.truth(head) == 0 or fakes == "all" or pair.seen == (fakes == "seen")


def _of(pairs: Sequence[Pair], media: Media) -> tuple[Pair, ...]:
    return tuple(p for p in pairs if p.row.media == media)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _by(pairs: Sequence[Pair], name: Callable[[Pair], str]) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(name(pair), []).append(pair)
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


def _heads_of(media: Media) -> tuple[Head, ...]:
    return HEADS if media == "clips" else ("audio",)


def _scores(pairs: Sequence[Pair], head: str) -> list[float]:
    return [score for p in pairs if (score := p.result.score(head)) is not None]


def _against(fakes: Sequence[Pair], reals: Sequence[Pair], head: Head) -> float:
    labels, scores = truth_and_scores([*(p for p in fakes if p.row.truth(head) == 1), *reals], head)
    return auc(labels, scores)


def _macro(scored: Sequence[Pair], head: Head) -> float:
    negatives = [p for p in scored if p.row.truth(head) == 0]
    fakes = _by([p for p in scored if p.row.truth(head) == 1], lambda p: p.row.generator)
    return _mean([_against(part, negatives, head) for part in fakes.values()]) if negatives else math.nan


def _label_rate(pairs: Sequence[Pair]) -> Estimate:
    return wilson(sum(p.result.label == "fake" for p in pairs), len(pairs))


def _generators(pairs: Sequence[Pair], media: Media) -> list[GeneratorTable]:
    reals = [p for p in pairs if p.row.kind == "real"]
    tables = []
    for name, part in _by([p for p in pairs if p.row.kind == "fake"], lambda p: p.row.generator).items():
        heads = [h for h in _heads_of(media) if any(p.row.truth(h) == 1 for p in part)]
        forged = {h: [p for p in part if p.row.truth(h) == 1] for h in heads}
        tables.append(
            GeneratorTable(
                media=media,
                generator=name,
                seen=part[0].seen,
                clips=len(part),
                errors=sum(p.result.error is not None for p in part),
                mean={h: _mean(_scores(forged[h], h)) for h in heads},
                auc={h: _against(forged[h], reals, h) for h in heads},
                detected=_label_rate(part),
            )
        )
    return tables


def _sources(pairs: Sequence[Pair], media: Media) -> list[SourceTable]:
    tables = []
    for name, part in _by([p for p in pairs if p.row.kind == "real"], lambda p: p.row.source).items():
        rest = [p for p in pairs if p.row.source != name]
        tables.append(
            SourceTable(
                media=media,
                source=name,
                clips=len(part),
                mean={h: _mean(_scores(part, h)) for h in _heads_of(media)},
                alarms=_label_rate(part),
                auc_without={h: auc(*truth_and_scores(rest, h)) for h in _heads_of(media)},
            )
        )
    return tables


def _coverage(pairs: Sequence[Pair], media: Media, kind: str) -> Coverage:
    part = [p for p in pairs if p.row.kind == kind]
    labels = Counter(p.result.label for p in part)
    share = 1 / len(part) if part else math.nan
    return Coverage(
        media=media,
        kind=kind,
        clips=len(part),
        errors=sum(p.result.error is not None for p in part),
        heads={head: len(_scores(part, head)) * share for head in SCORES},
        decided=(labels["real"] + labels["fake"]) * share,
        labels={name: labels[name] for name in LABELS},
    )


def _rates(pairs: Sequence[Pair], media: Media) -> list[Rate]:
    fakes = [p for p in pairs if p.row.kind == "fake"]
    parts = {
        "real clips called fake": [p for p in pairs if p.row.kind == "real"],
        "fakes called fake": fakes,
        "fakes called fake, seen generators": [p for p in fakes if p.seen],
        "fakes called fake, unseen generators": [p for p in fakes if not p.seen],
    }
    rates = []
    for name, part in parts.items():
        decided = [p for p in part if p.result.label in ("real", "fake")]
        rates.append(Rate(media, name, len(part), _label_rate(part), len(decided), _label_rate(decided)))
    return rates


def _sync(pairs: Sequence[Pair], kind: str) -> Sync:
    part = [p for p in pairs if p.row.kind == kind]
    desync = _scores(part, "desync")
    offsets = [p.result.offset_ms for p in part if p.result.offset_ms is not None]
    low, middle, high = np.percentile(offsets, [25, 50, 75]) if offsets else (0.0, 0.0, 0.0)
    quartiles = (float(low), float(middle), float(high)) if offsets else None
    return Sync(kind, len(part), _mean(desync), _mean([float(s > 0.5) for s in desync]), quartiles)
