# SPDX-License-Identifier: Apache-2.0
"""Robustness and slices as Markdown, for a model's card: worst cases first, then every level."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from avguard.evaluate.robustness.outcome import Outcome
from avguard.evaluate.robustness.slices import Slice
from avguard.evaluate.robustness.suite import CLEAN, KINDS, LEVELS
from avguard.evaluate.text import number, percent

_WORST = 5
_SMALL = 10


def card(found: Sequence[Outcome], slices: Sequence[Slice], model_id: str, how: str) -> str:
    """The section, ending in a line end. ``how``: which clips, and what was done to all of them."""
    parts = [f"## Robustness\n\nModel `{model_id}`. {how}", _worst(found), _levels(found)]
    parts += [_slices(slices)] if slices else []
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [list(header), ["---"] * len(header), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _worst(found: Sequence[Outcome]) -> str:
    clean = next((o for o in found if o.kind == CLEAN), None)
    damaged = [o for o in found if o.kind != CLEAN]
    if clean is None or not damaged:
        return ""
    ranking = _named(damaged, _change, lambda o: f"AUC {number(o.auc['overall'], 2)} ({_signed(o.auc_change)})")
    alarms = _named(damaged, lambda o: -o.false_alarms.value, lambda o: f"{100 * o.false_alarms.value:.0f} %")
    decided = _named(damaged, lambda o: o.decided, lambda o: f"{100 * o.decided:.0f} %")
    return (
        f"Untouched (written once more, like all): AUC {number(clean.auc['overall'], 2)}, "
        f"{percent(clean.false_alarms)} % of real clips called fake, {100 * clean.decided:.0f} % decided. Worst cases, "
        f"each at its worst level:\n\n"
        f"- ranking (change over the same clips): {ranking}.\n"
        f"- real clips called fake: {alarms}.\n"
        f"- decided at all: {decided}."
    )


def _change(outcome: Outcome) -> float:
    return outcome.auc_change if math.isfinite(outcome.auc_change) else 0.0


def _signed(value: float) -> str:
    return f"{value:+.2f}" if math.isfinite(value) else "-"


def _named(damaged: Sequence[Outcome], key: Callable[[Outcome], float], say: Callable[[Outcome], str]) -> str:
    kinds: dict[str, Outcome] = {}
    for outcome in sorted(damaged, key=key):
        kinds.setdefault(outcome.kind, outcome)
    return "; ".join(f"{o.kind} at {o.value:g} ({o.unit}) {say(o)}" for o in list(kinds.values())[:_WORST])


def _levels(found: Sequence[Outcome]) -> str:
    by_name = {(o.kind, o.level): o for o in found}
    header = ["damage", "levels 1 to 5", "AUC", "real called fake, %", "decided, %"]
    rows = []
    for kind in [CLEAN, *KINDS]:
        levels = (0,) if kind == CLEAN else LEVELS
        part = [by_name.get((kind, level)) for level in levels]
        if any(part):
            values = [f"{value:g}" for value in KINDS[kind].values] if kind != CLEAN else []
            strength = f"{' / '.join(values)} {KINDS[kind].unit}" if values else "-"
            cells = [
                " / ".join("-" if o is None else say(o) for o in part)
                for say in (_auc, _alarms, lambda o: f"{100 * o.decided:.0f}")
            ]
            rows.append([kind, strength, *cells])
    note = (
        "AUC: overall score, over the clips that have one. Decided: labelled real or fake, not inconclusive. A level "
        "that was not run is `-`. Pitch and reverb change the voice itself: a real clip stays real here all the same."
    )
    return f"{markdown(header, rows)}\n\n{note}"


def _auc(outcome: Outcome) -> str:
    return number(outcome.auc["overall"], 2)


def _alarms(outcome: Outcome) -> str:
    return f"{100 * outcome.false_alarms.value:.0f}"


def _slices(slices: Sequence[Slice]) -> str:
    ranked = sorted((s for s in slices if s.clips >= _SMALL), key=lambda s: -s.false_alarms.value)[:3]
    worst = "; ".join(f"{s.axis} {s.name}: {percent(s.false_alarms)} of {s.clips}" for s in ranked)
    header = ["slice of the real clips", "", "clips", "errors", "called fake, % [95 %]", "decided, %", "mean overall"]
    rows = [
        [
            *(s.axis, s.name, str(s.clips), str(s.errors), percent(s.false_alarms)),
            *(f"{100 * s.decided:.0f}", number(s.mean_overall, 2)),
        ]
        for s in slices
    ]
    lead = f"Worst slices of {_SMALL} clips or more (% called fake): {worst}.\n\n" if ranked else ""
    return f"### Real clips, undamaged, in slices\n\n{lead}{markdown(header, rows)}"
