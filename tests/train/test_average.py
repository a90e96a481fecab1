# SPDX-License-Identifier: Apache-2.0
"""Averaging checkpoints of one run."""

from __future__ import annotations

import pytest
import torch

from avguard.errors import UsageError
from avguard.train.average import average
from avguard.train.model import JointModel


def checkpoint(seed: int, width: float = 0.25) -> dict:
    torch.manual_seed(seed)
    model = JointModel(width=width)
    return {"model": model.state_dict(), "config": model.config, "spec_hash": "x"}


def test_the_mean_of_two_is_their_middle_and_loads() -> None:
    one, two = checkpoint(0), checkpoint(1)
    mean = average([one, two])
    name = "embed_video.0.weight"
    torch.testing.assert_close(mean["model"][name], (one["model"][name] + two["model"][name]) / 2)
    JointModel(**mean["config"]).load_state_dict(mean["model"])


def test_the_mean_has_seen_what_any_of_them_has() -> None:
    mean = average([checkpoint(0) | {"trained_on": ["b", "a"]}, checkpoint(1) | {"trained_on": ["c", "a"]}])
    assert mean["trained_on"] == ["a", "b", "c"]
    assert "trained_on" not in average([checkpoint(0)])


def test_checkpoints_of_other_runs_are_refused() -> None:
    with pytest.raises(UsageError, match="config"):
        average([checkpoint(0), checkpoint(0, 0.5)])
    with pytest.raises(UsageError, match="spec_hash"):
        average([checkpoint(0), checkpoint(0) | {"spec_hash": "y"}])
    with pytest.raises(UsageError, match="at least one"):
        average([])
