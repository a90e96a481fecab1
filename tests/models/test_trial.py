# SPDX-License-Identifier: Apache-2.0
"""Programs that end the process which tries them: `avguard models verify` names them and goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from avguard import bundles, trial
from avguard.models import default_path, open_bundle
from tests.models.bundles import copy_bundle, replace_file
from tests.soak import models

# One flipped byte in the graph of XNNPACK, found by the soak, and a seal that fits: what reads it does not survive it
# (SIGSEGV). Should a later runtime or program survive it, take another case of `make soak ARGS=models`.
ROLE, CASE = "face_detector", 216


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_bundle(tmp_path / "bundle")


def test_a_program_that_ends_its_process_is_named_and_the_others_are_tried(folder: Path) -> None:
    bundle = open_bundle(folder)
    spoilt = models.crafted(bundle.program(ROLE), CASE)
    replace_file(folder, "face_detector.pte", spoilt)
    replace_file(folder, "face_mesh.pte", b"no program")
    began_s = time.monotonic()
    ended, refused = bundles.verify(folder)[1]
    assert ended == ("face_detector.pte: the program ended the process in which it was tried. Do not use this bundle.")
    assert refused.startswith("face_mesh.pte: the program does not end with a seal")
    assert time.monotonic() - began_s < trial.LIMITS.wall_seconds


def test_a_bundle_crosses_whole() -> None:
    bundle = open_bundle(default_path())
    packed = trial.pack((default_path() / "manifest.json").read_bytes(), bundle.data)
    assert trial.unpack(packed) == bundle
