# SPDX-License-Identifier: Apache-2.0
"""Metrics against definitions written out slowly, and bootstrap intervals that behave."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from avguard.errors import UsageError
from avguard.evaluate import metrics

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def draw(seed: int, n: int = 60, levels: int = 12) -> tuple[Ints, Floats]:
    """Labels and scores with many ties."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    labels[:2] = 0, 1
    scores = np.clip(np.round((rng.random(n) + 0.3 * labels) * levels) / (1.3 * levels), 0, 1)
    return labels, scores


def slow_auc(labels: Ints, scores: Floats) -> float:
    pairs = [(p, q) for p in scores[labels == 1] for q in scores[labels == 0]]
    return sum(1.0 if p > q else 0.5 if p == q else 0.0 for p, q in pairs) / len(pairs)


def slow_ap(labels: Ints, scores: Floats) -> float:
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        chosen = labels[scores >= threshold]
        found = chosen.sum() / labels.sum()
        total += (found - recall) * chosen.mean()
        recall = found
    return total


def slow_points(labels: Ints, scores: Floats) -> list[tuple[float, float]]:
    thresholds = [math.inf, *sorted(set(scores.tolist()), reverse=True)]
    return [(float(np.mean(scores[labels == 0] >= t)), float(np.mean(scores[labels == 1] >= t))) for t in thresholds]


def slow_ece(labels: Ints, scores: Floats, bins: int) -> float:
    total = 0.0
    for index in range(bins):
        last = index == bins - 1
        inside = (scores * bins >= index) & ((scores * bins < index + 1) | last)
        if inside.any():
            total += inside.sum() * abs(scores[inside].mean() - labels[inside].mean())
    return total / len(labels)


@pytest.mark.parametrize("seed", range(12))
def test_against_the_definitions(seed: int) -> None:
    labels, scores = draw(seed)
    assert metrics.auc(labels, scores) == pytest.approx(slow_auc(labels, scores), abs=1e-12)
    assert metrics.average_precision(labels, scores) == pytest.approx(slow_ap(labels, scores), abs=1e-12)
    assert metrics.ece(labels, scores)[0] == pytest.approx(slow_ece(labels, scores, 15), abs=1e-12)
    assert metrics.brier(labels, scores)[0] == pytest.approx(np.mean((labels - scores) ** 2), abs=1e-12)
    points = slow_points(labels, scores)
    for limit in (0.0, 0.05, 0.3, 1.0):
        assert metrics.tpr_at_fpr(labels, scores, limit) == max(t for f, t in points if f <= limit)
        fewest = min(f for f, t in points if t >= limit)
        assert metrics.roc_fpr_at_tpr(metrics.roc(labels, scores), limit)[0] == fewest
    for threshold in (0.2, 0.5, float(scores[3])):
        expected = np.mean(scores[labels == 0] >= threshold)
        assert metrics.fpr_at_threshold(labels, scores, threshold) == expected


@pytest.mark.parametrize("seed", range(12))
def test_equal_error_rate_lies_on_the_curve_where_both_errors_meet(seed: int) -> None:
    labels, scores = draw(seed)
    points = slow_points(labels, scores)
    rate = metrics.eer(labels, scores)
    # The curve through the operating points, densely sampled: misses cross false alarms at the rate.
    steps = [
        (f0 + s * (f1 - f0), t0 + s * (t1 - t0))
        for (f0, t0), (f1, t1) in itertools.pairwise(points)
        for s in np.linspace(0, 1, 101)
    ]
    gap, near = min((abs(f - (1 - t)), f) for f, t in steps)
    assert gap < 0.01
    assert rate == pytest.approx(near, abs=0.01)


def test_known_values() -> None:
    assert metrics.auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75
    assert metrics.average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == pytest.approx(0.8333333333)
    assert metrics.eer([0, 1], [0.0, 1.0]) == 0.0
    assert metrics.eer([1, 0], [0.0, 1.0]) == 1.0
    assert metrics.eer([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]) == pytest.approx(0.5)
    assert metrics.ece([1, 1], [1.0, 1.0])[0] == 0.0
    assert metrics.ece([0, 0], [1.0, 1.0])[0] == 1.0


def test_a_missing_class_is_not_a_number() -> None:
    for labels in ([1, 1], [0, 0], []):
        scores = [0.2, 0.7][: len(labels)]
        for metric in (metrics.auc, metrics.eer, metrics.average_precision):
            assert math.isnan(metric(labels, scores))
    assert math.isnan(metrics.fpr_at_threshold([1], [0.5], 0.5))


@pytest.mark.parametrize(
    ("labels", "scores"), [([0, 1], [0.5]), ([0, 2], [0.1, 0.2]), ([0, 1], [0.1, math.nan]), ([[0]], [[0.5]])]
)
def test_bad_arrays_are_refused(labels: list[int], scores: list[float]) -> None:
    with pytest.raises(UsageError):
        metrics.auc(labels, scores)


