# SPDX-License-Identifier: Apache-2.0
"""Sealing a bundle that was exported without: what ships comes out, byte by byte, and nothing else is touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from avguard.errors import ModelError
from avguard.models import default_path, open_bundle
from avguard.models.store import ROLES
from export.seal import SEAL_BYTES, seal_bundle
from tests.models.bundles import copy_bundle, replace_file

COMMAND = "import sys; sys.path[:] = eval(sys.argv.pop(1)); from export.seal import main; sys.exit(main())"


@pytest.fixture
def unsealed(tmp_path: Path) -> Path:
    folder = copy_bundle(tmp_path / "bundle")
    bundle = open_bundle(folder)
    card = bundle.data["card.md"].decode()
    for role in ROLES:
        data = bundle.program(role)
        replace_file(folder, bundle.manifest.programs[role], data[:-SEAL_BYTES])
        card = card.replace(f" {len(data):,} bytes", f" {len(data) - SEAL_BYTES:,} bytes")
    return replace_file(folder, "card.md", card.encode())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_shipped_bundle_comes_out(unsealed: Path) -> None:
    before = contents(unsealed)
    command = [sys.executable, "-I", "-c", COMMAND, repr(sys.path), str(unsealed)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert said == sorted(open_bundle(default_path()).manifest.programs.values())
    assert contents(unsealed) == contents(default_path())
    changed = {name for name, data in contents(unsealed).items() if before[name] != data}
    assert changed == {*said, "card.md", "manifest.json"}
    assert seal_bundle(unsealed) == []


def test_damage_is_not_sealed(unsealed: Path) -> None:
    path = unsealed / "face_mesh.pte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"face_mesh\.pte was altered"):
        seal_bundle(unsealed)
