# SPDX-License-Identifier: Apache-2.0
"""``python -m export.card BUNDLE SECTION.md...``: put measured sections into a bundle's card.

A section is a Markdown file that starts with ``## Title``; one of the same title is replaced. The manifest gets the
card's new hash.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from avguard.errors import UsageError

CARD = "card.md"
MEASURED = "Measured on"


def with_section(card: str, section: str) -> str:
    """``card`` with ``section`` in place of the one of its title, or at the end. Raises UsageError without a title."""
    title = section.splitlines()[0] if section.strip() else ""
    if not title.startswith("## "):
        raise UsageError(f"a section of a card starts with '## Title', not with {title[:40]!r}")
    head, *parts = card.split("\n## ")
    kept = [part for part in parts if part.splitlines()[0] != title.removeprefix("## ")]
    return "\n\n## ".join(part.rstrip() for part in [head, *kept, section.removeprefix("## ")]) + "\n"


def with_measured(card: str, earlier: Path, programs: Mapping[str, bytes]) -> str:
    """``card`` with the sections of the bundle that stands in ``earlier``, if one does.

    Where its programs are others than ``programs`` (bytes by file name), each section says on which it was measured.
    """
    if not (earlier / "manifest.json").is_file():
        return card
    files = json.loads((earlier / "manifest.json").read_text())["files"]
    other = [name for name, data in programs.items() if files.get(name) != hashlib.sha256(data).hexdigest()]
    for part in (earlier / CARD).read_text().split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        if other and MEASURED not in text:
            hashes = ", ".join(f"`{name}` of sha256 {files.get(name, '?')[:12]}" for name in programs)
            text = f"\n{MEASURED} {hashes}; the programs were exported anew since.\n{text}"
        card = with_section(card, f"## {title}\n{text}")
    return card


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
