# SPDX-License-Identifier: Apache-2.0
"""Models compared over the same clips: AUC and its differences with 95 % intervals over sources, and over seeds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avguard.evaluate.manifest import Row
from avguard.evaluate.metrics import Estimate, cluster_weights, roc, roc_auc
from avguard.train.experiments.results import Result

Scores = dict[str, float]
Truth = Callable[[Row], "int | None"]
DRAWS = 1000

TRUTHS: dict[str, Truth] = {
    "video": lambda row: row.truth("video"),
    "audio": lambda row: row.truth("audio"),
    "either": lambda row: int(row.kind == "fake"),
}


def among(truth: Truth, generators: Collection[str], inside: bool) -> Truth:
    """``truth``, of bona fide clips and of those fakes alone whose generator is, or is not, one of ``generators``."""
    return lambda row: truth(row) if row.kind == "real" or (row.generator in generators) == inside else None


# (column, truth, head of the joint model, head of the models trained apart)
COLUMNS = (
    ("video", "video", "video", "video"),
    ("audio", "audio", "audio", "audio"),
    ("either", "either", "sync", "late"),
)
# Heads that are made of others: of which.
MADE_OF = {"late": ("video", "audio"), "all": ("video", "audio", "sync"), "mean": ("video", "audio", "sync")}


def noisy_or(*logits: float) -> float:
    """Log odds that at least one is fake, when each is judged apart: late fusion."""
    clean = float(np.prod([1 / (1 + np.exp(logit)) for logit in logits]))
    clean = min(max(clean, 1e-12), 1 - 1e-12)
    return float(np.log((1 - clean) / clean))


def scores_of(head: str, part: str, *results: Result) -> Scores:
    """Scores by clip. ``head``: video, audio, sync, desync, or made of them: "late", the noisy-or of video and audio;
    "all", with sync; "mean", the mean logit of the three.

    From the first of ``results`` that has the head: a joint run, or a video and an audio run together.
    """
    if head not in MADE_OF:
        for result in results:
            clips = result["clips"].get(part, {})
            found = {clip: values[head] for clip, values in clips.items() if head in values}
            if found:
                return found
        return {}
    parts = [scores_of(name, part, *results) for name in MADE_OF[head]]
    fuse = (lambda *logits: float(np.mean(logits))) if head == "mean" else noisy_or
    common = set(parts[0]).intersection(*parts[1:])
    return {clip: fuse(*(scores[clip] for scores in parts)) for clip in common}


@dataclass(frozen=True)
class Compared:
    """AUC of every arm and seed on the clips that all of them judge; (1 + DRAWS,), the first of all clips.

    Draws are the same for all: of whole sources, so that differences are paired.
    """

    clips: int
    aucs: Mapping[str, NDArray[np.float64]]  # arm -> (seeds, 1 + DRAWS)

    def of(self, arm: str) -> Estimate:
        """Mean over seeds."""
        return _estimate(self.aucs[arm].mean(0))

    def gap(self, arm: str, other: str) -> Estimate:
        """Mean over seeds of how far ``arm`` is ahead of ``other``."""
        return _estimate(self.aucs[arm].mean(0) - self.aucs[other].mean(0))

    def seeds(self, arm: str, other: str = "") -> tuple[float, float]:
        """Lowest and highest of any seed: of ``arm``, or of its lead over ``other`` with the same seed."""
        values = self.aucs[arm][:, 0] - (self.aucs[other][:, 0] if other else 0)
        return float(values.min()), float(values.max())


def compare(arms: Mapping[str, Sequence[Scores]], rows: Mapping[str, Row], truth: Truth) -> Compared | None:
    """Arms by name, each a list of scores by seed; None where they share no clips of both classes."""
    sets = [set(scores) for scores in (one for arm in arms.values() for one in arm)]
    common = sorted(set.intersection(*sets)) if sets else []
    known = [(clip, label) for clip in common if (label := truth(rows[clip])) is not None]
    labels = np.array([label for _, label in known])
    if len(set(labels.tolist())) < 2:
        return None
    rng = np.random.default_rng(0)
    weights = np.vstack([np.ones(len(known)), cluster_weights([rows[c].source for c, _ in known], DRAWS, rng)])

    def auc(scores: Scores) -> NDArray[np.float64]:
        return roc_auc(roc(labels, [scores[clip] for clip, _ in known], weights))

    return Compared(len(known), {name: np.stack([auc(scores) for scores in arm]) for name, arm in arms.items()})


def _estimate(values: NDArray[np.float64]) -> Estimate:
    drawn = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Estimate(float(values[0]), float(low), float(high))


def plain(value: Estimate) -> str:
    """A value and its interval."""
    return f"{value.value:.3f} [{value.low:.2f}, {value.high:.2f}]"


def signed(value: Estimate, seeds: int = 1) -> str:
    """A difference and its interval; bold where the interval leaves zero out, if it is of several seeds: what one seed
    says of another is as far from zero as that.
    """
    text = f"{value.value:+.3f} [{value.low:+.2f}, {value.high:+.2f}]"
    return f"**{text}**" if seeds > 1 and (value.low > 0 or value.high < 0) else text
