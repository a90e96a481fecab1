# SPDX-License-Identifier: Apache-2.0
"""HTML that cannot be injected into: what is not ``Safe`` is escaped, and only ``tag`` and ``raw`` make ``Safe``."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable
from importlib.resources import files
from typing import TypeAlias

VOID = {"meta", "img", "br"}


class Safe(str):
    """Markup that was made here."""

    __slots__ = ()


Child: TypeAlias = "str | float | int | Iterable[Child] | None"


def raw(text: str) -> Safe:
    """Take ``text`` as markup. Only for constants of this package."""
    return Safe(text)


def text_of(child: Child) -> str:
    """Markup of a child: escaped unless ``Safe``; None is nothing; control characters are shown, not sent."""
    if isinstance(child, Safe):
        return child
    if isinstance(child, (str, int, float)):
        return _escaped(str(child))
    return "".join(text_of(item) for item in child or ())


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Safe:
    """One element. An attribute that is None is left out; ``class_`` is class, ``_`` in a name is ``-``."""
    parts = [
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    inner = "" if name in VOID else "".join(text_of(child) for child in children) + f"</{name}>"
    return Safe(f"<{name}{''.join(parts)}>{inner}")


def _escaped(text: str) -> str:
    shown = text.encode("utf-8", "backslashreplace").decode()
    # Directional overrides would let a file name pose as another one.
    plain = "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in shown)
    return html.escape(plain, quote=True)


def page(title: str, *body: Child) -> str:
    """A whole document with the house style, under a policy that lets nothing in: no script, no request, no form."""
    style = files("avguard.report").joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", raw(style)),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", tag("main", *body)), lang="en") + "\n"
