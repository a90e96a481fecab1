# SPDX-License-Identifier: Apache-2.0
"""The attack's packing is the core's, its pictures stay within the levels, and its gradient does what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from avguard import _core
from avguard.evaluate.manifest import Row
from avguard.train.adversarial.attack import Attacker, pack
from avguard.train.adversarial.defence import VIEWS
from avguard.train.adversarial.launder import LAUNDERING
from avguard.train.adversarial.measure import COLUMNS, judge, line
from avguard.train.adversarial.stretch import STRIDE, Stretch, inputs_of
from avguard.train.calibrate import identity_calibration
from avguard.train.dataset import SYNC, VIDEO
from avguard.train.model import JointModel
from avguard.train.windows import FRAMES, CachedClip

RNG = np.random.default_rng(3)
COUNT = FRAMES + STRIDE


@pytest.fixture(scope="module")
def model() -> JointModel:
    torch.manual_seed(0)
    return JointModel().eval()


def stretch(kind: str) -> Stretch:
    smooth = np.cumsum(RNG.integers(-3, 4, (COUNT, 112, 112, 3)), 0) + 128
    points = RNG.uniform(20, 90, (COUNT, 468, 2)).astype(np.float32)
    samples = (0.1 * np.sin(np.arange(COUNT * 640) * 0.1)).astype(np.float32)
    clip = CachedClip("a", np.arange(COUNT), np.clip(smooth, 0, 255).astype(np.uint8), points,
                      np.zeros((COUNT, 4), np.float32), samples, 0)  # fmt: skip
    fake = int(kind == "fake")
    return Stretch(Row("a.mp4", "clips", kind, fake, fake, "g", "s", "g", "train", 3.0), clip)  # type: ignore[arg-type]


def test_packing_is_the_cores() -> None:
    canvases = RNG.integers(0, 256, (FRAMES, 112, 112, 3), dtype=np.uint8)
    wanted = _core.pack_pixels(canvases)
    found = pack(torch.from_numpy(canvases.astype(np.float32)))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.numpy(), other, atol=1e-6)


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_attacks_stay_within_their_levels_and_push_the_right_way(model: JointModel, kind: str) -> None:
    given = stretch(kind)
    attacker = Attacker(model, given, given.ends())
    before, sign = _mean(model, given), -1 if kind == "fake" else 1
    for levels, made in ((2, attacker.fgsm(2)), (1, attacker.pgd(1, 2))):
        moved = made.clip.canvases.astype(int) - given.clip.canvases
        assert 0 < np.abs(moved).max() <= levels
        assert sign * (_mean(model, made) - before) > 0


def _mean(model: JointModel, given: Stretch) -> float:
    (clip,) = judge(model, [given])
    return float(np.mean(clip.logits["video"]) + np.mean(clip.logits["sync"]))


@pytest.mark.parametrize("name", LAUNDERING)
def test_laundered_clips_can_still_be_judged(name: str) -> None:
    given = stretch("fake")
    made = LAUNDERING[name](given)
    assert not np.array_equal(made.clip.canvases[:FRAMES], given.clip.canvases[:FRAMES])
    inputs = inputs_of(made, made.ends())
    assert inputs is not None
    assert all(np.isfinite(part).all() for part in inputs)


def test_defences_look_more_than_once() -> None:
    looks = {name: view(stretch("real")) for name, view in VIEWS.items()}
    assert [len(inputs[0]) for inputs in looks.values() if inputs is not None] == [2, 5, 8]


def test_a_line_of_the_table(model: JointModel) -> None:
    clips = judge(model, [stretch("real"), stretch("fake")])
    moved = [replace(clip, logits={h: [v - 2 for v in values] for h, values in clip.logits.items()}) for clip in clips]
    calibration = identity_calibration() | {
        "both": {"bias": 0, "either": 1, "weight": dict.fromkeys(clips[0].logits, 0)}
    }
    cells = line("x", "none", moved, clips, calibration)
    assert len(cells) == len(COLUMNS)
    assert "(-2.0)" in cells[2]
    assert (VIDEO, SYNC) == (0, 2)
