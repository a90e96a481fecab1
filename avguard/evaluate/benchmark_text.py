# SPDX-License-Identifier: Apache-2.0
"""The field's table laid out: as columns for a terminal, and as one page of HTML that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from avguard.evaluate.benchmark import Benchmark, Line, Localisation
from avguard.evaluate.text import number, share, table

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; }
:root { color-scheme: light dark; }
h1, p { overflow-wrap: anywhere; } h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .875rem; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: Canvas; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; } p.note { color: #555; }
@media (prefers-color-scheme: dark) { th, td { border-color: #444; } p.note { color: #aaa; } }
@media (max-width: 40rem) { th, td { padding: .3rem .35rem; } }
"""
_NOTE = (
    "ACC: share right at a score of 0.5; bal. ACC: mean over both classes. Clips without a score are left out: read "
    "the column beside it. Real and fake are the head's own: a forged voice over a true picture is real to the video "
    "head."
)
_SOURCES = "From seen sources: scored clips whose source the bundle names as trained on; - where the bundle names none."
_SPANS = (
    "Proposals are the segments that the product reports, all modalities together, against spans forged in either; 1-D "
    "overlap, protocol of LAV-DF."
)


@dataclass(frozen=True)
class _Part:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


def render_benchmark(found: Benchmark) -> str:
    """For a terminal, ending in a line end."""
    parts = [f"== {p.title} ==\n{table(p.header, p.rows)}" + (f"\n{p.note}" if p.note else "") for p in _parts(found)]
    return "\n\n".join(["\n".join(_facts(found)), *parts]) + "\n"


def page(found: Benchmark) -> str:
    """For a browser: self-contained, no script, nothing loaded, every string escaped."""
    title = f"Benchmark: {found.name}"
    body = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(fact)}</p>" for fact in _facts(found))]
    for part in _parts(found):
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in part.header)
        lines = "\n".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in part.rows)
        body.append(f"<h2>{escape(part.title)}</h2>")
        body.append(f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{lines}\n</tbody></table></div>')
        body.append(f'<p class="note">{escape(part.note)}</p>' if part.note else "")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _facts(found: Benchmark) -> list[str]:
    lines = [f"benchmark {found.name}, split {found.split}, model {found.model_id}"]
    if found.trimmed:
        lines.append("leading silence cut off, every clip written anew")
    counts = f"{found.clips} clips, {found.errors} errors, {share(found.decided)} % decided, "
    lines.append(counts + f"{share(found.false_alarms)} % of real clips called fake")
    if found.seen is None:
        lines.append("the bundle does not name its training sources: whether any of these clips is of one is not known")
    else:
        lines.append(f"{found.seen} of {found.clips} clips come from sources that the model was trained on")
    if found.missing:
        lines.append(f"INCOMPLETE: {found.missing} clips have no result yet")
    return lines


def _parts(found: Benchmark) -> list[_Part]:
    header = ["head", "clips", "real", "fake", "no score", "from seen sources", "AUC", "EER", "AP", "ACC", "bal. ACC"]
    parts = [
        _Part("detection", header, [_cells(line.head, line.part, line) for line in found.lines], f"{_NOTE} {_SOURCES}")
    ]
    if found.methods:
        by_method = ["method", "head", *header[2:]]
        rows = [_cells(line.part, line.head, line) for line in found.methods]
        parts.append(_Part("by method, each against all real clips", by_method, rows, ""))
    if found.localisation:
        parts.append(_localisation(found.localisation))
    return parts


def _cells(first: str, second: str, line: Line) -> list[str]:
    seen = "-" if line.seen is None else str(line.seen)
    values = (line.auc, line.eer, line.ap, line.acc, line.balanced_acc)
    counts = (str(line.negatives), str(line.positives), str(line.unscored), seen)
    return [first, second, *counts, *(number(value) for value in values)]


def _localisation(found: Sequence[Localisation]) -> _Part:
    header = ["clips", "n", "spans", "segments", "from seen sources", *(f"AP@{key}" for key in found[0].ap)]
    header += [f"AR@{key}" for key in found[0].ar]
    rows = [
        [
            *(part.part, str(part.clips), str(part.spans), str(part.proposals)),
            "-" if part.seen is None else str(part.seen),
            *(number(value) for value in (*part.ap.values(), *part.ar.values())),
        ]
        for part in found
    ]
    return _Part("localisation in time", header, rows, _SPANS)
