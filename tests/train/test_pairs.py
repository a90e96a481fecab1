# SPDX-License-Identifier: Apache-2.0
"""Lips and voice of one moment: who may be drawn, and that the sound is late by what is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from avguard.data.row import Row
from avguard.errors import UsageError
from avguard.train import pairs
from avguard.train.pairs import PER_FRAME, Pairs, moved, sounds_by_key
from avguard.train.store import Pool, encode_audio, encode_video, write_shard
from avguard.train.views import PIXELS
from tests.train.test_dataset import audio, video


def row(name: str, kind: str = "real", source: str = "a/b", split: str = "train") -> Row:
    fake = int(kind != "real")
    return Row(f"clips/{name}.mp4", "clips", kind, fake, fake, "", source, name, split, 2.0)


ROWS = [row("a"), row("b"), row("made", "fake"), row("kept", split="test")]


def store(folder: Path) -> tuple[Pool, Pool]:
    """Windows of the clips in ROWS, and of a, forged pictures that keep and that break its timing."""
    pictures = [video("a", 0, 0), video("b", 0, 0), video("a", 0, 1, "other_moment_mouth", breaks=1)]
    pictures += [video("a", 0, 1, "self_blend")]
    pictures += [video("made", 0, 1), video("made", 0, 1, "self_blend"), video("kept", 0, 0), video("mute", 0, 0)]
    sounds = [audio("a", 0, 0), audio("b", 0, 0), audio("a", 0, 1, "world"), audio("a", 0, 1, "partial_world")]
    sounds += [audio("made", 0, 1), audio("kept", 0, 0)]
    rng = np.random.default_rng(0)
    for values in [x for p in pictures for x in (p.mouth, p.motion)] + [x for s in sounds for x in (s.mel, s.linear)]:
        values[:] = rng.uniform(-0.9, 0.9, values.shape)
    write_shard(folder / "video", "a", encode_video(pictures))
    write_shard(folder / "audio", "a", encode_audio(sounds))
    return PIXELS.pools(folder)


def test_what_is_drawn_is_of_one_moment(tmp_path: Path) -> None:
    made = Pairs(*store(tmp_path), ROWS)
    assert made.ids.tolist() == [0, 1, 3, 4]
    assert made.sounds[("a", 0)] == [0, 2]
    weight = dict(zip(made.ids.tolist(), made.weight.tolist(), strict=True))
    assert weight[4] == pytest.approx(weight[1] / 2)
    assert sounds_by_key(made.audio, None)[("a", 0)] == [0, 2, 3]
    with pytest.raises(UsageError, match="produce"):
        Pairs(made.video, made.audio, [row("kept", split="test")])


def test_the_sound_is_late_by_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_mask_bands", lambda *_: None)
    monkeypatch.setattr(pairs, "HIDDEN", 0.0)
    made = Pairs(*store(tmp_path), ROWS)
    lips = made.draw(16, np.random.default_rng(0))
    assert len(set(lips.lags.tolist())) > 3
    plain = [torch.from_numpy(made.audio.take("mel", np.array([i])).astype(np.float32))[0] for i in range(6)]
    for mel, lag in zip(lips.mel, lips.lags.tolist(), strict=True):
        back = moved(mel, -lag)
        assert any(torch.equal(back.squeeze(), sound.squeeze()) for sound in plain)
    assert torch.equal(moved(torch.arange(12.0), 1)[PER_FRAME:], torch.arange(12.0)[:-PER_FRAME])


def test_parts_are_hidden_and_draws_repeat(tmp_path: Path) -> None:
    made = Pairs(*store(tmp_path), ROWS)
    one, two = (made.draw(40, np.random.default_rng(1)) for _ in range(2))
    assert all(torch.equal(getattr(one, key), getattr(two, key)) for key in ("mouth", "motion", "mel", "linear"))
    gone = [int((getattr(one, key).flatten(1).abs().sum(1) == 0).sum()) for key in ("mouth", "motion", "mel", "linear")]
    assert all(0 < count < 20 for count in gone)
