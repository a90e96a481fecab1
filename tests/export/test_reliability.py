# SPDX-License-Identifier: Apache-2.0
"""Reliability: bins of equally many clips whose numbers can be counted by hand."""

from __future__ import annotations

import json

from avguard.models import default_path
from avguard.models.manifest import check_calibration
from export.reliability import BINS, reliability


def test_bins_can_be_counted_by_hand() -> None:
    pairs = [(int(k >= 8), k / 16) for k in range(16)]
    made = reliability({"overall": pairs[::-1], "video": pairs[:3]}, "sixteen clips")
    assert set(made["heads"]) == {"overall"}  # three clips say nothing
    bins = made["heads"]["overall"]
    assert [count for *_, count in bins] == [2] * BINS
    assert [share for _, share, _ in bins] == [0.0] * 4 + [1.0] * 4
    assert bins[0][0] == round(0.5 / 16, 4)


def test_a_manifest_takes_it() -> None:
    calibration = json.loads((default_path() / "manifest.json").read_text())["calibration"]
    pairs = {head: [(k % 2, k / 20) for k in range(20)] for head in ("overall", "video", "audio", "sync")}
    check_calibration(calibration | {"reliability": reliability(pairs, "made here")})
