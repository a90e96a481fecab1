# SPDX-License-Identifier: Apache-2.0
"""After alignment: who is paired with whom, what is right about them, and that the rest of the model stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avguard.errors import UsageError
from avguard.train.course import Course
from avguard.train.dataset import AUDIO, DESYNC, SYNC, VIDEO
from avguard.train.loop import Settings
from avguard.train.model import JointModel
from avguard.train.pairs import take_sound
from avguard.train.settle import BESIDE, LABELS_SHARE, LATE, OTHER, PARTS, TOGETHER, Draw, Lessons, Pairing
from avguard.train.store import Pool, decode_video
from avguard.train.taps import audio_taps, face_features, video_taps
from tests.train.test_pairs import ROWS, row, store

SETTINGS = replace(Settings(), steps=2, batch=6)


@pytest.fixture
def pools(tmp_path: Path) -> tuple[Pool, Pool]:
    return store(tmp_path)


def test_each_kind_has_the_sound_that_it_says(pools: tuple[Pool, Pool]) -> None:
    pairing = Pairing(*pools, ROWS)
    draw = pairing.draw(400, np.random.default_rng(0))
    assert set(draw.kinds.tolist()) == {TOGETHER, BESIDE, LATE, OTHER}
    clips, families = pools[1].column("clip"), pools[1].column("family")
    for video, audio, lag, kind in zip(draw.video, draw.audio, draw.lags, draw.kinds, strict=True):
        name = pairing.keys[video][0]
        assert name in ("a", "b", "made")
        assert (clips[audio] == name) == (kind != OTHER)
        assert kind == TOGETHER or families[audio] == ""
        assert abs(lag) < 6 if kind == BESIDE else 6 <= abs(lag) <= 15 if kind == LATE else lag == 0
        assert kind != BESIDE or (name != "made" and not pairing.broken[video].any())
    assert "world" in families[draw.audio]
    with pytest.raises(UsageError, match="produce"):
        Pairing(*pools, [row("made", "fake")])


def test_labels_follow_from_the_pairing(pools: tuple[Pool, Pool]) -> None:
    pairing = Pairing(*pools, ROWS)
    taught = torch.full((7, 4), 0.25), torch.full((7, 4, 12), 0.25)
    kinds = np.array([TOGETHER, BESIDE, LATE, OTHER, TOGETHER, TOGETHER, OTHER])
    # Windows 0: bona fide; 2: of the same clip, forged so that its lips are another moment's; 4: a generator's.
    # Sounds 0: bona fide; 2: of the same moment, forged.
    video, audio = np.array([0, 0, 0, 0, 2, 4, 0]), np.array([0, 0, 0, 1, 2, 4, 1])
    told = np.array([False] * 6 + [True])
    window, steps = pairing.labels(Draw(video, audio, np.zeros(7, np.int64), kinds, told), taught)
    honest, forged = 0.25 * (1 - LABELS_SHARE), 0.25 * (1 - LABELS_SHARE) + LABELS_SHARE
    assert window[:, VIDEO].tolist() == pytest.approx([honest] * 4 + [forged, forged, honest])
    assert window[[0, 1, 4, 5, 6], SYNC].tolist() == pytest.approx([honest, honest, forged, forged, 1])
    assert window[2:4, SYNC].isnan().all()
    assert steps[2:4, SYNC].isnan().all()
    assert window[[0, 1, 2, 3, 4, 6], DESYNC].tolist() == [0, 0, 1, 1, 1, 1]
    assert steps[[0, 1, 2, 3, 4, 6], DESYNC].mean(1).tolist() == [0, 0, 1, 1, 1, 1]
    assert window[5, DESYNC].isnan()
    assert steps[5, DESYNC].isnan().all()
    assert window[:, AUDIO].isnan().all()


def test_what_is_not_known_is_what_is_taught(tmp_path: Path) -> None:
    made = store(tmp_path)
    pairing = Pairing(*made, ROWS)
    pairing.seen = np.full_like(pairing.seen, np.nan)
    zero = np.zeros(1, np.int64)
    window, _ = pairing.labels(
        Draw(zero, zero, zero, zero, zero == 1), (torch.full((1, 4), 0.25), torch.full((1, 4, 12), 0.25))
    )
    assert window[0, [VIDEO, SYNC]].tolist() == [0.25, 0.25]


def test_what_is_computed_once_is_what_the_model_gives(pools: tuple[Pool, Pool]) -> None:
    torch.manual_seed(0)
    model = JointModel(0.25).eval()
    assert model.video is not None
    assert model.audio is not None
    face, mouth, motion = (torch.from_numpy(x) for x in decode_video(pools[0], np.array([1, 4])))
    with torch.no_grad():
        seen, heard = model.video(face, mouth, motion), model.audio(*take_sound(pools[1], np.array([4, 1])))
    faces = face_features(model.video, pools[0])
    for own, whole in zip(video_taps(model.video, pools[0], faces), seen, strict=True):
        assert torch.allclose(own[[1, 4]].float(), whole, atol=1e-2)
    for own, whole in zip(audio_taps(model.audio, pools[1], np.array([4, 1])), heard, strict=True):
        assert torch.allclose(own.float(), whole, atol=1e-2)


def test_only_what_reads_lips_and_voice_moves(pools: tuple[Pool, Pool], tmp_path: Path) -> None:
    torch.manual_seed(0)
    student, teacher = JointModel(0.25), JointModel(0.25)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    lessons = Lessons(student, teacher, Pairing(*pools, ROWS), *pools)
    course = Course(student, PARTS, SETTINGS, tmp_path / "state")
    course.run(lambda rng: lessons.loss(SETTINGS.batch, rng))
    moved = {name for name, value in student.state_dict().items() if not torch.equal(value, before[name])}
    assert {part for part in PARTS if any(name.startswith(f"{part}.") for name in moved)} == set(PARTS)
    assert all(name.startswith(tuple(f"{part}." for part in PARTS)) for name in moved)
    with pytest.raises(UsageError, match="sync-stream"):
        Lessons(JointModel(0.25, streams=["audio"]), teacher, lessons.pairing, *pools)
