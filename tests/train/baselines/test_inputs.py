# SPDX-License-Identifier: Apache-2.0
"""What baselines are given: the joint model's inputs where they read them, its clips where they judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from avguard.errors import UsageError
from avguard.evaluate.manifest import read_manifest
from avguard.train.baselines.inputs import Parts, head_column, judged_parts, training_draws, window_scores
from avguard.train.loop import Settings
from avguard.train.model import INPUT_SHAPES
from avguard.train.views import PIXELS
from tests.train.baselines.worlds import world

EVERYTHING = (*INPUT_SHAPES, "difference")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return world(tmp_path)


def test_what_is_read_is_what_the_joint_model_gets_and_the_rest_is_zero(folders: tuple[Path, Path]) -> None:
    pools = PIXELS.pools(folders[1] / "train")
    videos, audios = np.array([0, -1, 5]), np.array([3, 2, -1])
    wanted = PIXELS.pack(*pools, videos, audios)
    for found, array in zip(Parts(EVERYTHING).pack(*pools, videos, audios), wanted, strict=True):
        np.testing.assert_allclose(found, array, atol=1e-6)
    for name in INPUT_SHAPES:
        for other, found, array in zip(INPUT_SHAPES, Parts([name]).pack(*pools, videos, audios), wanted, strict=True):
            colours = slice(3) if other == "face" else slice(None)
            np.testing.assert_allclose(found[:, :, colours], array[:, :, colours] * (other == name), atol=1e-6)


def test_draws_are_of_training_clips_and_hold_what_is_read(folders: tuple[Path, Path]) -> None:
    data, store = folders
    sampler = training_draws(Settings(without_parts="validation,test"), store, read_manifest(data), ["linear"])
    batch = sampler.draw(16, np.random.default_rng(0))
    assert batch.inputs[4].any()
    assert not any(x.any() for x in batch.inputs[:4])
    assert {0.0, 1.0} <= set(batch.window[:, 1].tolist())


class Loud:
    """Says of each window how loud it is."""

    reads, heads = ("mel",), ("audio", "sync")

    def answer(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return head_column(inputs[3].mean((1, 2, 3))[:, None], *self.heads)


def test_a_clip_scores_the_mean_of_its_windows_in_the_heads_that_are_answered(folders: tuple[Path, Path]) -> None:
    data, store = folders
    parts = judged_parts(store, read_manifest(data), ["mel"])
    assert set(parts) == {"validation", "test"}
    scores = window_scores(Loud(), parts["test"])
    assert set(scores) == {str(clip) for clip in parts["test"].clips}
    assert all(set(heads) == {"audio", "sync"} for heads in scores.values())
    first = parts["test"].clips[0]
    mel = parts["test"].audio.take("mel", np.array([parts["test"].pairs[0][1]]))
    assert scores[first]["audio"] == pytest.approx(float(mel.astype(np.float32).mean()), abs=1e-3)


def test_a_store_without_test_windows_says_what_to_do(folders: tuple[Path, Path]) -> None:
    data, store = folders
    lines = (data / "clips.csv").read_text().replace(",test,", ",train,")
    (data / "clips.csv").write_text(lines)
    with pytest.raises(UsageError, match="no windows of test clips"):
        judged_parts(store, read_manifest(data), ["mel"])


def test_a_column_is_the_heads_own() -> None:
    assert head_column(torch.tensor([[2.0]]), "audio").tolist() == [[0, 2, 0, 0]]
    assert head_column(torch.tensor([[2.0]]), "sync", "desync").tolist() == [[0, 0, 2, 2]]
