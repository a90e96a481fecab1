# SPDX-License-Identifier: Apache-2.0
"""The seal with which a program for the built-in engine ends: its length and CRC-32. The layout: cpp/src/model/seal.h.

``python -m export.seal DIR`` seals the programs of a bundle that was exported without, and writes their sizes to its
card and their sha256 to its manifest. The programs themselves stay as they are; sealing twice changes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import sys
import zlib
from pathlib import Path

from avguard.models import open_bundle

MAGIC, VERSION = b"AVGSEAL\n", 1
SEAL_BYTES = 24


def seal(program: bytes) -> bytes:
    """``program`` with its seal at the end."""
    body = program + struct.pack("<8sIQ", MAGIC, VERSION, len(program))
    return body + struct.pack("<I", zlib.crc32(body))


def is_sealed(data: bytes) -> bool:
    """Whether ``data`` is what ``seal`` gave."""
    return data == seal(data[:-SEAL_BYTES])


def seal_bundle(folder: Path) -> list[str]:
    """Seal the programs of the bundle in ``folder`` that are not; returns their names. Raises ModelError."""
    bundle = open_bundle(folder)
    card, text, done = folder / "card.md", bundle.data["card.md"].decode(), []
    for name in sorted(bundle.manifest.programs.values()):
        data = bundle.data[name]
        if is_sealed(data):
            continue
        sealed = seal(data)
        (folder / name).write_bytes(sealed)
        text = text.replace(f" {len(data):,} bytes", f" {len(sealed):,} bytes")
        done.append(name)
    if done:
        card.write_text(text, encoding="utf-8")
        _write_hashes(folder, [*done, card.name])
    return done


def _write_hashes(folder: Path, names: list[str]) -> None:
    path = folder / "manifest.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["files"] |= {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    path.write_text(json.dumps(raw, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> int:
    """The command line: the names of what was sealed go to stdout."""
    parser = argparse.ArgumentParser(prog="python -m export.seal", description=__doc__)
    parser.add_argument("folder", metavar="DIR", type=Path)
    for name in seal_bundle(parser.parse_args().folder):
        sys.stdout.write(f"{name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
