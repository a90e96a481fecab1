# SPDX-License-Identifier: Apache-2.0
"""Programs with a flipped byte or cut off, hashes not checked: each of 2,200 is refused. Those that were sealed again,
as somebody does who means it, end no process in the cases here; all 2,200 of them: ``make soak``.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from avguard.models.store import ROLES
from tests.soak import models

SEALS = """
import sys; sys.path[:] = eval(sys.argv[1])
from tests.soak import models
print(models.unrefused())
"""
PROGRAM = "import sys;sys.path[:]=eval(sys.argv[1]);from tests.soak import models;models.main(*sys.argv[2:])"
CASES = [*range(8), models.FLIPS, models.FLIPS + 25]


def test_every_spoilt_program_is_refused_by_its_seal() -> None:
    """In a process of its own: one that was let through may end it."""
    command = [sys.executable, "-I", "-c", SEALS, repr(sys.path)]
    # glibc gives copies of whole programs back each time and zeroes their pages anew: half of the test's time.
    kept = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
    environment = os.environ | kept
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300).stdout
    assert said.strip() == repr({role: [] for role in ROLES})


@pytest.mark.parametrize("role", ["face_detector", "joint_int8"])
def test_crafted_programs_end_no_process(role: str) -> None:
    command = [sys.executable, "-I", "-c", PROGRAM, repr(sys.path), role, *map(str, CASES)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == CASES
    assert {line.partition(" ")[2] for line in lines} <= {"error", "same", "refused by the self-test", "other numbers"}


STRUCTURE = """
import sys; sys.path[:] = eval(sys.argv[1])
import os, struct
from avguard import _core
from avguard.errors import ModelError
from avguard.models import default_path, open_bundle
from export.seal import SEAL_BYTES, seal
data = open_bundle(default_path()).program("face_detector")[:-SEAL_BYTES]
root = struct.unpack_from("<I", data)[0]
table = root - struct.unpack_from("<i", data, root)[0]
spots = {0: len(data) + 1000, root: 1 << 30, table: 0xFFFF}
for at, value in spots.items():
    spoilt = bytearray(data)
    struct.pack_into("<H" if at == table else "<I", spoilt, at, value)
    try:
        _core.Program(seal(bytes(spoilt)))
    except ModelError as error:
        assert "reading the program failed with ExecuTorch error 35" in str(error), error
    else:
        raise SystemExit(f"{at} was not noticed")
"""


def test_the_linked_runtime_checks_a_programs_structure() -> None:
    """ExecuTorch's deep check can be compiled out; then these offsets would be followed."""
    subprocess.run([sys.executable, "-I", "-c", STRUCTURE, repr(sys.path)], check=True, timeout=60)
