# SPDX-License-Identifier: Apache-2.0
"""Contrastive pretraining: which weights move, and that a lag that is there is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avguard.errors import UsageError
from avguard.train.align import FARTHEST, PARTS, align, embeddings, found, lag_curves
from avguard.train.checkpoint import load_checkpoint
from avguard.train.loop import Settings
from avguard.train.model import JointModel, random_inputs
from avguard.train.pairs import Pairs
from avguard.train.validation import Validation
from avguard.train.views import PIXELS
from tests.train.test_pairs import ROWS, store

TINY = replace(Settings(), steps=2, batch=3)


def test_the_embeddings_are_those_of_the_whole_model() -> None:
    model = JointModel(0.25).eval()
    inputs = random_inputs(2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, parts = model(*inputs)[2:], embeddings(model, *inputs[1:])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole, parts, strict=True))
    with pytest.raises(UsageError, match="sync-stream"):
        embeddings(JointModel(0.25, streams=["audio"]), *inputs[1:])


def test_only_what_feeds_the_embeddings_moves(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = JointModel(0.25)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    aligned = align(model, Pairs(*store(tmp_path), ROWS), TINY, tmp_path / "aligned.pt")
    moved = {name for name, value in aligned.state_dict().items() if not torch.equal(value, before[name])}
    assert {part for part in PARTS if any(name.startswith(f"{part}.") for name in moved)} == set(PARTS)
    assert all(name.startswith(tuple(f"{part}." for part in PARTS)) for name in moved)
    written = load_checkpoint(tmp_path / "aligned.pt").state_dict()
    assert all(torch.equal(value, written[name]) for name, value in aligned.state_dict().items())


@pytest.mark.parametrize("lag", [-8, 0, 3])
def test_a_curve_peaks_at_the_lag_that_is_there(lag: int) -> None:
    rng = np.random.default_rng(0)
    long = rng.normal(size=(2, 32, 100)).astype(np.float32)
    long /= np.linalg.norm(long, axis=1, keepdims=True)
    curves = lag_curves(long[:, :, 20:68], long[:, :, 20 - lag : 68 - lag])
    assert (curves.argmax(1) - FARTHEST == lag).all()
    assert curves.max() == pytest.approx(1, abs=1e-5)


def test_shares_are_over_the_clips_asked_for(tmp_path: Path) -> None:
    store(tmp_path)
    windows = Validation(["a", "b"], [(0, 0), (1, 1)], *PIXELS.pools(tmp_path), {})
    shares = found(JointModel(0.25), windows, {"a"}, 0)
    assert all(share in (0.0, 1.0) for share in shares)