def test_calibration_refuses_what_is_no_probability() -> None:
    with pytest.raises(UsageError):
        metrics.ece([0, 1], [0.5, 1.5])


def test_a_weight_is_a_repetition() -> None:
    labels, scores = draw(3)
    counts = np.random.default_rng(1).integers(0, 4, len(labels))
    counts[:2] = 1
    weighted = metrics.roc(labels, scores, counts[None, :])
    again = np.repeat(labels, counts), np.repeat(scores, counts)
    for name, metric in metrics.RANKED.items():
        assert metric(weighted)[0] == pytest.approx(metric(metrics.roc(*again))[0], abs=1e-12), name
    assert metrics.ece(labels, scores, counts[None, :])[0] == pytest.approx(metrics.ece(*again)[0], abs=1e-12)


def test_bootstrap_is_the_slow_bootstrap() -> None:
    labels, scores = draw(5)
    clusters = [f"s{index % 9}" for index in range(len(labels))]
    weights = metrics.cluster_weights(clusters, 200, np.random.default_rng(7))
    slow = [slow_auc(np.repeat(labels, w), np.repeat(scores, w)) for w in weights.astype(np.int64)]
    found = metrics.bootstrap(labels, scores, clusters, np.random.default_rng(7), 200)["auc"]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=1e-12)
    assert found.value == pytest.approx(metrics.auc(labels, scores))


def test_interval_depends_on_the_seed_alone() -> None:
    labels, scores = draw(6)
    clusters = [f"s{index % 7}" for index in range(len(labels))]
    first, second, other = (
        metrics.bootstrap(labels, scores, clusters, np.random.default_rng(seed), 100) for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_clusters_are_drawn_whole_and_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(12), 50)
    labels = (source % 2).astype(np.int64)
    scores = 1 / (1 + np.exp(-(labels + 2 * rng.standard_normal(12)[source] + 0.1 * rng.standard_normal(600))))
    weights = metrics.cluster_weights([str(s) for s in source], 50, rng)
    assert all(len(set(row[source == s])) == 1 for row in weights for s in range(12))
    assert (weights.sum(axis=1) == 600).all()
    by_source = metrics.bootstrap(labels, scores, [str(s) for s in source], np.random.default_rng(1), 400)["auc"]
    by_clip = metrics.bootstrap(labels, scores, [str(i) for i in range(600)], np.random.default_rng(1), 400)["auc"]
    assert by_source.high - by_source.low > 2 * (by_clip.high - by_clip.low)


def test_groups_stand_in_where_a_class_has_one_source() -> None:
    groups = ["g1", "g2", "g3", "g4"]
    assert metrics.choose_clusters([0, 0, 1, 1], ["a", "a", "b", "c"], groups) == ("group", groups)
    sources = ["a", "b", "b", "c"]
    assert metrics.choose_clusters([0, 0, 1, 1], sources, groups) == ("source", sources)
    assert metrics.choose_clusters([], [], []) == ("group", [])


def test_within_strata_only() -> None:
    # The source gives the class away; inside a source the score is a coin.
    labels, strata = [0, 0, 1, 0, 1, 1], ["a", "a", "a", "b", "b", "b"]
    scores = [0.1, 0.2, 0.15, 0.85, 0.8, 0.9]
    assert metrics.auc(labels, scores) == pytest.approx(6 / 9)
    assert metrics.stratified_auc(labels, scores, strata) == (0.5, 4)
    value, pairs = metrics.stratified_auc([0, 1], [0.1, 0.2], ["a", "b"])
    assert math.isnan(value)
    assert pairs == 0


def test_rank_correlation() -> None:
    assert metrics.ranks([3, 1, 3, 2]).tolist() == [3.5, 1, 3.5, 2]
    assert metrics.spearman([1, 2, 3, 4], [1, 4, 9, 16]) == pytest.approx(1.0)
    assert metrics.spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    # 1 - 6*sum(d^2)/(n(n^2-1)) with d = 1,1,1,1,0.
    assert metrics.spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]) == pytest.approx(1 - 6 * 4 / 120)
    assert math.isnan(metrics.spearman([1, 1, 1], [1, 2, 3]))
    assert math.isnan(metrics.spearman([1, 2], [1, 2]))


def test_wilson_against_its_equation() -> None:
    for hits, total in ((0, 10), (3, 10), (10, 10), (7, 200)):
        found = metrics.wilson(hits, total)
        for bound in (found.low, found.high):
            # Wilson's bounds are the p at which the observed share lies exactly z standard errors off.
            assert abs(hits / total - bound) == pytest.approx(
                1.959963984540054 * math.sqrt(bound * (1 - bound) / total), abs=1e-9
            )
    assert math.isnan(metrics.wilson(0, 0).value)
    with pytest.raises(UsageError):
        metrics.wilson(3, 2)
