# SPDX-License-Identifier: Apache-2.0
"""Detection and calibration metrics, vectorised over bootstrap draws.

Conventions: ``labels`` (N,) 1 = fake, 0 = real; ``scores`` (N,) higher = more fake; ``weights`` (B,N) one row per
draw. A metric that needs a class that is absent is NaN, never an exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avguard.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ECE_BINS = 15
DRAWS = 1000
LOW_FPR = 0.05
HIGH_TPR = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval; NaN where it cannot be computed."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Roc:
    """Operating points of B weighted samples. ``fpr`` and ``tpr`` (B,G+1) rise from the point (0,0);
    ``precision`` (B,G) and ``recall`` steps follow the same G distinct scores, highest first.
    """

    fpr: Floats
    tpr: Floats
    precision: Floats


def _check(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    truth, score = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if truth.ndim != 1 or truth.shape != score.shape:
        raise UsageError(f"labels {truth.shape} and scores {score.shape} must be vectors of the same length")
    if not np.isin(truth, (0.0, 1.0)).all():
        raise UsageError("labels must be 0 or 1")
    if not np.isfinite(score).all():
        raise UsageError("scores must be finite: drop the clips without a score first")
    return truth, score


def _weights(weights: ArrayLike | None, n: int) -> Floats:
    found = np.ones((1, n)) if weights is None else np.asarray(weights, np.float64)
    if found.ndim != 2 or found.shape[1] != n:
        raise UsageError(f"weights {found.shape} must be (draws, {n})")
    return found


def roc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Roc:
    """Operating points at every distinct score; tied scores move together. Raises UsageError on bad arrays."""
    truth, score = _check(labels, scores)
    weight = _weights(weights, len(truth))
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, len(order) > 0))
    hits = np.cumsum(weight[:, order] * truth[order], axis=1)[:, ends]
    alarms = np.cumsum(weight[:, order] * (1 - truth[order]), axis=1)[:, ends]
    with np.errstate(divide="ignore", invalid="ignore"):
        tpr = hits / (weight @ truth)[:, None]
        fpr = alarms / (weight @ (1 - truth))[:, None]
        precision = np.where(hits + alarms > 0, hits / (hits + alarms), 0.0)
    start = np.zeros((len(weight), 1))
    return Roc(np.hstack([start, fpr]), np.hstack([start, tpr]), precision)


def roc_auc(points: Roc) -> Floats:
    """Area under the curve (B,): the Mann-Whitney statistic with ties counted half."""
    steps = np.diff(points.fpr, axis=1)
    return _absent(points, np.sum(steps * (points.tpr[:, 1:] + points.tpr[:, :-1]) / 2, axis=1))


def roc_eer(points: Roc) -> Floats:
    """Equal error rate (B,): where misses equal false alarms, linear between operating points."""
    gap = 1 - points.tpr - points.fpr
    if gap.shape[1] < 2:
        return np.full(len(gap), np.nan)
    after = np.maximum(np.argmax(gap <= 0, axis=1), 1)
    rows = np.arange(len(gap))
    before = after - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        share = gap[rows, before] / (gap[rows, before] - gap[rows, after])
    left = points.fpr[rows, before]
    return _absent(points, left + share * (points.fpr[rows, after] - left))


def roc_ap(points: Roc) -> Floats:
    """Average precision (B,): precision summed over recall steps, no interpolation."""
    return _absent(points, np.sum(np.diff(points.tpr, axis=1) * points.precision, axis=1))


def roc_tpr_at_fpr(points: Roc, fpr: float = LOW_FPR) -> Floats:
    """Best detection rate (B,) of any threshold with at most ``fpr`` false alarms."""
    return _absent(points, np.max(np.where(points.fpr <= fpr + 1e-12, points.tpr, 0.0), axis=1))


def roc_fpr_at_tpr(points: Roc, tpr: float = HIGH_TPR) -> Floats:
    """Fewest false alarms (B,) of any threshold that detects at least ``tpr``."""
    return _absent(points, np.min(np.where(points.tpr >= tpr - 1e-12, points.fpr, 1.0), axis=1))


def _absent(points: Roc, values: Floats) -> Floats:
    complete = np.isfinite(points.tpr).all(axis=1) & np.isfinite(points.fpr).all(axis=1)
    return np.where(complete & (points.fpr.shape[1] > 1), values, np.nan)


RANKED: dict[str, Callable[[Roc], Floats]] = {
    "auc": roc_auc,
    "eer": roc_eer,
    "ap": roc_ap,
    "tpr_at_fpr": roc_tpr_at_fpr,
    "fpr_at_tpr": roc_fpr_at_tpr,
}


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve of one sample."""
    return float(roc_auc(roc(labels, scores))[0])


def eer(labels: ArrayLike, scores: ArrayLike) -> float:
    """Equal error rate of one sample."""
    return float(roc_eer(roc(labels, scores))[0])


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Average precision of one sample."""
    return float(roc_ap(roc(labels, scores))[0])


def fpr_at_threshold(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Share of real samples whose score is at least ``threshold``."""
    truth, score = _check(labels, scores)
    return float(np.mean(score[truth == 0] >= threshold)) if (truth == 0).any() else math.nan


