# SPDX-License-Identifier: Apache-2.0
"""What a condition costs: ranking, false alarms at the product's own threshold, and what is still judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avguard.data import HEADS, Row
from avguard.evaluate.journal import Result
from avguard.evaluate.metrics import Estimate, auc, wilson
from avguard.evaluate.robustness.suite import CLEAN, KINDS, Condition, tagged


@dataclass(frozen=True)
class Outcome:
    """One condition. ``auc``: by head, over the clips with a score. ``auc_change``: overall, against clean, over the
    clips that have a score in both. ``false_alarms`` among reals, ``detected`` among fakes: label "fake".
    ``decided``: share with the label real or fake; ``scored``: share with an overall score.
    """

    kind: str
    level: int
    family: str
    value: float | None
    unit: str
    clips: int
    errors: int
    auc: dict[str, float]
    auc_change: float
    false_alarms: Estimate
    detected: Estimate
    decided: float
    scored: float


def outcomes(rows: Sequence[Row], plan: Sequence[Condition], results: Mapping[str, Result]) -> tuple[Outcome, ...]:
    """One outcome for every condition that all ``rows`` have a result for; unfinished ones are left out."""
    clean = _results(rows, Condition(CLEAN, 0), results)
    found = []
    for condition in plan:
        part = _results(rows, condition, results)
        if len(part) == len(rows):
            found.append(_outcome(rows, condition, part, clean))
    return tuple(found)


def _results(rows: Sequence[Row], condition: Condition, results: Mapping[str, Result]) -> dict[str, Result]:
    named = {row.path: results.get(tagged(row.path, condition)) for row in rows}
    return {path: result for path, result in named.items() if result is not None}


def _outcome(
    rows: Sequence[Row], condition: Condition, part: Mapping[str, Result], clean: Mapping[str, Result]
) -> Outcome:
    kind = KINDS.get(condition.kind)
    both = [r for r in rows if r.path in clean and _score(part[r.path]) is not None]
    both = [r for r in both if _score(clean[r.path]) is not None]
    return Outcome(
        kind=condition.kind,
        level=condition.level,
        family=kind.family if kind else "",
        value=condition.value,
        unit=kind.unit if kind else "",
        clips=len(rows),
        errors=sum(result.error is not None for result in part.values()),
        auc={head: _auc(rows, part, head) for head in HEADS},
        auc_change=_auc(both, part, "overall") - _auc(both, clean, "overall"),
        false_alarms=_called_fake(rows, part, "real"),
        detected=_called_fake(rows, part, "fake"),
        decided=_share(rows, [part[r.path].label in ("real", "fake") for r in rows]),
        scored=_share(rows, [_score(part[r.path]) is not None for r in rows]),
    )


def _score(result: Result) -> float | None:
    return result.score("overall")


def _auc(rows: Sequence[Row], part: Mapping[str, Result], head: str) -> float:
    both = [(row.truth(h), part[row.path].score(h)) for row in rows for h in HEADS if h == head]
    kept = [(truth, score) for truth, score in both if truth is not None and score is not None]
    return auc([truth for truth, _ in kept], [score for _, score in kept])


def _called_fake(rows: Sequence[Row], part: Mapping[str, Result], kind: str) -> Estimate:
    chosen = [part[row.path] for row in rows if row.kind == kind]
    return wilson(sum(result.label == "fake" for result in chosen), len(chosen))


def _share(rows: Sequence[Row], flags: Sequence[bool]) -> float:
    return sum(flags) / len(rows) if rows else math.nan
