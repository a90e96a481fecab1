# SPDX-License-Identifier: Apache-2.0
"""The page of a scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from avguard.report.charts import histogram, time_text
from avguard.report.html import Child, Safe, page, tag
from avguard.report.words import HEADS, REASONS, SENTENCES

NAMES = {"overall": "Overall"} | HEADS
OUTCOMES = {
    "fake": "Likely manipulated",
    "inconclusive": "Cannot be told",
    "real": "No sign found",
    "error": "Not read",
}
MOST_FOLDERS = 40


class _Failure(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def text(self) -> str: ...


class ScannedFile(Protocol):
    """What the page reads of a row."""

    @property
    def path(self) -> str:
        """As the scan was given it."""
        ...

    @property
    def score(self) -> Mapping[str, float | None]:
        """By head."""
        ...

    @property
    def error(self) -> _Failure | None:
        """Why there is no verdict."""
        ...


class ScanSummary(Protocol):
    """What the page reads of a scan: see ``avguard.scan.summary.Summary``."""

    files: int
    twins: int
    media_s: float
    busy_s: float
    labels: Counter[str]
    reasons: Counter[str]
    warnings: Counter[str]
    errors: Counter[str]
    models: Counter[str]
    credentials: Counter[str]
    histograms: dict[str, list[int]]
    folders: dict[str, Counter[str]]

    @property
    def highest(self) -> Sequence[ScannedFile]:
        """Files with the highest overall scores that were called fake."""
        ...

    @property
    def failed(self) -> Sequence[ScannedFile]:
        """Some of the files with errors."""
        ...


def summary_page(summary: ScanSummary, name: str, version: str) -> str:
    """The whole document."""
    parts = [
        tag("div", tag("h1", name), tag("span", "avguard scan", class_="soft"), class_="top"),
        _counts(summary),
        _histograms(summary),
        _highest(summary.highest),
        _folders(summary.folders),
        _tables(summary),
        _failed(summary),
        tag("footer", f"Made by avguard {version} on the machine that holds the files. Nothing was uploaded."),
    ]
    return page(f"{summary.files} files: {name}", *(part for part in parts if part is not None))


def _counts(summary: ScanSummary) -> Safe:
    boxes = [
        tag("div", tag("b", f"{summary.labels[key]:,}"), SENTENCES.get(key, "could not be read"), class_=key)
        for key in OUTCOMES
    ]
    facts = [f"{summary.files:,} files", f"{_hours(summary.media_s)} of media"]
    if summary.busy_s:
        facts.append(
            f"{_hours(summary.busy_s)} of workers' time, {summary.media_s / summary.busy_s:.1f} times real time"
        )
    if summary.twins:
        facts.append(f"{summary.twins:,} answered by a file with the same content")
    mixed = "Rows of more than one model: scores do not compare. " if len(summary.models) > 1 else ""
    models = mixed + "Model: " + ", ".join(summary.models)
    return tag(
        "section",
        tag("div", *boxes, class_="tally"),
        tag("p", " · ".join(facts), class_="soft"),
        tag("p", models, class_="soft"),
        tag(
            "p",
            "“Likely manipulated” is a statement about files, made by a model that errs on both sides. A list of files "
            "is where looking begins, not where it ends.",
            class_="soft",
        ),
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else time_text(round(seconds, 1))


def _histograms(summary: ScanSummary) -> Safe:
    figures = [
        tag(
            "figure",
            tag("b", NAMES[head]),
            histogram(counts, NAMES[head], head),
            tag("div", tag("span", "0"), tag("span", f"{sum(counts):,} judged"), tag("span", "1"), class_="ends"),
        )
        for head, counts in summary.histograms.items()
        if sum(counts)
    ]
    none = None if figures else tag("p", "No file was judged.")
    return tag("section", tag("h2", "Scores"), none, tag("div", *figures, class_="plots"))


def _highest(rows: Sequence[ScannedFile]) -> Safe | None:
    if not rows:
        return None
    heads = ("overall", "video", "audio", "sync")
    titles = [tag("th", "File"), *(tag("th", NAMES[h] if h != "sync" else "Together", class_="number") for h in heads)]
    body = [
        tag("tr", tag("td", row.path, class_="name"), *(_score(row.score.get(head)) for head in heads)) for row in rows
    ]
    table = tag("div", tag("table", tag("tr", titles), body), class_="scroll files")
    return tag("section", tag("h2", f"Called manipulated: the {len(rows)} highest scores"), table, class_="long")


def _score(value: float | None) -> Safe:
    return tag("td", "–" if value is None else f"{value:.2f}", class_="number")


def _folders(folders: Mapping[str, Counter[str]]) -> Safe | None:
    if len(folders) < 2:
        return None
    largest = sorted(folders.items(), key=lambda item: -item[1].total())[:MOST_FOLDERS]
    titles = [tag("th", "Folder"), *(tag("th", name, class_="number") for name in ("Files", *OUTCOMES.values()))]
    body = [
        tag(
            "tr",
            tag("td", name, class_="name"),
            *(tag("td", f"{n:,}", class_="number") for n in (c.total(), *(c[k] for k in OUTCOMES))),
        )
        for name, c in largest
    ]
    left = len(folders) - len(largest)
    more = tag("p", f"and {left:,} smaller folders", class_="soft") if left else None
    table = tag("div", tag("table", tag("tr", titles), body), class_="scroll files")
    return tag("section", tag("h2", "By folder"), table, more, class_="long")


def _tables(summary: ScanSummary) -> Safe | None:
    reasons = {REASONS.get(key, key): count for key, count in summary.reasons.most_common()}
    parts = [
        _table("Why nothing, or not all, was judged", reasons),
        _table("Warnings", dict(summary.warnings.most_common(20))),
        _table("Content credentials (C2PA)", dict(summary.credentials.most_common())),
    ]
    shown = [part for part in parts if part is not None]
    return tag("section", tag("h2", "What could not be seen"), *shown) if shown else None


def _table(title: str, counts: Mapping[str, int]) -> Safe | None:
    if not counts:
        return None
    rows: list[Child] = [tag("tr", tag("td", k), tag("td", f"{n:,}", class_="number")) for k, n in counts.items()]
    return tag("table", tag("caption", title), rows)


def _failed(summary: ScanSummary) -> Safe | None:
    if not summary.errors:
        return None
    counts = " · ".join(f"{kind} {count:,}" for kind, count in summary.errors.most_common())
    items = [
        tag("li", tag("b", row.path), tag("div", f"{row.error.kind}: {row.error.text}", class_="soft"))
        for row in summary.failed
        if row.error is not None
    ]
    title = tag("h2", "Files that could not be read")
    return tag("section", title, tag("p", counts, class_="soft"), tag("ul", items), class_="long")
