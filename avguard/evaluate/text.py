# SPDX-License-Identifier: Apache-2.0
"""Plain-text tables of a report, for a terminal."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeAlias

from avguard.errors import UsageError
from avguard.evaluate.manifest import HEADS, Media
from avguard.evaluate.metrics import ECE_BINS, HIGH_TPR, LOW_FPR, Estimate
from avguard.evaluate.report import HeadTable, Report

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | None"

# Below this a cluster bootstrap has too few distinct draws to be a 95 % interval.
_FEW_CLUSTERS = 10

_TITLES: dict[Media, str] = {"clips": "clips (picture and sound)", "speech": "speech only (audio head)"}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the first one left-aligned, the others right-aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def number(value: float | None, digits: int = 3) -> str:
    """A fixed number of decimals; ``-`` for what is not known."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def interval(value: Estimate, digits: int = 3) -> str:
    """``value [low, high]``; the brackets are left out where there is no interval."""
    if not math.isfinite(value.low):
        return number(value.value, digits)
    return f"{number(value.value, digits)} [{number(value.low, digits)}, {number(value.high, digits)}]"


def percent(value: Estimate) -> str:
    """As ``interval``, in percent."""
    return interval(Estimate(100 * value.value, 100 * value.low, 100 * value.high), 1)


def share(value: float) -> str:
    """A share in percent."""
    return number(100 * value, 1)


