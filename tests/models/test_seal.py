# SPDX-License-Identifier: Apache-2.0
"""The seal of a program, which the core checks without any manifest: damage and other versions are told apart."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from avguard import _core
from avguard.api import Checker
from avguard.errors import ModelError
from avguard.models import default_path, open_bundle
from avguard.models.store import ROLES
from export.seal import MAGIC, SEAL_BYTES, is_sealed, seal
from tests.models.bundles import copy_bundle, replace_file
from tests.soak.models import refusal

SMALL = bytes(range(100))


def sealed_as(version: int, length: int) -> bytes:
    body = SMALL + struct.pack("<8sIQ", MAGIC, version, length)
    return body + struct.pack("<I", zlib.crc32(body))


def test_every_program_that_ships_is_sealed() -> None:
    bundle = open_bundle(default_path())
    assert all(is_sealed(bundle.program(role)) for role in ROLES)
    assert not is_sealed(bundle.program("face_mesh")[:-SEAL_BYTES])


def test_every_flipped_byte_and_every_cut_is_refused() -> None:
    whole = seal(SMALL)
    flips = [
        whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :] for at in range(len(whole)) for change in (1, 255)
    ]
    assert all(" seal" in refusal(spoilt) for spoilt in [*flips, *(whole[:at] for at in range(len(whole)))])
    # A whole one gets as far as the runtime.
    assert refusal(whole).startswith("the program cannot be opened")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (SMALL, "does not end with a seal: it was cut off, or exported without one"),
        (sealed_as(2, 100), "has a seal of version 2, this build reads version 1. Update avguard."),
        (sealed_as(1, 99), "has 100 bytes, its seal says 99"),
        (seal(SMALL)[1:], "was altered: its CRC-32 is"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, said: str) -> None:
    assert said in refusal(data)


def test_a_manifest_that_vouches_for_damage_does_not_help_it(tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    data = bytearray((folder / "face_mesh.pte").read_bytes())
    data[len(data) // 2] ^= 1
    replace_file(folder, "face_mesh.pte", bytes(data))
    with pytest.raises(ModelError, match="the face mesh was altered: its CRC-32 is"):
        Checker(folder)


def test_an_unsealed_bundle_is_refused_by_name(tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    replace_file(folder, "face_detector.pte", (folder / "face_detector.pte").read_bytes()[:-SEAL_BYTES])
    with pytest.raises(ModelError, match=r"the face detector does not end with a seal.*export it again"):
        Checker(folder)


def test_what_is_sealed_is_a_program() -> None:
    bundle = open_bundle(default_path())
    assert _core.Program(bundle.program("face_mesh")).constant("spec_hash") == bundle.manifest.spec_hash
