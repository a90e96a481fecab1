# SPDX-License-Identifier: Apache-2.0
"""A bundle for a host with an engine of its own: the default bundle's calibration and self-test, other programs."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

from avguard.errors import ModelError
from avguard.models import default_path
from export.versions import MODEL_ID

KEPT = ("self_test.json", "NOTICE.md")
"""What is taken from the default bundle as it is."""


def manifest_of(files: dict[str, bytes], runtime: dict[str, str], programs: dict[str, str]) -> bytes:
    """The default bundle's manifest with these in place of its own; ``programs``: file by role.

    Raises ModelError when the default bundle is another model.
    """
    raw = json.loads((default_path() / "manifest.json").read_text(encoding="utf-8"))
    if raw["id"] != MODEL_ID:
        raise ModelError(f"the default bundle is {raw['id']}, the checkpoint {MODEL_ID}; run make bundle first")
    raw["runtime"] = runtime
    raw["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    raw["programs"] = programs
    return (json.dumps(raw, sort_keys=True) + "\n").encode()


def write_bundle(out: Path, files: dict[str, bytes], runtime: dict[str, str], programs: dict[str, str]) -> None:
    """Replace the folder ``out`` by a bundle of these files, and print their sizes. Raises ModelError."""
    files = files | {name: (default_path() / name).read_bytes() for name in KEPT}
    files |= {"manifest.json": manifest_of(files, runtime, programs)}
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name, data in files.items():
        (out / name).write_bytes(data)
        sys.stdout.write(f"{name} {len(data)} bytes\n")
