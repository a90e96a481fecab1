# SPDX-License-Identifier: Apache-2.0
"""Calibration arithmetic on made-up logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avguard.evaluate.manifest import Row
from avguard.train.calibrate import (
    NEVER,
    ClipLogits,
    calibrate,
    either,
    fit_head,
    offset_contrast,
    overall_scores,
    threshold_at,
    worst_threshold,
)


def clips(n: int, gap: float) -> list[ClipLogits]:
    rng = np.random.default_rng(0)
    made = []
    for i in range(n):
        fake = i % 2
        row = Row(
            f"c{i}.mp4", "clips", "fake" if fake else "real", fake, fake, "g" if fake else "", "s", "s", "train", 4.0
        )
        logits = {h: list(rng.normal(gap * (fake - 0.5), 1, 3)) for h in ("video", "audio", "sync", "desync")}
        made.append(ClipLogits(row, logits))
    return made


def test_thresholds_keep_the_false_positive_rate() -> None:
    values = np.linspace(0, 1, 101)
    assert (values >= threshold_at(values, 0.05)).mean() <= 0.05
    assert threshold_at(values, 0.2) < threshold_at(values, 0.05)


def test_informative_heads_get_a_positive_scale_and_low_error() -> None:
    result = calibrate(clips(200, 4.0), 0.0)
    assert result["scale"]["video"] > 0.5
    assert result["both"]["either"] + sum(result["both"]["weight"].values()) > 0.5
    assert result["real_below"] <= result["fake_above"]
    assert set(result["head_fake_above"]) == {"video", "audio", "sync", "desync"}


def test_thresholds_hold_in_hard_conditions() -> None:
    easy = clips(200, 4.0)
    shifted = [replace(c, logits={h: [v + 3 for v in values] for h, values in c.logits.items()}) for c in easy]
    calm, wary = calibrate(easy, 0.0), calibrate(easy, 0.0, [easy, shifted])
    assert wary["fake_above"] > calm["fake_above"]
    assert wary["head_fake_above"]["audio"] > calm["head_fake_above"]["audio"]
    for key in ("scale", "bias", "both", "real_below", "head_real_below"):
        assert wary[key] == calm[key]
    honest = overall_scores(wary, [c for c in shifted if c.row.kind == "real"])
    assert (honest >= wary["fake_above"]).mean() <= 0.04


def test_a_head_without_information_is_flattened() -> None:
    rng = np.random.default_rng(1)
    values, truth = rng.normal(0, 3, 400), (np.arange(400) % 2).astype(float)
    informed = truth * 6 - 3 + rng.normal(0, 1, 400)
    assert fit_head(values, truth)[0] < 0.5 * fit_head(informed, truth)[0]


def test_either_is_the_odds_of_one_or_the_other() -> None:
    video, audio = np.array([0.0, 2.0, np.nan]), np.array([0.0, -2.0, 1.0])
    probability = 1 / (1 + np.exp(-either(video, audio)))
    expected = 1 - np.array([0.25, (1 - 1 / (1 + np.exp(-2.0))) * (1 - 1 / (1 + np.exp(2.0))), 1 / (1 + np.exp(1.0))])
    assert probability == pytest.approx(expected)


def test_the_worst_source_sets_the_threshold() -> None:
    values = np.concatenate([np.linspace(0.0, 0.4, 50), np.linspace(0.5, 0.8, 20), [0.99] * 3])
    sources = np.array(["calm"] * 50 + ["wild"] * 20 + ["rare"] * 3)
    assert worst_threshold(values[:70], sources[:70], 0.05) == pytest.approx(0.801, abs=0.02)
    # Three clips are too few to have a say of their own, but they are not forgotten either.
    assert worst_threshold(values, sources, 0.05) > 0.9


def test_desync_is_what_tells_moved_sound() -> None:
    plain = clips(100, 0.0)
    late = [replace(c, logits=c.logits | {"desync": [v + 4 for v in c.logits["desync"]]}) for c in plain]
    blind = calibrate(plain, 0.0)
    told = calibrate(plain, 0.0, [], {400: [c for c in late if c.row.kind == "real"]})
    assert blind["scale"]["desync"] == 1.0
    assert told["scale"]["desync"] > 0.3
    raw = np.array([c.pooled("desync", 0.0) for c in late])
    scores = 1 / (1 + np.exp(-(told["scale"]["desync"] * raw + told["bias"]["desync"])))
    assert (scores > told["head_fake_above"]["desync"]).mean() > 0.9


def test_offsets_are_told_from_where_most_of_them_are_right() -> None:
    rng = np.random.default_rng(0)
    honest = [c for c in clips(200, 0.0) if c.row.kind == "real"]

    def measured(late: int) -> list[ClipLogits]:
        # Right where the contrast is above .5, anything below it.
        made = []
        for clip, contrast in zip(honest, rng.uniform(0, 1, len(honest)), strict=True):
            noise = rng.uniform(-30, 30) if contrast > 0.5 else rng.uniform(-600, 600)
            made.append(replace(clip, offset_ms=late + noise, offset_contrast=float(contrast)))
        return made

    assert offset_contrast(measured(0), {400: measured(400), -320: measured(-320)}) == pytest.approx(0.45, abs=0.05)
    assert offset_contrast(measured(0), {}) == NEVER
    assert offset_contrast(honest, {400: honest}) == NEVER
