# SPDX-License-Identifier: Apache-2.0
"""Drawings in SVG. Positions are percentages, so that text keeps its size when the page gets narrow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from avguard.report.html import Safe, tag
from avguard.verdict import Segment, Timeline

LANE_PX = 84
AXIS_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
MOST_TICKS = 8
Point = tuple[float, float]


def percent(share: float) -> str:
    """A share as an SVG length."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


def lane(head: str, name: str, timeline: Timeline, end_s: float, limit: float, segments: Sequence[Segment]) -> Safe:
    """One head's curve over the clip: where it is above its limit, where it was not judged, and its segments."""
    values: tuple[float | None, ...] = getattr(timeline, head)
    stretches = _stretches(values)
    judged = [(first * timeline.step_s + timeline.start_s, points) for first, points in stretches]
    parts = [tag("rect", class_="ground", width="100%", height=LANE_PX)]
    parts += [_gap(begin, end, end_s) for begin, end in gaps(timeline, head, end_s)]
    limit_y = percent(1 - limit)
    parts.append(tag("line", class_="limit", x1="0", x2="100%", y1=limit_y, y2=limit_y))
    parts += [_curve(head, begin_s, timeline.step_s, points, end_s) for begin_s, points in judged]
    parts += [_segment(segment, end_s) for segment in segments]
    peak = max((v for v in values if v is not None), default=None)
    said = f"{name}: not judged" if peak is None else f"{name}: highest score {peak:.2f}, limit {limit:.2f}"
    return tag("svg", *parts, class_=f"lane {head}", width="100%", height=LANE_PX, role="img", aria_label=said)


def gaps(timeline: Timeline, head: str, end_s: float) -> list[Point]:
    """(begin, end) in seconds of what this head did not judge."""
    values: tuple[float | None, ...] = getattr(timeline, head)
    found, at = [], 0.0
    for first, points in _stretches(values):
        begin = timeline.start_s + first * timeline.step_s
        if begin - at > timeline.step_s / 2:
            found.append((at, begin))
        at = begin + len(points) * timeline.step_s
    if end_s - at > timeline.step_s:
        found.append((at, end_s))
    return found


def _stretches(values: Sequence[float | None]) -> list[tuple[int, list[float]]]:
    """(index of the first, values) of every run without None."""
    groups = groupby(enumerate(values), lambda item: item[1] is not None)
    runs = [list(run) for judged, run in groups if judged]
    return [(run[0][0], [value for _, value in run if value is not None]) for run in runs]


def _gap(begin_s: float, end_s: float, last_s: float) -> Safe:
    title = tag("title", f"{begin_s:.1f} to {end_s:.1f} s: not judged")
    x, width = percent(begin_s / last_s), percent((end_s - begin_s) / last_s)
    return tag("g", title, tag("rect", class_="gap", x=x, width=width, height=LANE_PX))


def _curve(head: str, begin_s: float, step_s: float, points: Sequence[float], end_s: float) -> Safe:
    # A score stands for its whole step; the curve runs through the middles and reaches out to both ends.
    shares = [0.0, *((k + 0.5) / len(points) for k in range(len(points))), 1.0]
    line = " ".join(
        f"{1000 * x:.1f},{100 * (1 - y):.2f}" for x, y in zip(shares, [points[0], *points, points[-1]], strict=True)
    )
    drawn = (
        tag("path", class_=f"area {head}", d=f"M0,100 L{line} L1000,100 Z"),
        tag("path", class_=f"curve {head}", d=f"M{line}"),
    )
    x, width = percent(begin_s / end_s), percent(len(points) * step_s / end_s)
    box = {"viewBox": "0 0 1000 100", "preserveAspectRatio": "none"}
    return tag("svg", *drawn, x=x, y=0, width=width, height=LANE_PX, **box)


def _segment(segment: Segment, end_s: float) -> Safe:
    said = f"{segment.start_s:.2f} to {segment.end_s:.2f} s, {segment.modality}: mean score {segment.score:.2f}"
    x, width = percent(segment.start_s / end_s), percent((segment.end_s - segment.start_s) / end_s)
    mark = tag("rect", class_=f"segment {segment.modality}", x=x, y=LANE_PX - 7, width=width, height=7)
    return tag("g", tag("title", said), mark)


