# SPDX-License-Identifier: Apache-2.0
"""``avguard models``: list, verify, export and use, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from avguard import cli
from avguard.errors import ModelError, UsageError
from avguard.models import default_path, open_bundle
from avguard.models.choice import VARIABLE
from avguard.models.signature import NAME, key_id, read_public_key
from tests.models import test_artefacts
from tests.models.bundles import copy_bundle, edit, replace_file, resealed


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def named(folder: Path, name: str) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return edit(copy_bundle(folder), lambda raw: raw.update(id=name))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["models", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_list_tells_what_there_is_and_what_is_used(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = named(home / "data/avguard/models/mine", "mine@2")
    spoilt = named(home / "data/avguard/models/spoilt", "spoilt@3")
    (spoilt / "card.md").write_text("other")
    elsewhere = named(home / "elsewhere", "elsewhere@4")
    run(capsys, "use", str(elsewhere))
    code, out, _ = run(capsys, "list", "--json")
    found = {item["id"]: item for item in json.loads(out)}
    assert code == 0
    assert [item["id"] for item in found.values() if item["in_use"]] == ["elsewhere@4"]
    assert {"mine@2", "spoilt@3", "elsewhere@4", open_bundle(default_path()).manifest.id} == set(found)
    assert "card.md was altered" in found["spoilt@3"]["problem"]
    assert found["mine@2"]["problem"] == ""
    assert found["mine@2"]["bytes"] == sum(path.stat().st_size for path in mine.iterdir())
    _, text, _ = run(capsys, "list")
    assert "* elsewhere@4" in text
    assert "  mine@2" in text


def test_use_is_what_checks_use(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = named(home / "mine", "mine@2")
    code, out, err = run(capsys, "use", str(mine))
    assert (code, err) == (0, "")
    assert out.startswith("mine@2 is used from now on")
    with cli.Checker() as checker:
        assert checker.stream().finish().model.id == "mine@2"
    with cli.Checker(default_path()) as checker:
        assert checker.stream().finish().model.id != "mine@2"
    assert run(capsys, "use", "--shipped")[0] == 0
    assert open_bundle().manifest.id == open_bundle(default_path()).manifest.id


def test_use_says_when_the_environment_goes_before(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = named(home / "mine", "mine@2")
    monkeypatch.setenv(VARIABLE, str(default_path()))
    assert "goes before this choice" in run(capsys, "use", str(mine))[2]


def test_an_unsound_bundle_is_not_chosen(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = named(home / "mine", "mine@2")
    (mine / "joint_int8.pte").write_bytes(b"x")
    code, out, err = run(capsys, "use", str(mine))
    assert (code, out) == (ModelError.code, "")
    assert "joint_int8.pte was altered" in err
    assert not (home / "config").exists()
    code, _, err = run(capsys, "use", str(test_artefacts.made(home / "artefacts")))
    assert code == ModelError.code
    assert "not a bundle" in err


def test_verify_the_shipped_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "verify")
    assert (code, err) == (0, "")
    assert out.endswith("is sound\n")


def test_verify_names_every_failure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = named(home / "mine", "mine@2")
    raw = json.loads((mine / "self_test.json").read_text())
    for logits in raw["logits"].values():
        logits[0] += 9
    replace_file(mine, "self_test.json", json.dumps(raw).encode())
    (mine / "notes.txt").write_text("x")
    code, out, err = run(capsys, "verify", str(mine))
    assert (code, out) == (ModelError.code, "")
    assert "notes.txt is not named" in err
    assert "joint_fp32.pte: the joint model computes wrongly" in err
    assert "joint_int8.pte: the joint model computes wrongly" in err


@pytest.mark.parametrize(("runtime", "has"), [("1.6", "1.5"), ("1.5.1.1", "1.5"), ("2", "1.5")])
def test_verify_names_another_runtime(home: Path, capsys: pytest.CaptureFixture[str], runtime: str, has: str) -> None:
    mine = named(home / "mine", "mine@2")
    edit(mine, lambda raw: raw.update(runtime={"executorch": runtime}))
    code, _, err = run(capsys, "verify", str(mine))
    assert code == ModelError.code
    assert f"needs executorch {runtime}, this build has {has}" in err
    assert "ONNX form" in err
    edit(mine, lambda raw: raw.update(runtime={"tensorrt": "10"}))
    assert "needs tensorrt 10, this build has none" in run(capsys, "verify", str(mine))[2]


def test_verify_names_another_spec_inside_a_program(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = named(home / "mine", "mine@2")
    wanted = open_bundle(mine).manifest.spec_hash.encode()
    data = (mine / "face_mesh.pte").read_bytes()
    replace_file(mine, "face_mesh.pte", resealed(data.replace(wanted, b"0" * 64)))
    code, _, err = run(capsys, "verify", str(mine))
    assert code == ModelError.code
    assert f"face_mesh.pte: the program was made for another spec: it carries {'0' * 64}" in err


def test_verify_tells_keys_of_a_later_release(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = edit(named(home / "mine", "mine@2"), lambda raw: raw.update(colour="red"))
    code, out, err = run(capsys, "verify", str(mine))
    assert (code, out) == (0, f"mine@2 in {mine} is sound\n")
    assert "does not know: colour" in err


@pytest.fixture
def keys(home: Path) -> tuple[Path, Path, Path]:
    """PEM files of a private key, its public key, and another public key."""
    files = home / "key.pem", home / "key.pub", home / "other.pub"
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    files[0].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for file, public in zip(files[1:], (key.public_key(), other.public_key()), strict=True):
        file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return files


def test_sign_and_verify(home: Path, keys: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    private, public, other = map(str, keys)
    mine = named(home / "mine", "mine@2")
    assert f"mine is not signed: there is no {NAME}" in run(capsys, "verify", str(mine), "--public-key", public)[2]
    code, out, err = run(capsys, "sign", str(mine), "--key", private)
    hexadecimal = read_public_key(keys[1])
    wanted = f"mine@2 in {mine} is signed by key {key_id(hexadecimal)}, public key {hexadecimal}\n"
    assert (code, out, err) == (0, wanted, "")
    code, out, err = run(capsys, "verify", str(mine), "--public-key", other, "--public-key", public)
    assert (code, out, err) == (0, f"mine@2 in {mine} is sound and signed by a key of yours\n", "")
    with cli.Checker(mine, require_signature=True, trusted_keys=[hexadecimal]):
        pass
    keys[1].write_text(f"{hexadecimal}\n")
    assert run(capsys, "verify", str(mine), "--public-key", public)[0] == 0
    code, out, err = run(capsys, "verify", str(mine), "--public-key", other)
    assert (code, out) == (ModelError.code, "")
    assert f"mine is signed by key {key_id(hexadecimal)}, trusted are" in err
    edit(mine, lambda raw: raw.update(id="mine@3"))
    assert "does not hold" in run(capsys, "verify", str(mine), "--public-key", public)[2]
    # Signed again after the change, the copy for an app takes the signature with it.
    run(capsys, "sign", str(mine), "--key", private)
    run(capsys, "use", str(mine))
    run(capsys, "export", str(home / "copy"))
    assert run(capsys, "verify", str(home / "copy"), "--public-key", public)[0] == 0


def test_what_is_not_sound_is_not_signed(
    home: Path, keys: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    mine = named(home / "mine", "mine@2")
    (mine / "card.md").write_text("other")
    code, _, err = run(capsys, "sign", str(mine), "--key", str(keys[0]))
    assert code == ModelError.code
    assert "card.md was altered" in err
    assert not (mine / NAME).exists()
    folder = str(test_artefacts.made(home / "artefacts"))
    assert "only a bundle can be signed" in run(capsys, "sign", folder, "--key", str(keys[0]))[2]
    code, _, err = run(capsys, "verify", folder, "--public-key", str(keys[1]))
    assert code == ModelError.code
    assert "which are not signed" in err


def test_files_that_are_no_keys(home: Path, keys: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    private, public, _ = keys
    curve = generate_private_key(SECP256R1())
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    wrong = {
        "text": b"hello", "empty": b"", "large": b"x" * 9999, "public": public.read_bytes(), "locked": locked,
        "curve": curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "broken": private.read_bytes()[:60],
    }  # fmt: skip
    said = {}
    for name, data in wrong.items():
        (home / name).write_bytes(data)
        code, _, said[name] = run(capsys, "sign", str(default_path()), "--key", str(home / name))
        assert code == UsageError.code
        if name not in ("public", "text"):
            code, _, err = run(capsys, "verify", "--public-key", str(home / name))
            assert code == UsageError.code
            assert "key" in err
    assert "locked with a passphrase" in said["locked"]
    assert all("holds no Ed25519 private key" in said[name] for name in ("text", "empty", "public", "curve", "broken"))
    assert "so it is no key" in said["large"]
    assert "cannot be read (No such file" in run(capsys, "sign", str(home), "--key", str(home / "none"))[2]
    assert not (default_path() / NAME).exists()


def test_verify_artefacts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = test_artefacts.made(home / "artefacts")
    assert run(capsys, "verify", str(folder))[0] == 0
    (folder / test_artefacts.ONNX).write_bytes(b"")
    code, _, err = run(capsys, "verify", str(folder))
    assert code == ModelError.code
    assert f"{test_artefacts.ONNX} was altered" in err


def test_export_is_a_whole_copy(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    destination = home / "app" / "assets" / "model"
    assert run(capsys, "export", str(destination))[0] == 0
    assert open_bundle(destination) == open_bundle(default_path())
    assert destination.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in destination.parent.iterdir()] == ["model"]
    code, _, err = run(capsys, "export", str(destination))
    assert code == UsageError.code
    assert "exists" in err


def test_a_spoilt_bundle_is_not_exported(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = named(home / "mine", "mine@2")
    (mine / "face_mesh.pte").unlink()
    monkeypatch.setenv(VARIABLE, str(mine))
    code, _, err = run(capsys, "export", str(home / "copy"))
    assert code == ModelError.code
    assert "face_mesh.pte" in err
    assert not (home / "copy").exists()
