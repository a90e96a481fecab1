# SPDX-License-Identifier: Apache-2.0
"""AP and AR of segments against a reference that counts by hand, and properties that must hold for any clips."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avguard.data import Span
from avguard.evaluate.localise import (
    AR_OVERLAPS,
    ClipSpans,
    Proposal,
    average_precision_at,
    average_recall_at,
    overlaps,
)

times = st.integers(0, 40).map(lambda quarter: quarter / 4)
span = st.tuples(times, times).map(lambda pair: (min(pair), max(pair) + 0.25))
proposal = st.tuples(span, st.integers(0, 20)).map(lambda pair: (*pair[0], pair[1] / 20))
clip = st.builds(ClipSpans, st.lists(span, max_size=3).map(tuple), st.lists(proposal, max_size=5).map(tuple))
clips = st.lists(clip, max_size=4)


def overlap_by_hand(left: Span, right: Span) -> float:
    """Shares of a fine grid instead of a formula."""
    ticks = [tick / 8 + 1 / 16 for tick in range(100)]
    inside = [(left[0] <= t < left[1], right[0] <= t < right[1]) for t in ticks]
    either = sum(a or b for a, b in inside)
    return sum(a and b for a, b in inside) / either if either else 0.0


def ap_by_hand(found: list[ClipSpans], overlap: float) -> float:
    """One proposal after the other, by falling score over all clips."""
    spans = sum(len(c.truth) for c in found)
    rated: list[tuple[float, int, int, bool]] = []
    for number, c in enumerate(found):
        ranked = sorted(c.proposals, key=lambda p: -p[2])
        right: set[int] = set()
        for truth in c.truth:
            for place, p in enumerate(ranked):
                if place not in right and overlap_by_hand(p[:2], truth) > overlap:
                    right.add(place)
                    break
        rated += [(-p[2], number, place, place in right) for place, p in enumerate(ranked)]
    area, hits, points = 0.0, 0, []
    for count, (*_, hit) in enumerate(sorted(rated), 1):
        hits += hit
        points.append((hits / spans, hits / count))
    for place, (recall, _) in enumerate(points):
        before = points[place - 1][0] if place else 0.0
        area += (recall - before) * max(precision for _, precision in points[place:])
    return area


def ar_by_hand(found: list[ClipSpans], count: int) -> float:
    spans = sum(len(c.truth) for c in found)
    reached = 0
    for overlap in AR_OVERLAPS:
        for c in found:
            best = sorted(c.proposals, key=lambda p: -p[2])[:count]
            reached += sum(any(overlap_by_hand(p[:2], truth) > overlap for p in best) for truth in c.truth)
    return reached / spans / len(AR_OVERLAPS)


@settings(max_examples=60, deadline=None)
@given(clips, st.sampled_from([0.5, 0.75, 0.95]), st.sampled_from([1, 2, 100]))
def test_both_agree_with_the_reference(found: list[ClipSpans], overlap: float, count: int) -> None:
    if not any(c.truth for c in found):
        assert math.isnan(average_precision_at(found, overlap))
        assert math.isnan(average_recall_at(found, count))
        return
    assert average_precision_at(found, overlap) == pytest.approx(ap_by_hand(found, overlap))
    assert average_recall_at(found, count) == pytest.approx(ar_by_hand(found, count))


@settings(max_examples=40, deadline=None)
@given(clips)
def test_what_must_hold_for_any_clips(found: list[ClipSpans]) -> None:
    if not any(c.truth for c in found):
        return
    aps = [average_precision_at(found, overlap) for overlap in (0.5, 0.75, 0.95)]
    ars = [average_recall_at(found, count) for count in (1, 2, 10, 100)]
    assert all(0 <= value <= 1 for value in (*aps, *ars))
    assert ars == sorted(ars), "more proposals reach no less"
    shifted = [
        ClipSpans(tuple((a + 3, b + 3) for a, b in c.truth), tuple((a + 3, b + 3, s / 2) for a, b, s in c.proposals))
        for c in found
    ]
    assert [average_precision_at(shifted, overlap) for overlap in (0.5, 0.75, 0.95)] == pytest.approx(aps)
    useless = [ClipSpans(c.truth, (*c.proposals, (50.0, 51.0, -1.0))) for c in found]
    assert average_precision_at(useless, 0.5) == pytest.approx(aps[0]), (
        "a wrong proposal behind all others costs nothing"
    )
    assert average_precision_at([*found, ClipSpans((), ((0.0, 1.0, 2.0),))], 0.5) <= aps[0] + 1e-12


def test_perfect_late_and_missing_proposals() -> None:
    truth: tuple[Span, ...] = ((1.0, 2.0), (3.0, 4.0))
    exact: tuple[Proposal, ...] = ((1.0, 2.0, 0.9), (3.0, 4.0, 0.8))
    assert average_precision_at([ClipSpans(truth, exact)], 0.95) == 1.0
    assert average_recall_at([ClipSpans(truth, exact)], 1) == 0.5
    assert average_precision_at([ClipSpans(truth, ())], 0.5) == 0.0
    # The owners' later program leaves a clip without proposals out; here its spans are missed.
    assert average_recall_at([ClipSpans(truth, exact), ClipSpans(truth, ())], 10) == 0.5
    alarm = ClipSpans((), ((0.0, 1.0, 1.0),))
    assert average_precision_at([ClipSpans(truth, exact), alarm], 0.5) == pytest.approx(2 / 3)
    # One span is found once, however often it is proposed.
    assert average_precision_at([ClipSpans(((1.0, 2.0),), ((1.0, 2.0, 0.9), (1.0, 2.0, 0.8)))], 0.5) == 1.0
    assert overlaps([(0.0, 2.0, 1.0)], [(1.0, 3.0)])[0, 0] == pytest.approx(1 / 3)
