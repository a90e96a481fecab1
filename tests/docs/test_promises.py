# SPDX-License-Identifier: Apache-2.0
"""tests/README.md names tests that exist, and every bar once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_blocks import make_targets

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
BARS = {"A": 7, "B": 5, "C": 8, "D": 9, "E": 5, "F": 7, "G": 4, "H": 4}
QUOTED = sorted(set(re.findall(r"`([^`]+)`", PAGE)))


def test_every_bar_stands_there_once() -> None:
    rows = re.findall(r"^\| ([A-H]\d)\b", PAGE, re.MULTILINE)
    assert rows == [f"{letter}{number}" for letter, most in BARS.items() for number in range(1, most + 1)]


@pytest.mark.parametrize("name", [name for name in QUOTED if re.fullmatch(r"(tests|cpp|avguard|export)/[\w./]*", name)])
def test_what_is_named_is_there(name: str) -> None:
    path = ROOT / name
    assert path.exists()
    if path.name.startswith("test_") or path.name.endswith("_test.cc"):
        assert re.search(r"^def test_|^TEST\(", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in QUOTED if name.startswith("make ")])
def test_targets_exist(name: str) -> None:
    assert name.removeprefix("make ") in make_targets()