def plain(value: object) -> Json:
    """Dataclasses, tuples and NaN as what JSON can hold; a number that is not known is null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise UsageError(f"{type(value).__name__} has no place in a report")


def render(report: Report) -> str:
    """The whole report, ending in a line end."""
    parts = [_head(report)]
    for media in ("clips", "speech"):
        if any(t.media == media for t in report.heads):
            parts += _media_parts(report, media)
    parts += [_sync(report)] if report.sync else []
    parts += [_counted("reasons given", report.reasons), _counted("errors", report.errors)]
    return "\n\n".join(parts) + "\n"


def _head(report: Report) -> str:
    lines = [f"model {report.model_id}, split {report.split}, {number(report.seconds_per_clip, 2)} s per clip"]
    parts = [f"{seen} of {count} ({name})" for name, (seen, count) in report.trained.items()]
    what = ", ".join(parts) if parts else "not known, the bundle does not name them"
    lines.append(f"clips of all tables below that come from sources the model was trained on: {what}")
    if report.missing:
        lines.append(f"INCOMPLETE: {report.missing} rows of the split have no result yet")
    return "\n".join(lines)


def _media_parts(report: Report, media: Media) -> list[str]:
    title = _TITLES[media]
    return [
        f"== {title}: ranking ==\n{_ranking(report, media)}",
        f"== {title}: calibration ({ECE_BINS} bins) and operating points ==\n{_calibration(report, media)}",
        f"== {title}: coverage, % ==\n{_coverage(report, media)}",
        f"== {title}: labels at the product's own threshold, % ==\n{_rates(report, media)}",
        f"== {title}: real clips by source ==\n{_sources(report, media)}",
        f"== {title}: generators, each against all real clips ==\n{_generators(report, media)}",
    ]


def _of(report: Report, media: Media) -> list[HeadTable]:
    return [t for t in report.heads if t.media == media]


def _ranking(report: Report, media: Media) -> str:
    header = ["head", "fakes", "n real", "n fake", "no score", "AUC [95 %]", "EER [95 %]", "AP [95 %]", "AP of chance"]
    header += ["macro AUC", "AUC within source", "resampled"]
    rows = []
    for t in _of(report, media):
        chance = t.positives / (t.positives + t.negatives) if t.positives + t.negatives else math.nan
        within = f"{number(t.within_source_auc)} ({t.within_pairs} pairs)"
        cells = [t.head, t.fakes, str(t.negatives), str(t.positives), str(t.unscored)]
        cells += [interval(t.auc), interval(t.eer), interval(t.ap), number(chance), number(t.macro_auc)]
        few = " (!)" if t.clusters < _FEW_CLUSTERS else ""
        rows.append([*cells, within, f"{t.clusters} {t.unit}s{few}"])
    notes = (
        f"Interval: {report.draws} cluster-bootstrap draws. Real and fake are the head's own: a clip with a forged\n"
        "voice over a true picture is real to the video head. Seen: the same generator name among the fakes of\n"
        "train, by name only. Macro AUC: mean over generators. Within source: pairs of one source only, where\n"
        "filming and encoding tell less. Clips without a score are left out here: read coverage beside it.\n"
        f"(!): fewer than {_FEW_CLUSTERS} clusters, so the interval is a rough one and likely too narrow."
    )
    return f"{table(header, rows)}\n{notes}"


def _calibration(report: Report, media: Media) -> str:
    header = ["head", "fakes", "ECE [95 %]", "Brier [95 %]", f"TPR at {LOW_FPR:.0%} FPR", f"FPR at {HIGH_TPR:.0%} TPR"]
    rows = [
        [t.head, t.fakes, interval(t.ece), interval(t.brier), interval(t.tpr_at_fpr), interval(t.fpr_at_tpr)]
        for t in _of(report, media)
    ]
    return f"{table(header, rows)}\nECE and Brier depend on the share of fakes: no real use shares that of this list."


def _coverage(report: Report, media: Media) -> str:
    found = [c for c in report.coverage if c.media == media]
    heads = list(found[0].heads)
    header = ["kind", "clips", "errors", *(f"{head} scored" for head in heads), "decided", "real/fake/inconclusive"]
    rows = []
    for c in found:
        labels = "/".join(str(count) for count in c.labels.values())
        scored = [share(c.heads[head]) for head in heads]
        rows.append([c.kind, str(c.clips), str(c.errors), *scored, share(c.decided), labels])
    return table(header, rows)


def _rates(report: Report, media: Media) -> str:
    rows = [
        [r.name, str(r.clips), percent(r.rate), str(r.decided), percent(r.rate_decided)]
        for r in report.rates
        if r.media == media
    ]
    return table(["", "clips", "of all [95 %]", "decided", "of decided [95 %]"], rows)


def _sources(report: Report, media: Media) -> str:
    found = [s for s in report.sources if s.media == media]
    heads = [head for head in HEADS if any(head in s.mean for s in found)]
    header = ["source", "clips", "called fake, % [95 %]", *(f"mean {head}" for head in heads)]
    header += [f"{head} AUC without it" for head in heads]
    rows = [
        [s.source, str(s.clips), percent(s.alarms), *(number(s.mean.get(head)) for head in heads)]
        + [number(s.auc_without.get(head)) for head in heads]
        for s in found
    ]
    return table(header, rows)


def _generators(report: Report, media: Media) -> str:
    found = [g for g in report.generators if g.media == media]
    heads = [head for head in HEADS if any(head in g.auc for g in found)]
    header = ["generator", "seen", "clips", "errors", "called fake, % [95 %]"]
    header += [title for head in heads for title in (f"{head} AUC", f"{head} mean")]
    rows = [
        [g.generator, "yes" if g.seen else "no", str(g.clips), str(g.errors), percent(g.detected)]
        + [number(value) for head in heads for value in (g.auc.get(head), g.mean.get(head))]
        for g in found
    ]
    return table(header, rows)


def _sync(report: Report) -> str:
    rows = []
    for s in report.sync:
        quartiles = "-" if s.offset_ms_quartiles is None else " / ".join(number(q, 0) for q in s.offset_ms_quartiles)
        rows.append([s.kind, str(s.clips), number(s.desync_mean), share(s.desync_share_over_half), quartiles])
    header = ["kind", "clips", "mean desync", "desync over 0.5, %", "offset ms: quartiles"]
    return f"== desync and offset (no truth in the manifest, hence no AUC) ==\n{table(header, rows)}"


def _counted(title: str, counts: dict[str, int]) -> str:
    rows = [[name, str(count)] for name, count in counts.items()]
    return f"== {title} ==\n{table(['', 'clips'], rows) if rows else 'none'}"
