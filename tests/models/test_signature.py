# SPDX-License-Identifier: Apache-2.0
"""A signed bundle opens for those who trust its key, and for nobody else; one that is not required is not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from avguard.api import Checker
from avguard.bundles import verify
from avguard.errors import ModelError, UsageError
from avguard.models import open_bundle, signature
from tests.models.bundles import copy_bundle, edit

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = copy_bundle(tmp_path / "bundle")
    (folder / signature.NAME).write_bytes(signature.sign((folder / "manifest.json").read_bytes(), KEY))
    return folder


def refuse(folder: Path, message: str, *keys: str) -> None:
    with pytest.raises(ModelError, match=message):
        open_bundle(folder, require_signature=True, trusted_keys=keys or (public(KEY),))


def test_who_signed_is_told(folder: Path) -> None:
    bundle = open_bundle(folder, require_signature=True, trusted_keys=[public(OTHER), public(KEY)])
    assert bundle.signed_by == signature.key_id(public(KEY))
    assert open_bundle(folder).signed_by is None
    with Checker(folder, require_signature=True, trusted_keys=[public(KEY)]):
        pass
    assert verify(folder)[1] == []


def test_other_keys_are_refused_with_both_ids(folder: Path) -> None:
    ids = f"key {signature.key_id(public(KEY))}, trusted are {signature.key_id(public(OTHER))}"
    refuse(folder, ids, public(OTHER))
    with pytest.raises(ModelError, match=ids):
        Checker(folder, require_signature=True, trusted_keys=[public(OTHER)])


def test_an_altered_manifest_is_refused_before_it_is_parsed(folder: Path) -> None:
    edit(folder, lambda raw: raw.update(id="mine@1"))
    refuse(folder, "does not hold")
    (folder / "manifest.json").write_text("[" * 9999)
    refuse(folder, "does not hold")


def test_a_key_that_claims_anothers_id_is_refused(folder: Path) -> None:
    forged = json.loads(signature.sign((folder / "manifest.json").read_bytes(), OTHER))
    forged["key_id"] = signature.key_id(public(KEY))
    (folder / signature.NAME).write_text(json.dumps(forged))
    refuse(folder, "does not hold")


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 999, "x" * 2000, '{"algorithm": "none"}'])
def test_nonsense_is_no_signature(folder: Path, text: str) -> None:
    (folder / signature.NAME).write_text(text)
    refuse(folder, "is not a signature")


@pytest.mark.parametrize("field", ["algorithm", "key_id", "signature"])
@pytest.mark.parametrize("value", [None, 3, "zz", []])
def test_every_field_counts(folder: Path, field: str, value: object) -> None:
    said = json.loads((folder / signature.NAME).read_text()) | {field: value}
    (folder / signature.NAME).write_text(json.dumps(said))
    refuse(folder, "not a signature|is signed by key")


def test_without_a_signature(folder: Path) -> None:
    (folder / signature.NAME).unlink()
    refuse(folder, "is not signed")
    open_bundle(folder)


@pytest.mark.parametrize("keys", [[], ["12"], ["zz" * 32], ["é" * 64]])
def test_keys_that_are_none(folder: Path, keys: list[str]) -> None:
    with pytest.raises(UsageError, match=r"no key is trusted|is no Ed25519 public key"):
        open_bundle(folder, require_signature=True, trusted_keys=keys)