def time_axis(end_s: float) -> Safe:
    """Ticks in seconds, or in minutes and seconds for longer clips."""
    step = next((s for s in AXIS_STEPS_S if end_s / s <= MOST_TICKS), math.ceil(end_s / MOST_TICKS / 3600) * 3600)
    marks = []
    for k in range(int(end_s / step + 1e-9) + 1):
        share = k * step / end_s
        anchor = "start" if share < 0.03 else "end" if share > 0.97 else "middle"
        marks.append(tag("line", x1=percent(share), x2=percent(share), y1=0, y2=4))
        marks.append(tag("text", time_text(k * step), x=percent(share), y=17, text_anchor=anchor))
    return tag("svg", *marks, class_="axis", width="100%", height=22, aria_hidden="true")


def time_text(seconds: float) -> str:
    """12.5 s below a minute, 3:05 above, 1:02:03 from an hour on."""
    if seconds < 60:
        return f"{seconds:g} s"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def bar(score: float | None, real_below: float, fake_above: float, label: str) -> Safe:
    """A score on a scale of 0 to 1 with the zone between its two thresholds."""
    zone = tag(
        "rect",
        tag("title", f"between {real_below:.2f} and {fake_above:.2f} nothing is decided"),
        class_="zone",
        x=percent(real_below),
        width=percent(max(fake_above - real_below, 0)),
        height=14,
    )
    parts = [tag("rect", class_="ground", width="100%", height=14), zone]
    if score is not None:
        parts.append(tag("rect", class_=f"fill {label}", width=percent(score), y=3, height=8))
        parts.append(tag("rect", class_=f"needle {label}", x=percent(min(score, 0.995)), width=3, height=14))
    said = "not judged" if score is None else f"{score:.2f}"
    return tag("svg", *parts, class_="bar", width="100%", height=14, role="img", aria_label=said)


def reliability(bins: Sequence[Sequence[float]], name: str) -> Safe:
    """Promised against found: (mean score, share that was manipulated, clips) per bin; the diagonal is perfect."""
    most = max(count for *_, count in bins)
    parts = [
        tag("rect", class_="ground", width="100%", height="100%"),
        tag("line", class_="limit", x1="0", y1="100%", x2="100%", y2="0"),
    ]
    for mean, share, count in bins:
        low, high = wilson(share, count)
        x = percent(mean)
        parts.append(tag("line", class_="spread", x1=x, x2=x, y1=percent(1 - low), y2=percent(1 - high)))
        title = tag("title", f"{count:.0f} clips: mean score {mean:.2f}, {100 * share:.0f} % were manipulated")
        dot = tag("circle", class_="dot", cx=x, cy=percent(1 - share), r=round(3 + 5 * math.sqrt(count / most), 1))
        parts.append(tag("g", title, dot))
    said = f"{name}: " + "; ".join(f"score {m:.2f} found {s:.2f} of {c:.0f}" for m, s, c in bins)
    return tag("svg", *parts, class_="plot", width="100%", height=190, role="img", aria_label=said)


def wilson(share: float, count: float, z: float = 1.96) -> Point:
    """95 % interval of a share of ``count`` (Wilson 1927)."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def histogram(counts: Sequence[int], name: str, kind: str) -> Safe:
    """Columns of equal width over 0 to 1."""
    most = max([*counts, 1])
    parts = [tag("rect", class_="ground", width="100%", height="100%")]
    for k, count in enumerate(counts):
        said = f"{k / len(counts):.2f} to {(k + 1) / len(counts):.2f}: {count} files"
        high = 0.94 * count / most
        column = {"x": percent((k + 0.08) / len(counts)), "width": percent(0.84 / len(counts))}
        shape = tag("rect", class_=f"column {kind}", y=percent(1 - high), height=percent(high), **column)
        parts.append(tag("g", tag("title", said), shape))
    return tag("svg", *parts, class_="plot", width="100%", height=120, role="img", aria_label=f"{name}: {counts}")
