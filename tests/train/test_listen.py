# SPDX-License-Identifier: Apache-2.0
"""Going on with the audio stream alone: what is drawn, and which weights move."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avguard.data.row import Row
from avguard.errors import UsageError
from avguard.train.listen import Listener, listen
from avguard.train.loop import Settings
from avguard.train.model import JointModel
from avguard.train.store import encode_audio, write_shard
from tests.train.test_dataset import audio


def row(name: str, kind: str, source: str, split: str = "train") -> Row:
    fake = int(kind == "fake")
    return Row(
        path=f"clips/{name}.mp4", media="clips", kind=kind, video=fake, audio=fake, generator="VITS" if fake else "",
        source=source, group=name, split=split, duration_s=2.0,
    )  # fmt: skip


ROWS = [row("real1", "real", "s/a"), row("real2", "real", "s/b"), row("fake1", "fake", "s/c"),
        row("test1", "real", "s/t", "test")]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    windows = [audio("real1", 0, 0), audio("real2", 0, 0), audio("fake1", 0, 1), audio("test1", 0, 0)]
    write_shard(tmp_path / "audio", "a", encode_audio([*windows, audio("real1", 0, 1, "world")]))
    return tmp_path / "audio"


def test_half_of_a_batch_is_bona_fide_and_nothing_of_the_test_part_is_drawn(folder: Path) -> None:
    listener = Listener([folder, folder.parent / "none"], ROWS, 0)
    assert [len(ids) for ids, _ in listener._sets.values()] == [2, 1, 1]
    batch = listener.draw(200)
    assert batch.mel.shape[:2] == (200, 1)
    assert batch.steps.shape == (200, 12)
    assert 0.4 < float((batch.window == 0).float().mean()) < 0.6
    kept = Listener([folder], ROWS, 0, away={"s/b"})
    assert [len(ids) for ids, _ in kept._sets.values()] == [1, 1, 1]


def test_a_class_without_windows_and_no_windows_at_all_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="all needed"):
        Listener([folder], ROWS, 0, away={"s/c"})
    with pytest.raises(UsageError, match="no sound windows"):
        Listener([tmp_path / "nothing"], ROWS, 0)


def test_only_the_audio_stream_and_its_head_move(folder: Path) -> None:
    torch.manual_seed(0)
    model = JointModel(0.25)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(1)
    after = listen(model, Listener([folder], ROWS, 0), replace(Settings(), steps=2, batch=4)).state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith(("audio.", "heads.audio.")) for name in moved)
    again = JointModel(0.25)
    again.load_state_dict(before)
    torch.manual_seed(1)
    same = listen(again, Listener([folder], ROWS, 0), replace(Settings(), steps=2, batch=4)).state_dict()
    assert all(torch.equal(after[name], same[name]) for name in after)


def test_a_model_without_an_audio_stream_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="no audio stream"):
        listen(JointModel(0.25, streams=["video"]), Listener([folder], ROWS, 0), replace(Settings(), steps=1))


def test_labels_are_those_of_the_windows(folder: Path) -> None:
    batch = Listener([folder], ROWS, 0).draw(64)
    assert set(np.unique(batch.window.numpy())) == {0.0, 1.0}
    assert torch.equal((batch.steps.mean(1) > 0.5).float(), batch.window)
