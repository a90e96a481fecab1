# SPDX-License-Identifier: Apache-2.0
"""Shortcut probes: how far trivial features go without looking at a face, and how much of the model's score they are.

Two forms. Trained: a logistic regression on one family of features, fitted on ``train``, judged on the evaluated
split, beside the model. Explained: does the model's score among REAL clips follow the feature, and what is left of its
AUC when only clips of the same quartile of the feature are compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avguard.evaluate.journal import Result
from avguard.evaluate.manifest import Head, Media, Row
from avguard.evaluate.metrics import DRAWS, Estimate, auc, bootstrap, choose_clusters, spearman, stratified_auc
from avguard.evaluate.text import interval, number, table
from avguard.evaluate.trivial import FAMILIES, NAMES, Trivial

Floats = NDArray[np.float64]

_FOLDS = 5
_RIDGE = 1.0
_STEPS = 30
_LEAST = 8
_HEADS: dict[Media, tuple[Head, ...]] = {"clips": ("overall", "video", "audio"), "speech": ("audio",)}


@dataclass(frozen=True)
class Probe:
    """One family of features against one head's truth. ``held_out_auc``: ``train``, folds apart by source. ``auc``:
    fitted on all of ``train``, judged on ``clips`` of the evaluated split; ``model_auc``: the model on the same clips.
    """

    media: Media
    family: str
    head: Head
    train_clips: int
    held_out_auc: float
    clips: int
    auc: Estimate
    model_auc: float


@dataclass(frozen=True)
class Explained:
    """One feature and one head's score. ``rho`` and ``halves_auc`` are among real clips only: rank correlation of
    score and feature, and how well the score tells the upper half of the feature from the lower. ``feature_auc``:
    the bare feature as a detector. ``matched_auc``: the model's, over ``pairs`` of the same quartile of the feature.
    """

    media: Media
    feature: str
    head: Head
    reals: int
    rho: float
    halves_auc: float
    feature_auc: float
    model_auc: float
    matched_auc: float
    pairs: int


@dataclass(frozen=True)
class ProbeReport:
    """Both forms; ``unreadable``: files without features."""

    trained: tuple[Probe, ...]
    explained: tuple[Explained, ...]
    unreadable: int


@dataclass(frozen=True)
class _Sample:
    row: Row
    truth: int
    score: float | None
    values: dict[str, float]


def make_probes(
    everything: Sequence[Row],
    split_rows: Sequence[Row],
    results: Mapping[str, Result],
    features: Mapping[str, Trivial],
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> ProbeReport:
    """Both forms for every head. ``features`` must hold every row of ``train`` and of ``split_rows``."""
    trained, explained = [], []
    for media, heads in _HEADS.items():
        for head in heads:
            fit = _samples([r for r in everything if r.split == "train"], media, head, results, features)
            judged = _samples(split_rows, media, head, results, features)
            fresh = [s for s in judged if s.row.split != "train"]
            trained += [
                _probe(media, head, name, names, fit, fresh, rng, draws) for name, names in _families().items() if fit
            ]
            explained += [e for name in NAMES if (e := _explain(media, head, name, judged)) is not None]
    return ProbeReport(
        tuple(p for p in trained if p is not None),
        tuple(explained),
        sum(trivial.error is not None for trivial in features.values()),
    )


def _families() -> dict[str, tuple[str, ...]]:
    return {**FAMILIES, "all of these": NAMES}


def _samples(
    rows: Sequence[Row], media: Media, head: Head, results: Mapping[str, Result], features: Mapping[str, Trivial]
) -> list[_Sample]:
    found = []
    for row in rows:
        truth, trivial = row.truth(head), features.get(row.path)
        if row.media != media or truth is None or trivial is None or trivial.error is not None:
            continue
        score = results[row.path].score(head) if row.path in results else None
        found.append(_Sample(row, truth, score, trivial.values))
    return found


def _matrix(samples: Sequence[_Sample], names: Sequence[str]) -> Floats:
    return np.array([[s.values.get(name, math.nan) for name in names] for s in samples]).reshape(len(samples), -1)


def _probe(
    media: Media,
    head: Head,
    family: str,
    names: Sequence[str],
    fit: Sequence[_Sample],
    judged: Sequence[_Sample],
    rng: np.random.Generator,
    draws: int,
) -> Probe | None:
    table_fit, truth = _matrix(fit, names), np.array([s.truth for s in fit])
    told = [i for i in range(len(names)) if np.unique(table_fit[np.isfinite(table_fit[:, i]), i]).size > 1]
    if not told or len(set(truth.tolist())) < 2:
        return None
    kept = [names[i] for i in told]
    held_out = _held_out(table_fit[:, told], truth, [s.row.source for s in fit], rng)
    scores = fit_logistic(table_fit[:, told], truth).score(_matrix(judged, kept)) if judged else np.zeros(0)
    labels = [s.truth for s in judged]
    _, clusters = choose_clusters(labels, [s.row.source for s in judged], [s.row.group for s in judged])
    found = bootstrap(labels, scores, clusters, rng, draws)["auc"] if judged else Estimate(math.nan)
    return Probe(media, family, head, len(fit), held_out, len(judged), found, _model_auc(judged))


def _model_auc(samples: Sequence[_Sample]) -> float:
    both = [(s.truth, s.score) for s in samples if s.score is not None]
    return auc([truth for truth, _ in both], [score for _, score in both])


def _held_out(values: Floats, truth: NDArray[np.int64], sources: Sequence[str], rng: np.random.Generator) -> float:
    """AUC of predictions on sources that the fit did not see."""
    names, member = np.unique(np.asarray(sources), return_inverse=True)
    fold = rng.permutation(len(names))[member] % _FOLDS
    predicted = np.full(len(truth), np.nan)
    for part in range(_FOLDS):
        inside = fold == part
        if inside.any() and np.unique(truth[~inside]).size == 2:
            predicted[inside] = fit_logistic(values[~inside], truth[~inside]).score(values[inside])
    kept = np.isfinite(predicted)
    return auc(truth[kept], predicted[kept])


@dataclass(frozen=True)
class Logistic:
    """A fitted regression: medians for what is missing, scaling, coefficients with the intercept last."""

    median: Floats
    mean: Floats
    scale: Floats
    beta: Floats

    def score(self, values: Floats) -> Floats:
        """Probability (N,) of the label 1 for values (N,D), NaN where a value is missing."""
        filled = (np.where(np.isnan(values), self.median, values) - self.mean) / self.scale
        odds: Floats = filled @ self.beta[:-1] + self.beta[-1]
        return 1 / (1 + np.exp(-np.clip(odds, -30, 30)))


def fit_logistic(values: Floats, truth: NDArray[np.int64]) -> Logistic:
    """Ridge logistic regression (ridge 1, intercept free, classes balanced) by Newton's method."""
    median = np.array([_median(column) for column in values.T])
    filled = np.where(np.isnan(values), median, values)
    mean, scale = filled.mean(axis=0), filled.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    inputs = np.column_stack([(filled - mean) / scale, np.ones(len(values))])
    weight = np.where(truth == 1, 0.5 / max(truth.mean(), 1e-9), 0.5 / max(1 - truth.mean(), 1e-9))
    ridge = np.diag([*[_RIDGE] * values.shape[1], 1e-6])
    beta = np.zeros(inputs.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ beta, -30, 30)))
        slope = inputs.T @ (weight * (chance - truth)) + ridge @ beta
        curve = (inputs * (weight * chance * (1 - chance))[:, None]).T @ inputs + ridge
        step = np.linalg.solve(curve, slope)
        beta = beta - step
        if np.abs(step).max() < 1e-8:
            break
    return Logistic(median, mean, scale, beta)


