# SPDX-License-Identifier: Apache-2.0
"""What a scan came to, from its rows one by one: a million of them take no more memory than the page shows."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from avguard.scan.row import SCORES, Row

BINS = 20
MOST_LISTED = 50


@dataclass
class Summary:
    """Counts, histograms over 0 to 1 per head, the highest overall scores, and some of the errors."""

    files: int = 0
    twins: int = 0
    media_s: float = 0.0
    busy_s: float = 0.0
    labels: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    credentials: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, list[int]] = field(default_factory=lambda: {head: [0] * BINS for head in SCORES})
    folders: dict[str, Counter[str]] = field(default_factory=dict)
    highest: list[Row] = field(default_factory=list)
    failed: list[Row] = field(default_factory=list)


def summarise(rows: Iterable[Row]) -> Summary:
    """Read every row once; ``highest`` is sorted, highest first."""
    summary = Summary()
    heap: list[tuple[float, int, Row]] = []
    for row in rows:
        _count(summary, row)
        overall = row.score.get("overall")
        if row.label == "fake" and overall is not None:
            push = heapq.heappush if len(heap) < MOST_LISTED else heapq.heappushpop
            # The count keeps rows of equal scores from being compared.
            push(heap, (overall, -summary.files, row))
    summary.highest = [row for _, _, row in sorted(heap, reverse=True)]
    return summary


def _count(summary: Summary, row: Row) -> None:
    outcome = row.label or "error"
    summary.files += 1
    summary.twins += row.same_as is not None
    summary.busy_s += row.elapsed_s
    summary.media_s += row.quality.get("duration_s") or 0.0
    summary.labels[outcome] += 1
    summary.models[row.model] += 1
    summary.reasons.update(row.reasons)
    summary.warnings.update({_kind(warning) for warning in row.warnings})
    if row.credentials is not None:
        summary.credentials[row.credentials] += 1
    summary.folders.setdefault(str(PurePosixPath(row.path).parent), Counter())[outcome] += 1
    for head, value in row.score.items():
        if value is not None:
            summary.histograms[head][min(int(value * BINS), BINS - 1)] += 1
    if row.error is not None:
        summary.errors[row.error.kind] += 1
        if len(summary.failed) < MOST_LISTED:
            summary.failed.append(row)


def _kind(warning: str) -> str:
    """A warning without what only its file has: a count in front, details behind a colon."""
    return re.sub(r"^\d+ ", "", warning).partition(":")[0]
