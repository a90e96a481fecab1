# SPDX-License-Identifier: Apache-2.0
"""Short runs over parts of a model: the rest stays, and a stopped run ends with the bits of one that was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from avguard.train.checkpoint import load_checkpoint, sources_of
from avguard.train.course import Course
from avguard.train.loop import Settings
from avguard.train.model import JointModel

PARTS = ("video.motion", "embed_video")
SETTINGS = replace(Settings(), steps=6, save_steps=2, ema=0.9, learning_rate=1e-2)


def make(state: Path, parts: tuple[str, ...] = PARTS) -> Course:
    torch.manual_seed(3)
    return Course(JointModel(0.25), parts, SETTINGS, state)


def loss_with(course: Course, stop_at: int = 99) -> Callable[[np.random.Generator], Tensor]:
    def loss_of(rng: np.random.Generator) -> Tensor:
        if course.step == stop_at:
            raise KeyboardInterrupt
        noise = torch.from_numpy(rng.normal(size=(2, 128, 1, 48)).astype(np.float32)) + torch.randn(1)
        motion = course.model.video.motion(noise[:, : course.model.video.motion[0][0].in_channels])  # type: ignore[union-attr, index]
        return motion.square().mean() + course.model.embed_video[0].weight.square().mean()  # type: ignore[index]

    return loss_of


def test_only_its_parts_move(tmp_path: Path) -> None:
    course = make(tmp_path / "state")
    before = {name: value.clone() for name, value in course.model.state_dict().items()}
    course.run(loss_with(course))
    moved = {n for n, value in course.model.state_dict().items() if not torch.equal(value, before[n])}
    assert {name.split(".")[0] for name in moved} == {"video", "embed_video"}
    assert all(name.startswith(PARTS) for name in moved)
    assert any("running_mean" in name for name in moved)


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = make(tmp_path / "one.state")
    whole.run(loss_with(whole))
    whole.finish(tmp_path / "one.pt", {"b", "a"})
    assert sources_of(tmp_path / "one.pt") == ["a", "b"]
    stopped = make(tmp_path / "two.state")
    with pytest.raises(KeyboardInterrupt):
        stopped.run(loss_with(stopped, stop_at=5))
    again = make(tmp_path / "two.state")
    assert again.step == 4
    again.run(loss_with(again))
    again.finish(tmp_path / "two.pt", [])
    one, two = (load_checkpoint(tmp_path / f"{name}.pt").state_dict() for name in ("one", "two"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not list(tmp_path.glob("*.state"))