def _median(column: Floats) -> float:
    known = column[np.isfinite(column)]
    return float(np.median(known)) if len(known) else 0.0


def quartiles(values: Floats) -> NDArray[np.int64]:
    """Quartile 0..3 of every value; equal values stay together, so there may be fewer."""
    return np.searchsorted(np.unique(np.quantile(values, [0.25, 0.5, 0.75])), values, side="left")


def _upper_half(values: Floats) -> NDArray[np.bool_]:
    if not len(values):
        return np.zeros(0, dtype=np.bool_)
    middle = np.median(values)
    # Where the most frequent value is also the largest, it is the upper half.
    return values > middle if (values > middle).any() else values >= middle


def _explain(media: Media, head: Head, name: str, judged: Sequence[_Sample]) -> Explained | None:
    kept = [(s.truth, s.score, s.values[name]) for s in judged if s.score is not None and name in s.values]
    if len(kept) < _LEAST or len({value for _, _, value in kept}) < 2:
        return None
    truth = np.array([k[0] for k in kept])
    score, value = np.array([k[1] for k in kept], np.float64), np.array([k[2] for k in kept], np.float64)
    # Real to every head: a forged voice over a true picture must not count as real to the video head here.
    real = np.array([s.row.kind == "real" for s in judged if s.score is not None and name in s.values])
    upper = _upper_half(value[real])
    matched, pairs = stratified_auc(truth, score, quartiles(value))
    return Explained(
        media=media,
        feature=name,
        head=head,
        reals=int(real.sum()),
        rho=spearman(score[real], value[real]),
        halves_auc=auc(upper.astype(np.int64), score[real]),
        feature_auc=auc(truth, value),
        model_auc=auc(truth, score),
        matched_auc=matched,
        pairs=pairs,
    )


def render_probes(report: ProbeReport) -> str:
    """Both forms as text, ending in a line end."""
    parts = [f"== trivial features: {report.unreadable} files without ==" if report.unreadable else ""]
    for media in _HEADS:
        parts += [_trained_text(report, media), *(_explained_text(report, media, head) for head in _HEADS[media])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _trained_text(report: ProbeReport, media: Media) -> str:
    found = [p for p in report.trained if p.media == media]
    if not found:
        return ""
    rows = [
        [
            *(p.family, p.head, str(p.train_clips), number(p.held_out_auc), str(p.clips), interval(p.auc)),
            *(number(p.model_auc), number(p.model_auc - p.auc.value)),
        ]
        for p in found
    ]
    header = ["trained on", "head", "n train", "AUC held-out sources", "n", "AUC here [95 %]", "model AUC", "lead"]
    note = (
        "A model that does not lead clearly may be reading this feature; a held-out AUC near 0.5 does not carry over."
    )
    return f"== shortcut probes, {media}: logistic regression on trivial features ==\n{table(header, rows)}\n{note}"


def _explained_text(report: ProbeReport, media: Media, head: Head) -> str:
    found = [e for e in report.explained if e.media == media and e.head == head]
    if not found:
        return ""
    header = ["feature", "n real", "rho in reals", "AUC upper/lower half of reals", "AUC of feature alone", "model AUC"]
    header += ["model AUC, same quartile", "pairs"]
    rows = [
        [
            *(e.feature, str(e.reals), number(e.rho), number(e.halves_auc), number(e.feature_auc)),
            *(number(e.model_auc), number(e.matched_auc), str(e.pairs)),
        ]
        for e in found
    ]
    note = "Harmless: rho near 0, halves near 0.5, and the last AUC no lower than the model's."
    return f"== {media}: is the model's {head} score explained by a trivial feature? ==\n{table(header, rows)}\n{note}"
