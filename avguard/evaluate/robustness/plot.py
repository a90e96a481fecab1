# SPDX-License-Identifier: Apache-2.0
"""Robustness as one SVG picture: a small panel for every kind, AUC, false alarms and coverage over the levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from avguard.evaluate.robustness.outcome import Outcome
from avguard.evaluate.robustness.suite import CLEAN, KINDS, LEVELS

_COLUMNS = 4
_WIDTH, _HEIGHT, _MARGIN = 230, 150, 34
_LINES: tuple[tuple[str, str, str, Callable[[Outcome], float]], ...] = (
    ("AUC", "#1b5e8c", "", lambda o: o.auc["overall"]),
    ("real called fake", "#b3261e", "5 3", lambda o: o.false_alarms.value),
    ("decided", "#6b6b6b", "1 3", lambda o: o.decided),
)


def plot(found: Sequence[Outcome], title: str) -> str:
    """The whole picture as SVG text. Level 0 is clean; a level that was not run leaves a gap."""
    by_name = {(o.kind, o.level): o for o in found}
    kinds = [kind for kind in KINDS if any((kind, level) in by_name for level in LEVELS)]
    rows = math.ceil(len(kinds) / _COLUMNS)
    width, height = _COLUMNS * _WIDTH + 20, rows * _HEIGHT + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="11" role="img" aria-label="{escape(title, quote=True)}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="22" font-size="14" font-weight="600">{escape(title)}</text>',
        _legend(),
    ]
    for index, kind in enumerate(kinds):
        left, top = 10 + index % _COLUMNS * _WIDTH, 54 + index // _COLUMNS * _HEIGHT
        points = [by_name.get((CLEAN, 0)), *(by_name.get((kind, level)) for level in LEVELS)]
        parts.append(_panel(kind, points, left, top))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> str:
    parts = []
    for index, (name, colour, dash, _) in enumerate(_LINES):
        x = 16 + index * 150
        parts.append(_stroke([(x, 38), (x + 24, 38)], colour, dash))
        parts.append(f'<text x="{x + 30}" y="42">{name}</text>')
    return "\n".join(parts)


def _panel(kind: str, points: Sequence[Outcome | None], left: int, top: int) -> str:
    wide, tall = _WIDTH - _MARGIN - 16, _HEIGHT - _MARGIN - 16
    x0, y0 = left + _MARGIN, top + 16

    def place(level: int, value: float) -> tuple[float, float]:
        return x0 + wide * level / len(LEVELS), y0 + tall * (1 - value)

    parts = [f'<text x="{x0}" y="{top + 10}" font-weight="600">{escape(f"{kind} ({KINDS[kind].unit})")}</text>']
    for value in (0.0, 0.5, 1.0):
        y = place(0, value)[1]
        parts.append(f'<line x1="{x0}" y1="{y:.1f}" x2="{x0 + wide}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555555">{value:g}</text>')
    labels = ["clean", *(f"{value:g}" for value in KINDS[kind].values)]
    for level, label in enumerate(labels):
        x = place(level, 0)[0]
        parts.append(f'<text x="{x:.1f}" y="{y0 + tall + 14}" text-anchor="middle" fill="#555555">{label}</text>')
    for _, colour, dash, read in _LINES:
        known = [(level, read(o)) for level, o in enumerate(points) if o is not None]
        spots = [place(level, value) for level, value in known if math.isfinite(value)]
        parts.append(_stroke(spots, colour, dash))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>' for x, y in spots]
    return "\n".join(parts)


def _stroke(spots: Sequence[tuple[float, float]], colour: str, dash: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    pattern = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{pattern}/>'
