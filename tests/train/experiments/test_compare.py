# SPDX-License-Identifier: Apache-2.0
"""Comparisons over the same clips: AUC by hand, and intervals that are paired."""

from __future__ import annotations

import numpy as np
import pytest

from avguard.data.row import Row
from avguard.evaluate.metrics import auc
from avguard.train.experiments.compare import TRUTHS, among, compare, scores_of, signed


def row(name: str, fake: int) -> Row:
    source = f"s{int(name) % 20}"
    return Row(f"clips/{name}.mp4", "clips", "fake" if fake else "real", fake, fake, "", source, name, "test", 1.0)


ROWS = {str(i): row(str(i), i // 20 % 2) for i in range(200)}
LABELS = np.array([r.video for r in ROWS.values()])
RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 1, 200)


def scores(shift: float, noise: np.ndarray = NOISE) -> dict[str, float]:
    return dict(zip(ROWS, (LABELS * shift + noise).tolist(), strict=True))


def test_the_value_is_the_mean_of_the_seeds() -> None:
    seeds = [scores(1.0), scores(1.0, RNG.normal(0, 1, 200))]
    found = compare({"a": seeds}, ROWS, TRUTHS["video"])
    assert found is not None
    by_hand = [auc(LABELS, list(s.values())) for s in seeds]
    assert found.of("a").value == pytest.approx(np.mean(by_hand))
    assert found.seeds("a") == pytest.approx((min(by_hand), max(by_hand)))
    assert found.clips == 200


def test_differences_are_paired() -> None:
    found = compare({"a": [scores(1.1)], "b": [scores(1.0)]}, ROWS, TRUTHS["video"])
    assert found is not None
    gap, alone = found.gap("a", "b"), found.of("a")
    assert gap.value == pytest.approx(found.of("a").value - found.of("b").value)
    assert gap.high - gap.low < 0.5 * (alone.high - alone.low)
    assert gap.low > 0
    assert signed(gap, seeds=3).startswith("**+")
    assert signed(gap).startswith("+")
    none = compare({"a": [scores(1.0)], "b": [scores(1.0, RNG.permutation(NOISE))]}, ROWS, TRUTHS["video"])
    assert none is not None
    assert not signed(none.gap("a", "b"), seeds=3).startswith("**")


def test_only_clips_that_all_judge_count() -> None:
    fewer = {clip: value for clip, value in scores(1.0).items() if int(clip) >= 100}
    found = compare({"a": [scores(1.0)], "b": [fewer]}, ROWS, TRUTHS["video"])
    assert found is not None
    assert found.clips == 100
    assert compare({"a": [scores(1.0)], "b": [{}]}, ROWS, TRUTHS["video"]) is None


def test_heads_are_put_together() -> None:
    joint = {"clips": {"test": {"x": {"video": 0.0, "audio": 0.0, "sync": 3.0}, "y": {"audio": 1.0}}}}
    assert scores_of("late", "test", joint) == {"x": pytest.approx(np.log(3))}
    assert scores_of("mean", "test", joint) == {"x": 1.0}
    assert scores_of("all", "test", joint)["x"] > 3.0
    pair = [{"clips": {"test": {"x": {"video": 0.0}}}}, {"clips": {"test": {"x": {"audio": 0.0}}}}]
    assert scores_of("late", "test", *pair) == {"x": pytest.approx(np.log(3))}


def test_fakes_may_be_of_some_generators_alone() -> None:
    one, other = (Row("x", "clips", "fake", 1, 1, name, "s", "g", "test", 1.0) for name in ("a", "b"))
    inside, outside = (among(TRUTHS["video"], {"a"}, known) for known in (True, False))
    assert [inside(one), inside(other), outside(one), outside(other)] == [1, None, None, 1]
    assert inside(row("0", 0)) == outside(row("0", 0)) == 0
