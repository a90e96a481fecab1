# SPDX-License-Identifier: Apache-2.0
"""A bundle is verified byte for byte before anything parses it, and proves itself before it judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avguard import _core
from avguard.api import Checker
from avguard.errors import ModelError
from avguard.line import SELF_TEST_TOLERANCE, choose_role, open_model, pattern_input, self_test
from avguard.models import default_path, open_bundle, store
from avguard.spec import load_spec
from tests.models.bundles import copy_bundle, digest, edit, replace_file, resealed

FILES = sorted(json.loads((default_path() / "manifest.json").read_text(encoding="utf-8"))["files"])
ROLES = ("joint_float", "joint_int8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_bundle(tmp_path / "bundle")


def refuse(folder: Path, message: str) -> str:
    with pytest.raises(ModelError, match=message) as caught:
        open_bundle(folder)
    # The door says the same.
    with pytest.raises(ModelError, match=message):
        Checker(folder)
    return str(caught.value)


def test_the_shipped_bundle_opens_and_proves_itself() -> None:
    bundle = open_bundle()
    assert sorted(bundle.data) == FILES
    for role in ROLES:
        assert self_test(bundle, role) <= SELF_TEST_TOLERANCE[role]
        assert _core.Program(bundle.program(role)).constant("spec_hash") == load_spec().hash
    assert {path.name for path in default_path().iterdir()} == {*FILES, "manifest.json"}


def test_a_copy_opens(folder: Path) -> None:
    assert open_bundle(folder).data == open_bundle().data
    assert open_bundle(str(folder)).manifest == open_bundle().manifest


@pytest.mark.parametrize("name", FILES)
def test_one_altered_byte_is_refused_with_both_hashes(folder: Path, name: str) -> None:
    path = folder / name
    wanted = digest(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    message = refuse(folder, f"{name} was altered")
    assert wanted in message
    assert digest(path) in message


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refuse(folder, f"{name} of the bundle cannot be read")


def test_a_folder_or_a_link_is_no_file(folder: Path) -> None:
    path = folder / FILES[0]
    kept = path.rename(folder / "kept")
    path.symlink_to(kept)
    refuse(folder, f"{FILES[0]} is a link")
    path.unlink()
    path.mkdir()
    refuse(folder, "cannot be read")


def test_an_oversize_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_FILE_BYTES", 1000)
    refuse(folder, "larger than 1000 bytes")


def test_a_cut_or_grown_file_is_refused(folder: Path) -> None:
    path = folder / "face_mesh.pte"
    data = path.read_bytes()
    for other in (data[:-1], data + b"\0", b""):
        path.write_bytes(other)
        refuse(folder, "face_mesh.pte was altered")


def test_another_spec_is_refused_with_both_hashes(folder: Path) -> None:
    edit(folder, lambda raw: raw.update(spec_hash="0" * 64))
    message = refuse(folder, "was made for spec")
    assert "0" * 64 in message
    assert load_spec().hash in message


def test_names_that_lead_out_of_the_folder_are_refused(folder: Path) -> None:
    (folder.parent / "outside").write_bytes(b"x")
    edit(folder, lambda raw: raw["files"].update({"../outside": digest(folder.parent / "outside")}))
    refuse(folder, "not a plain file name")


def test_roles_without_a_file_are_refused(folder: Path) -> None:
    edit(folder, lambda raw: raw["programs"].update(joint_float="nothing.pte"))
    refuse(folder, "no file for joint_float")
    edit(folder, lambda raw: raw["programs"].pop("joint_float"))
    refuse(folder, "no file for joint_float")


def test_no_self_test_is_refused(folder: Path) -> None:
    edit(folder, lambda raw: raw.update(self_test="nothing.json"))
    refuse(folder, "no self-test vectors")


def test_not_a_bundle(tmp_path: Path) -> None:
    refuse(tmp_path, "is not a model bundle")
    refuse(tmp_path / "none", "is not a model bundle")


def golden(folder: Path) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads((folder / "self_test.json").read_text(encoding="utf-8"))
    return raw


@pytest.mark.parametrize("engine", ["int8", "float"])
def test_other_answers_than_the_golden_ones_are_refused(folder: Path, engine: str) -> None:
    raw = golden(folder)
    raw["logits"][f"joint_{engine}"][2] += 2.5
    replace_file(folder, "self_test.json", json.dumps(raw).encode())
    with pytest.raises(ModelError, match=r"computes wrongly on this CPU: joint_.* is off by 2\.|off by [13]\."):
        open_model(folder, engine)


def test_wrong_weights_are_refused(folder: Path) -> None:
    """Altered weights that load, under a seal and a hash in the manifest that fit: only computing tells."""
    name = open_bundle(folder).manifest.programs["joint_float"]
    data = bytearray((folder / name).read_bytes())
    words = np.frombuffer(data, np.float32, count=len(data) // 4).copy()
    # Plausible weights behind the program's tables: other ones leave a program that runs.
    plain = np.isfinite(words) & (np.abs(words) > 1e-4) & (np.abs(words) < 10)
    plain[: len(words) // 4] = False
    words[plain] *= -2
    data[: words.nbytes] = words.tobytes()
    replace_file(folder, name, resealed(bytes(data)))
    with pytest.raises(ModelError, match="computes wrongly"):
        open_model(folder, "float")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"shapes": 1, "logits": {}}', b'{"shapes": [[1]], "logits": {"joint_int8": ["a"]}}']
)
def test_nonsense_for_a_self_test_is_refused(folder: Path, text: bytes) -> None:
    replace_file(folder, "self_test.json", text)
    with pytest.raises(ModelError, match="self-test"):
        open_model(folder)


def test_engines_have_names() -> None:
    assert choose_role("int8") == "joint_int8"
    assert choose_role("float") == "joint_float"
    assert choose_role("auto") in ROLES
    with pytest.raises(ModelError, match="not one of auto, int8, float"):
        choose_role("gpu")
    for engine in ("int8", "float"):
        with Checker(engine=engine) as checker:
            assert checker.stream().finish().model.engine == f"executorch-xnnpack-{engine}"


def test_the_pattern_is_the_same_everywhere() -> None:
    pattern = pattern_input([2, 3], 1)
    assert pattern.dtype == np.float32
    expected = [[((i * 2654435761 + 98) % 4096) / 2048 - 1 for i in range(row, row + 3)] for row in (0, 3)]
    np.testing.assert_array_equal(pattern, np.array(expected, np.float32))
    assert not np.array_equal(pattern_input([8], 0), pattern_input([8], 1))
