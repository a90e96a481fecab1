# SPDX-License-Identifier: Apache-2.0
"""How well reported segments meet forged spans: AP at an overlap and AR at a number of proposals, after LAV-DF.

Protocol of Cai et al. (LAV-DF, 2022; AV-Deepfake1M, 2024): a proposal is right when its overlap with a span,
intersection over union of the two intervals, exceeds the threshold and the span was not taken by a proposal of higher
score; AP is the area under the precision that was made falling; AR is the recall of the N best proposals of each
clip, averaged over ten thresholds. One departure: a clip without any proposal counts its spans as missed (the owners'
later program leaves it out).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avguard.data.row import Span

Floats = NDArray[np.float64]
# Start and end in seconds, score.
Proposal = tuple[float, float, float]

AP_OVERLAPS = (0.5, 0.75, 0.95)
AR_COUNTS = (100, 50, 20, 10)
AR_OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


@dataclass(frozen=True)
class ClipSpans:
    """What a clip really holds and what was reported of it."""

    truth: tuple[Span, ...]
    proposals: tuple[Proposal, ...]

    def ranked(self) -> list[Proposal]:
        """Proposals, the most certain first."""
        return sorted(self.proposals, key=lambda proposal: -proposal[2])


def overlaps(proposals: Sequence[Proposal], truth: Sequence[Span]) -> Floats:
    """Intersection over union (P,T) of intervals; 0 where both are empty."""
    if not proposals or not truth:
        return np.zeros((len(proposals), len(truth)))
    starts, ends = np.array([p[:2] for p in proposals]).T[:, :, None]
    begins, stops = np.array(truth, np.float64).T[:, None, :]
    shared = np.maximum(np.minimum(ends, stops) - np.maximum(starts, begins), 0.0)
    union = (ends - starts) + (stops - begins) - shared
    found: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return found


def average_precision_at(clips: Sequence[ClipSpans], overlap: float) -> float:
    """AP over the proposals of all clips; NaN without any forged span."""
    spans = sum(len(clip.truth) for clip in clips)
    if not spans:
        return math.nan
    rated = [pair for clip in clips for pair in _hits(clip, overlap)]
    if not rated:
        return 0.0
    order = np.argsort([-score for score, _ in rated], kind="stable")
    right = np.cumsum(np.array([hit for _, hit in rated], np.float64)[order])
    precision = right / np.arange(1, len(right) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(right / spans, prepend=0.0) * falling))


def _hits(clip: ClipSpans, overlap: float) -> list[tuple[float, bool]]:
    """Score of every proposal, and whether it is right."""
    ranked = clip.ranked()
    enough = overlaps(ranked, clip.truth) > overlap
    right = np.zeros(len(ranked), np.bool_)
    for span in range(len(clip.truth)):
        free = np.flatnonzero(enough[:, span] & ~right)
        if len(free):
            right[free[0]] = True
    return [(proposal[2], bool(hit)) for proposal, hit in zip(ranked, right, strict=True)]


def average_recall_at(clips: Sequence[ClipSpans], count: int) -> float:
    """AR of the ``count`` best proposals of each clip; NaN without any forged span."""
    spans = sum(len(clip.truth) for clip in clips)
    if not spans:
        return math.nan
    best = [found.max(axis=0) for clip in clips if len(found := overlaps(clip.ranked()[:count], clip.truth))]
    reached = np.concatenate([np.zeros(0), *best])
    return float(np.mean([np.sum(reached > overlap) / spans for overlap in AR_OVERLAPS]))