def tpr_at_fpr(labels: ArrayLike, scores: ArrayLike, fpr: float) -> float:
    """Best detection rate of any threshold with at most ``fpr`` false alarms."""
    return float(roc_tpr_at_fpr(roc(labels, scores), fpr)[0])


def brier(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Mean squared error (B,) of the scores as probabilities of the label 1."""
    truth, score = _check(labels, scores)
    return _mean(_weights(weights, len(truth)), (score - truth) ** 2)


def ece(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, bins: int = ECE_BINS) -> Floats:
    """Expected calibration error (B,) over ``bins`` equal bins of [0, 1]. Raises UsageError on scores outside."""
    truth, score = _check(labels, scores)
    if len(score) and (score.min() < 0 or score.max() > 1):
        raise UsageError("calibration needs scores in [0, 1]")
    weight = _weights(weights, len(truth))
    member = np.eye(bins)[np.minimum((score * bins).astype(np.int64), bins - 1)]
    gaps = np.abs((weight * (score - truth)) @ member).sum(axis=1)
    return _ratio(gaps, weight.sum(axis=1))


def _mean(weight: Floats, values: Floats) -> Floats:
    return _ratio(weight @ values, weight.sum(axis=1))


def _ratio(parts: Floats, totals: Floats) -> Floats:
    ratio = np.full(len(parts), np.nan)
    np.divide(parts, totals, out=ratio, where=totals > 0)
    return ratio


def choose_clusters(labels: ArrayLike, sources: Sequence[str], groups: Sequence[str]) -> tuple[str, Sequence[str]]:
    """What a bootstrap must resample, and its name: sources; groups when a class has a single source."""
    truth = np.asarray(labels)
    per_class = [len({s for s, t in zip(sources, truth, strict=True) if t == value}) for value in (0, 1)]
    return ("source", sources) if min(per_class) > 1 else ("group", groups)


def cluster_weights(clusters: Sequence[str], draws: int, rng: np.random.Generator) -> Floats:
    """How often each sample occurs in each draw (draws, N), whole clusters drawn with replacement."""
    names, member = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
    if not len(names):
        return np.zeros((draws, 0))
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, member].astype(np.float64)


def bootstrap(
    labels: ArrayLike, scores: ArrayLike, clusters: Sequence[str], rng: np.random.Generator, draws: int = DRAWS
) -> dict[str, Estimate]:
    """Every metric with its 95 % percentile interval, by cluster bootstrap (Field & Welsh 2007).

    Draws that miss a class are left out of the interval of the ranked metrics. The same ``rng`` state gives the
    same interval.
    """
    truth, score = _check(labels, scores)
    weights = np.vstack([np.ones((1, len(truth))), cluster_weights(clusters, draws, rng)])
    points = roc(truth, score, weights)
    values = {name: metric(points) for name, metric in RANKED.items()}
    values["ece"] = ece(truth, score, weights)
    values["brier"] = brier(truth, score, weights)
    return {name: _estimate(found) for name, found in values.items()}


def _estimate(values: Floats) -> Estimate:
    drawn = values[1:][np.isfinite(values[1:])]
    if not math.isfinite(values[0]) or not len(drawn):
        return Estimate(float(values[0]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(values[0]), float(low), float(high))


def stratified_auc(labels: ArrayLike, scores: ArrayLike, strata: Sequence[str] | Ints) -> tuple[float, int]:
    """AUC over pairs of the same stratum only, and the number of such pairs: what is left when the strata cannot
    tell the classes apart. NaN and 0 when no stratum holds both classes.
    """
    truth, score = _check(labels, scores)
    names, member = np.unique(np.asarray(strata), return_inverse=True)
    won, pairs = 0.0, 0
    for index in range(len(names)):
        inside = member == index
        count = int(truth[inside].sum()) * int((1 - truth[inside]).sum())
        if count:
            won += count * auc(truth[inside], score[inside])
            pairs += count
    return (won / pairs if pairs else math.nan), pairs


def ranks(values: ArrayLike) -> Floats:
    """Ranks from 1, ties share their mean rank."""
    _, inverse, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean_rank: Floats = (ends - (counts - 1) / 2)[inverse]
    return mean_rank


def spearman(left: ArrayLike, right: ArrayLike) -> float:
    """Rank correlation; NaN when either side is constant or there are fewer than three samples."""
    a, b = ranks(left), ranks(right)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def wilson(hits: int, total: int) -> Estimate:
    """Share and 95 % score interval of a proportion (Wilson 1927)."""
    if not 0 <= hits <= total:
        raise UsageError(f"{hits} of {total} is not a proportion")
    if total == 0:
        return Estimate(math.nan)
    z2 = 1.959963984540054**2
    share = hits / total
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = math.sqrt(z2 * (share * (1 - share) / total + z2 / (4 * total**2))) / (1 + z2 / total)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half))
