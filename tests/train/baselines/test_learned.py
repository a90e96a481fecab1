# SPDX-License-Identifier: Apache-2.0
"""The nets that learn: shapes and sizes, and that a planted cue is found on clips that training did not see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avguard.evaluate.manifest import read_manifest
from avguard.evaluate.metrics import auc
from avguard.train.baselines.faces import FrameNet
from avguard.train.baselines.fit import fit
from avguard.train.baselines.inputs import Parts, judged_parts, training_draws, window_scores
from avguard.train.baselines.offset import SyncNet, clip_scores, confidence
from avguard.train.baselines.sound import ROWS, SoundNet
from avguard.train.dataset import Sampler
from avguard.train.loop import Settings
from avguard.train.model import INPUT_SHAPES, count_parameters
from avguard.train.store import Pool
from avguard.train.validation import Validation
from tests.train.baselines.worlds import talk, world, write_part

SHORT = Settings(batch=8, learning_rate=2e-3, without_parts="validation,test", ema=0.8)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_the_sound_net_is_as_small_as_the_published_one() -> None:
    net = SoundNet().eval()
    # 85,306 are published; the difference is the table of places (21 rows for 23) and the front end's norm.
    assert abs(count_parameters(net) - 85_306) < 500
    with torch.no_grad():
        out = net(torch.randn(2, *INPUT_SHAPES["linear"]))
        assert out.shape == (2, 1)
        rows = net.encoder(net.front(torch.randn(1, *INPUT_SHAPES["linear"])))
    assert rows.shape == (1, 24, ROWS, 32)


@pytest.mark.parametrize(("net", "head", "steps"), [(SoundNet, "audio", 30), (FrameNet, "video", 20)])
def test_a_planted_cue_is_learned(net: type[SoundNet | FrameNet], head: str, steps: int, tmp_path: Path) -> None:
    data, store = world(tmp_path)
    rows = read_manifest(data)
    sampler = training_draws(SHORT, store, rows, net.reads)
    model = net()
    trained = fit(model, sampler.draw, model.loss, replace(SHORT, steps=steps))
    scores = window_scores(trained, judged_parts(store, rows, net.reads)["test"])
    assert all(set(heads) == {head} for heads in scores.values())
    truth = {Path(row.path).stem: int(row.kind == "fake") for row in rows}
    assert auc([truth[clip] for clip in scores], [heads[head] for heads in scores.values()]) == 1.0


def test_the_same_seed_trains_the_same_net(tmp_path: Path) -> None:
    data, store = world(tmp_path)
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        sampler = training_draws(SHORT, store, read_manifest(data), SoundNet.reads)
        model = SoundNet()
        made.append(fit(model, sampler.draw, model.loss, replace(SHORT, steps=2)).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(made[0].values(), made[1].values(), strict=True))


def test_lips_and_voice_of_one_moment_are_surer_than_of_two(tmp_path: Path) -> None:
    pairs = [talk(seed) for seed in range(24)]
    write_part(tmp_path, *(list(side) for side in zip(*pairs, strict=True)))
    video, audio = Pool(tmp_path / "video"), Pool(tmp_path / "audio")
    video.refresh()
    audio.refresh()
    clips = [p[0].clip for p in pairs]
    sampler = Sampler(video, audio, {c: c for c in clips}, dict.fromkeys(clips, "real"), views=Parts(SyncNet.reads))
    model = SyncNet()
    net = fit(model, sampler.draw_bona_fide, model.loss, replace(SHORT, steps=40))
    fresh = [talk(seed) for seed in range(100, 108)]
    write_part(tmp_path / "fresh", *(list(side) for side in zip(*fresh, strict=True)))
    pools = Pool(tmp_path / "fresh/video"), Pool(tmp_path / "fresh/audio")
    for pool in pools:
        pool.refresh()
    names = [p[0].clip for p in fresh]
    together = clip_scores(net, Validation(names, [(i, i) for i in range(8)], *pools, {}, Parts(SyncNet.reads)))
    apart = clip_scores(net, Validation(names, [(i, (i + 1) % 8) for i in range(8)], *pools, {}, Parts(SyncNet.reads)))
    assert max(s["sync"] for s in together.values()) < min(s["sync"] for s in apart.values())
    assert all(s["sync"] == s["desync"] for s in apart.values())
    # Without a picture there is nothing to compare.
    assert clip_scores(net, Validation(names[:2], [(-1, 0), (0, 0)], *pools, {}, Parts(SyncNet.reads))).keys() == {
        names[1]
    }


def test_confidence_is_the_depth_of_the_valley() -> None:
    flat, sharp = np.full(31, 0.2, np.float32), np.full(31, 0.2, np.float32)
    sharp[12] = 0.9
    assert confidence(flat) == pytest.approx(0, abs=1e-6)
    assert confidence(sharp) == pytest.approx(np.sqrt(1.6) - np.sqrt(0.2), abs=1e-5)
