# SPDX-License-Identifier: Apache-2.0
"""Copies of the shipped bundle that may be spoilt."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avguard.models import default_path
from export.seal import SEAL_BYTES, seal


def copy_bundle(folder: Path) -> Path:
    """The shipped bundle in ``folder``, writable."""
    shutil.copytree(default_path(), folder, copy_function=shutil.copyfile)
    return folder


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Apply ``change`` to the bundle's manifest."""
    path = folder / "manifest.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    change(raw)
    path.write_text(json.dumps(raw), encoding="utf-8")
    return folder


def replace_file(folder: Path, name: str, data: bytes) -> Path:
    """Put ``data`` in a file of the bundle and its true hash in the manifest."""
    (folder / name).write_bytes(data)
    return edit(folder, lambda raw: raw["files"].update({name: hashlib.sha256(data).hexdigest()}))


def resealed(program: bytes) -> bytes:
    """A sealed program that was changed, with the seal that fits it now: what somebody does who means it."""
    return seal(program[:-SEAL_BYTES])


def digest(path: Path) -> str:
    """sha256 of a file, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
