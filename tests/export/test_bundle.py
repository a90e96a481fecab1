# SPDX-License-Identifier: Apache-2.0
"""The bundle's folder: whole or not at all, within its limits, the same bytes twice, used by ``check``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import avguard
from avguard.errors import ModelError
from avguard.models import default_path, load_manifest, open_bundle
from export import bundle
from export.bundle import write_bundle
from export.versions import MODEL_ID


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """What ``write_bundle`` is given, taken from the shipped bundle."""
    shipped = open_bundle(default_path())
    return {
        "programs": {role: shipped.program(role) for role in ("joint_float", "joint_int8")},
        "golden": json.loads(shipped.data["self_test.json"]),
        "calibration": shipped.manifest.calibration,
        "card": "# card\n",
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_written_twice_it_is_the_same_and_is_used(parts: dict[str, Any], tmp_path: Path, demo_clip: Path) -> None:
    out = tmp_path / "mine"
    write_bundle(out, **parts, trained_on=["b/b", "a/a", "b/b"])
    first = contents(out)
    write_bundle(out, **parts, trained_on=["a/a", "b/b"])
    assert contents(out) == first
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert load_manifest(out).trained_on == ("a/a", "b/b")
    assert avguard.check(demo_clip, model=out).model.id.startswith(MODEL_ID)


@pytest.mark.parametrize("name", ["joint_int8.pte", "joint_fp32.pte", "the bundle"])
def test_past_its_limits_nothing_is_written(
    parts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(bundle.LIMITS, name, 1000)
    with pytest.raises(ModelError, match=f"{name} has .* more than 1,000"):
        write_bundle(tmp_path / "mine", **parts)
    assert list(tmp_path.iterdir()) == []


def test_the_old_one_stays_when_the_new_one_does_not_open(parts: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "mine"
    write_bundle(out, **parts)
    before = contents(out)
    with pytest.raises(ModelError, match="calibration lacks keys"):
        write_bundle(out, **parts | {"calibration": {}})
    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_other_folders_are_left_alone(parts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(ModelError, match="holds other things"):
        write_bundle(tmp_path, **parts)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
