# SPDX-License-Identifier: Apache-2.0
"""``python -m export.card BUNDLE SECTION.md...``: put measured sections into a bundle's card.

A section is a Markdown file that starts with ``## Title``; one of the same title is replaced. The manifest gets the
card's new hash.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from avguard.errors import UsageError

CARD = "card.md"


def with_section(card: str, section: str) -> str:
    """``card`` with ``section`` in place of the one of its title, or at the end. Raises UsageError without a title."""
    title = section.splitlines()[0] if section.strip() else ""
    if not title.startswith("## "):
        raise UsageError(f"a section of a card starts with '## Title', not with {title[:40]!r}")
    head, *parts = card.split("\n## ")
    kept = [part for part in parts if part.splitlines()[0] != title.removeprefix("## ")]
    return "\n\n## ".join(part.rstrip() for part in [head, *kept, section.removeprefix("## ")]) + "\n"


def add_sections(bundle: Path, sections: Sequence[str]) -> None:
    """Write the card and its hash. Raises UsageError."""
    card = (bundle / CARD).read_text()
    for section in sections:
        card = with_section(card, section)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][CARD] = hashlib.sha256(card.encode()).hexdigest()
    (bundle / CARD).write_text(card)
    (bundle / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def main() -> int:
    """Read the sections, write the card."""
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    bundle, *sections = map(Path, sys.argv[1:])
    add_sections(bundle, [path.read_text() for path in sections])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
