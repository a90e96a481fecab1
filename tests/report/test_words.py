# SPDX-License-Identifier: Apache-2.0
"""A verdict in words."""

from __future__ import annotations

import pytest

from avguard.report.words import because, in_time


@pytest.mark.parametrize(
    ("offset_ms", "said"),
    [
        (0.0, "voice and lips are together in time, to within one picture"),
        (-39.9, "voice and lips are together in time, to within one picture"),
        (40.0, "the voice comes 40 ms after the lips"),
        (-123.4, "the voice comes 123 ms before the lips"),
    ],
)
def test_an_offset_has_a_side_and_no_sign(offset_ms: float, said: str) -> None:
    assert in_time(offset_ms) == said


def test_reasons_are_joined_and_unknown_ones_kept() -> None:
    assert because(("no_face", "later")) == "no face was found; later"
    assert because(("no_face",), "fake") == "not all could be judged: no face was found"
    assert because(()) == ""
