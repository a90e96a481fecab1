# SPDX-License-Identifier: Apache-2.0
"""What every ``.pte`` says of itself, key by key: one that is left out or changed is refused by name, though every
sha256 is right.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from avguard import _core, trial
from avguard.api import Checker
from avguard.errors import ModelError
from avguard.models import default_path, open_bundle
from avguard.models.store import ROLES
from tests.models.bundles import copy_bundle, replace_file, resealed

SPEC_KEYS = ("spec_hash", "spec_json")
KEYS = {role: (*SPEC_KEYS, *(("input_names", "output_names") if "joint" in role else ("source",))) for role in ROLES}
CASES = [(role, key) for role, keys in KEYS.items() for key in keys]


def value(data: bytes, key: str) -> bytes:
    return _core.Program(data).constant(key).encode()


def once(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    assert len(old) == len(new)
    return resealed(data.replace(old, new))


def problems(role: str, data: bytes) -> list[str]:
    """What ``avguard models verify`` says of one program of an otherwise sound bundle."""
    bundle = open_bundle(default_path())
    name = bundle.manifest.programs[role]
    return trial.problems_of(replace(bundle, data=bundle.data | {name: data}), role)


@pytest.mark.parametrize(("role", "key"), CASES)
def test_a_key_that_is_left_out_is_named(role: str, key: str) -> None:
    data = open_bundle(default_path()).program(role)
    (problem,) = problems(role, once(data, key.encode(), key[:-1].encode() + b"?"))
    assert key in problem
    assert " no " in problem


@pytest.mark.parametrize(("role", "key"), CASES)
def test_a_key_that_is_changed_is_named(role: str, key: str) -> None:
    data = open_bundle(default_path()).program(role)
    said = value(data, key)
    (problem,) = problems(role, once(data, said, said[:-1] + b"?"))
    assert key.replace("spec_hash", "for another spec") in problem


@pytest.mark.parametrize("role", ["face_detector", "face_mesh"])
def test_another_origin_is_named(role: str) -> None:
    """Sound JSON, but a sha256 that the notice of the bundle does not know."""
    data = open_bundle(default_path()).program(role)
    said = value(data, "source")
    at = said.index(b'"sha256": "') + 11
    (problem,) = problems(role, once(data, said, said[:at] + b"0000" + said[at + 4 :]))
    assert "NOTICE.md does not name" in problem


@pytest.mark.parametrize("key", KEYS["joint_float"])
def test_a_check_refuses_them_too(tmp_path: Path, key: str) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    name = open_bundle(folder).manifest.programs["joint_float"]
    data = (folder / name).read_bytes()
    replace_file(folder, name, once(data, key.encode(), key[:-1].encode() + b"?"))
    with pytest.raises(ModelError, match=f"carries no {key}"):
        Checker(folder, engine="float")


def test_a_sound_program_has_no_problems() -> None:
    bundle = open_bundle(default_path())
    assert [problems(role, bundle.program(role)) for role in ROLES] == [[]] * len(ROLES)
