# SPDX-License-Identifier: Apache-2.0
"""A model card's Markdown as HTML: headings, lists, tables, paragraphs. Everything else stays the text it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from avguard.report.html import Safe, raw, tag, text_of


def card(text: str) -> Safe:
    """Blocks of ``text`` in their order; sections are folded: measurements are long, and few readers are after them."""
    start, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    return raw(_flat(start) + "".join(_folded(section) for section in sections))


def _folded(section: str) -> Safe:
    title, _, text = section.partition("\n")
    return tag("details", tag("summary", title), _flat(text))


def _flat(text: str) -> Safe:
    return raw("".join(_block(kind, lines) for kind, lines in _blocks(text)))


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    for kind, lines in groupby(text.splitlines(), _kind):
        if kind:
            yield kind, list(lines)


def _kind(line: str) -> str:
    if not line.strip():
        return ""
    if line.startswith("#"):
        return "heading"
    if line.startswith("|"):
        return "table"
    return "list" if re.match(r"\s*[-*] |  +\S", line) else "paragraph"


def _block(kind: str, lines: list[str]) -> Safe:
    if kind == "heading":
        return raw("".join(tag("h3", line.lstrip("# ")) for line in lines))
    if kind == "table":
        return _table(lines)
    if kind == "list":
        return tag("ul", [tag("li", _inline(item)) for item in _items(lines)])
    return tag("p", _inline(" ".join(line.strip() for line in lines)))


def _items(lines: list[str]) -> list[str]:
    items: list[str] = []
    for line in lines:
        marked = re.match(r"\s*[-*] (.*)", line)
        if marked or not items:
            items.append(marked[1] if marked else line.strip())
        else:
            items[-1] += " " + line.strip()
    return items


def _table(lines: list[str]) -> Safe:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    body = [row for row in rows[1:] if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    head = tag("tr", [tag("th", _inline(cell)) for cell in rows[0]])
    return tag(
        "div", tag("table", head, [tag("tr", [tag("td", _inline(c)) for c in row]) for row in body]), class_="scroll"
    )


def _inline(text: str) -> Safe:
    """Text with ``code`` and **strong** marked up."""
    parts = re.split(r"(`[^`]+`|\*\*[^*]+\*\*)", text)
    return raw("".join(_marked(part) for part in parts))


def _marked(part: str) -> Safe:
    if len(part) > 2 and part[0] == part[-1] == "`":
        return tag("code", part[1:-1])
    if len(part) > 4 and part.startswith("**") and part.endswith("**"):
        return tag("b", part[2:-2])
    return raw(text_of(part))
