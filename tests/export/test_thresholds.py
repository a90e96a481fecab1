# SPDX-License-Identifier: Apache-2.0
"""Thresholds on all that a model has not seen, and what they are worth on a source that none of them was set on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avguard.evaluate.manifest import Row
from avguard.models import open_bundle
from avguard.train.calibrate import ClipLogits
from export.thresholds import Outcome, Part, fit, leave_one_out, table, write
from tests.models.bundles import copy_bundle


def part(source: str, level: float, n: int = 80) -> Part:
    """Half fakes, two deviations apart; ``level`` is what filming adds to every logit of this source."""
    rng = np.random.default_rng(sum(source.encode()))
    clips = []
    for i in range(n):
        fake = i % 2
        kind = "fake" if fake else "real"
        row = Row(f"{source}{i}.mp4", "clips", kind, fake, fake, "g" * fake, source, source, "test", 4.0)
        heads = ("video", "audio", "sync", "desync")
        clips.append(ClipLogits(row, {h: list(rng.normal(level + 2 * (fake - 0.5), 1, 3)) for h in heads}))
    return clips, [[clip for clip in clips if clip.row.kind == "real"]], {}


PARTS = {"a": part("a", 0.0), "b": part("b", 0.0), "odd": part("odd", 4.0)}


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return leave_one_out(PARTS)


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return fit(list(PARTS.values()))


def test_a_source_that_is_filmed_otherwise_is_judged_by_thresholds_that_never_met_it(
    outcomes: list[Outcome], whole: dict[str, Any]
) -> None:
    found = {outcome.part: outcome for outcome in outcomes}
    assert found["odd"].counts("real")[0] > 20  # set on the others alone, they call it fake
    assert found["a"].counts("real")[0] <= 2
    assert whole["fake_above"] > found["odd"].fake_above


def test_the_table_counts_every_judged_clip_once(outcomes: list[Outcome]) -> None:
    last = table(outcomes).splitlines()[-1].split("|")
    called = [int(cell.split(" of ")[0]) for cell in last[4:7]]
    assert sum(called) == 120
    assert last[4].strip().endswith("of 120")


def test_a_bundle_takes_the_calibration_and_still_opens(
    tmp_path: Path, outcomes: list[Outcome], whole: dict[str, Any]
) -> None:
    bundle, before = copy_bundle(tmp_path / "bundle"), open_bundle(None).manifest.calibration
    write(bundle, whole, outcomes)
    after = open_bundle(bundle).manifest.calibration
    assert after["fake_above"] != before["fake_above"]
    assert "a, b, odd" in after["reliability"]["clips"]
