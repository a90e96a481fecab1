# SPDX-License-Identifier: Apache-2.0
"""A manifest is refused by name for every way in which it can be wrong."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from avguard.api import Checker
from avguard.errors import ModelError
from avguard.models import default_path, load_manifest, open_bundle
from avguard.models.manifest import MAX_BYTES, MAX_DEPTH, REQUIRED
from avguard.spec import load_spec
from tests.models.bundles import copy_bundle, edit


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    raw: dict[str, Any] = json.loads((default_path() / "manifest.json").read_text(encoding="utf-8"))
    return raw


def refuse(tmp_path: Path, raw: object, message: str) -> None:
    (tmp_path / "manifest.json").write_text(raw if isinstance(raw, str) else json.dumps(raw), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_manifest(tmp_path)


def refuse_not(tmp_path: Path, raw: object) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")
    load_manifest(tmp_path)


def changed(good: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    raw = copy.deepcopy(good)
    place = raw
    *rooms, last = path.split("/")
    for room in rooms:
        place = place[room]
    place[last] = value
    return raw


def test_the_shipped_manifest_is_good(good: dict[str, Any]) -> None:
    manifest = load_manifest(default_path())
    assert manifest.spec_hash == load_spec().hash
    assert set(manifest.programs) == {"face_detector", "face_mesh", "joint_float", "joint_int8"}
    assert set(manifest.programs.values()) <= set(manifest.files)
    assert manifest.self_test in manifest.files
    assert "Apache-2.0" in manifest.license_code
    assert manifest.license_weights
    assert manifest.license_data
    assert set(good) == {*REQUIRED, "trained_on"}
    assert manifest.trained_on is not None
    assert len(manifest.trained_on) > 50


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest.json cannot be read \(No such file"):
        load_manifest(tmp_path)
    with pytest.raises(ModelError, match="is not a model bundle"):
        load_manifest(tmp_path / "none")
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        load_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "nope", "\x00\x01", '{"a": 1,}'])
def test_not_json(tmp_path: Path, text: str) -> None:
    refuse(tmp_path, text, "not valid JSON")


def test_not_text(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe\xfd\xfc")
    with pytest.raises(ModelError, match="not valid JSON"):
        load_manifest(tmp_path)


def test_a_tower_of_brackets(tmp_path: Path) -> None:
    refuse(tmp_path, "[" * 60_000, "not valid JSON")


@pytest.mark.parametrize("raw", [[], 3, "text", None, True])
def test_not_an_object(tmp_path: Path, raw: object) -> None:
    refuse(tmp_path, json.dumps(raw), "must hold an object")


def test_oversize(tmp_path: Path, good: dict[str, Any]) -> None:
    refuse(tmp_path, json.dumps(good) + " " * MAX_BYTES, f"larger than {MAX_BYTES} bytes")


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key(tmp_path: Path, good: dict[str, Any], key: str) -> None:
    refuse(tmp_path, {k: v for k, v in good.items() if k != key}, f"lacks {key}")


def test_keys_of_a_later_release_are_left_unread_and_told(tmp_path: Path, good: dict[str, Any]) -> None:
    folder = edit(copy_bundle(tmp_path / "bundle"), lambda raw: raw.update(surplus={"a": [1]}, more=1))
    assert load_manifest(folder).unread == ("more", "surplus")
    with Checker(folder) as checker:
        warnings = checker.stream().finish().warnings
    assert warnings == ("the model's manifest.json has keys that this version does not know: more, surplus",)
    with Checker() as checker:
        assert checker.stream().finish().warnings == ()
    edit(folder, lambda raw: raw.update({"x" * 300: 1}))
    with Checker(folder) as checker:
        assert checker.stream().finish().warnings[0].endswith("xxx...")


def test_a_deep_manifest(tmp_path: Path, good: dict[str, Any]) -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    refuse_not(tmp_path, {**good, "surplus": deep})
    refuse(tmp_path, {**good, "surplus": [deep]}, "nested deeper than 8 levels")
    refuse(tmp_path, {**good, "surplus": {"a": {"a": [deep]}}}, "nested deeper than 8 levels")


@pytest.mark.parametrize("value", [0, 2, "1", None])
def test_another_format(tmp_path: Path, good: dict[str, Any], value: object) -> None:
    refuse(tmp_path, {**good, "format": value}, "this version reads 1")


@pytest.mark.parametrize("key", ["id", "spec_hash", "self_test", "license_code", "license_weights", "license_data"])
@pytest.mark.parametrize("value", [None, 1, ["a"], {"a": 1}])
def test_what_must_be_a_string(tmp_path: Path, good: dict[str, Any], key: str, value: object) -> None:
    refuse(tmp_path, {**good, key: value}, f"{key} must be a string")


@pytest.mark.parametrize("key", ["files", "programs", "runtime"])
@pytest.mark.parametrize("value", [None, [], "x", {"a": 1}, {"a": None}])
def test_what_must_map_to_strings(tmp_path: Path, good: dict[str, Any], key: str, value: object) -> None:
    refuse(tmp_path, {**good, key: value}, f"{key} must map names to strings")


NAMES = ["../face.pte", "a/b.pte", "/etc/passwd", "", ".", "..", "a/", "./a", "a\0b", "a/../b"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere(tmp_path: Path, good: dict[str, Any], name: str) -> None:
    raw = copy.deepcopy(good)
    raw["files"][name] = "0" * 64
    refuse(tmp_path, raw, "not a plain file name")


SPOILT = {
    "scale/video": ["1", None, True, math.nan, math.inf, [1]],
    "scale": [1.0, [], {}, {"video": 1.0}],
    "both": [None, {}, {"bias": 0, "either": 0}],
    "both/weight": [1.0, {}, {"video": 1, "audio": 1, "sync": 1}],
    "both/weight/sync": ["0"],
    "fake_above": [None, "0.5", math.nan],
    "surplus": [1.0],
}


def refuse_calibration(tmp_path: Path, raw: object) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(ModelError, match=r"calibration"):
        open_bundle(tmp_path)


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, values in SPOILT.items() for value in values])
def test_spoilt_calibrations(tmp_path: Path, good: dict[str, Any], path: str, value: object) -> None:
    refuse_calibration(tmp_path, changed(good, f"calibration/{path}", value))


@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_no_calibration(tmp_path: Path, good: dict[str, Any], value: object) -> None:
    refuse_calibration(tmp_path, {**good, "calibration": value})


def test_sources_of_training_may_be_named(good: dict[str, Any], tmp_path: Path) -> None:
    plain = {key: value for key, value in good.items() if key != "trained_on"}
    for raw, wanted in ((plain, None), (plain | {"trained_on": ["a/b", "c"]}, ("a/b", "c"))):
        (tmp_path / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")
        assert load_manifest(tmp_path).trained_on == wanted
    for wrong in ("a", [1], [""], ["b", "a"], ["a", "a"], None):
        refuse(tmp_path, plain | {"trained_on": wrong}, "trained_on must be")
