# SPDX-License-Identifier: Apache-2.0
"""Programs with a flipped byte or cut off, hashes not checked: no case ends the process. All 2,200: ``make soak``."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.soak import models

PROGRAM = "import sys;sys.path[:]=eval(sys.argv[1]);from tests.soak import models;models.main(*sys.argv[2:])"
CASES = [*range(8), models.FLIPS, models.FLIPS + 25]


@pytest.mark.parametrize("role", ["face_detector", "joint_int8"])
def test_spoilt_programs_end_no_process(role: str) -> None:
    command = [sys.executable, "-I", "-c", PROGRAM, repr(sys.path), role, *map(str, CASES)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == CASES
    assert {line.partition(" ")[2] for line in lines} <= {"error", "same", "other numbers"}
