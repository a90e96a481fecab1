# SPDX-License-Identifier: Apache-2.0
"""Batches: the labels that follow from how picture and sound were put together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avguard.spec import load_spec
from avguard.train.dataset import AUDIO, DESYNC, SYNC, VIDEO, Sampler
from avguard.train.store import Pool, encode_audio, encode_video, write_shard
from avguard.train.windows import AudioWindow, VideoWindow

SPEC = load_spec()
SIDE, MOUTH = SPEC.video.canvas_px, SPEC.video.mouth_px


def video(clip: str, start: int, label: float, family: str = "", breaks: float = 0.0) -> VideoWindow:
    steps, broken = np.full(12, label, np.float32), np.full(12, breaks, np.float32)
    face = np.zeros((12, 4, SIDE, SIDE), np.float32)
    return VideoWindow(
        clip, start, label, steps, broken, family, face, np.zeros((48, 1, MOUTH, MOUTH), np.float32),
        np.zeros((SPEC.motion.dims, 1, 48), np.float32),
    )  # fmt: skip


def audio(clip: str, start: int, label: float, family: str = "") -> AudioWindow:
    mel, linear = np.ones((SPEC.audio.mel_bands, 192), np.float32), np.ones((SPEC.audio.linear_bands, 192), np.float32)
    return AudioWindow(clip, start, label, np.full(12, label, np.float32), family, mel, linear)


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    nan = float("nan")
    videos = [video("real1", s, 0) for s in (0, 30)] + [video("real2", 0, 0)]
    videos += [video("real1", 0, 1, "lip_reenact", breaks=1), video("real1", 0, 1, "self_blend"), video("fake", 0, 1)]
    audios = [audio("real1", s, 0) for s in (0, 30)] + [audio("real2", 0, 0), audio("real1", 0, 1, "world")]
    audios += [audio("fake", 0, nan), audio("speech", 0, 1)]
    write_shard(tmp_path / "v", "a", encode_video(videos))
    write_shard(tmp_path / "a", "a", encode_audio(audios))
    pools = Pool(tmp_path / "v"), Pool(tmp_path / "a")
    for pool in pools:
        pool.refresh()
    kinds = {"real1": "real", "real2": "real", "fake": "fake", "speech": "fake"}
    return Sampler(*pools, {name: name for name in kinds}, kinds)


def labels(sampler: Sampler, kind: str) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        chosen = sampler._draw_one(kind, rng)
        window, steps = np.full((1, 4), np.nan, np.float32), np.full((1, 4, 12), np.nan, np.float32)
        sampler._label(0, *chosen, window, steps)
        found.append(window[0])
    return found


def test_bona_fide_is_clean_in_every_head(sampler: Sampler) -> None:
    assert all(row.tolist() == [0, 0, 0, 0] for row in labels(sampler, "bona_fide"))


def test_forged_sound_is_manipulated_but_in_sync(sampler: Sampler) -> None:
    assert all(row.tolist() == [0, 1, 1, 0] for row in labels(sampler, "forged_audio"))


def test_forged_picture_breaks_sync_only_where_the_lips_changed(sampler: Sampler) -> None:
    rows = labels(sampler, "forged_video")
    assert all(row[[VIDEO, AUDIO, SYNC]].tolist() == [1, 0, 1] for row in rows)
    assert {float(row[DESYNC]) for row in rows} == {0.0, 1.0}


def test_mismatch_is_out_of_sync_with_both_streams_clean(sampler: Sampler) -> None:
    assert all(row.tolist() == [0, 0, 1, 1] for row in labels(sampler, "mismatch"))


def test_given_fakes_say_nothing_about_what_is_unknown(sampler: Sampler) -> None:
    for row in labels(sampler, "given_fake"):
        assert row[[VIDEO, SYNC]].tolist() == [1, 1]
        assert np.isnan(row[[AUDIO, DESYNC]]).all()


def test_sound_alone_has_only_an_audio_label(sampler: Sampler) -> None:
    for row in labels(sampler, "sound_alone"):
        assert np.isfinite(row[AUDIO])
        assert np.isnan(row[[VIDEO, SYNC, DESYNC]]).all()


def test_a_forged_window_brings_its_original_along(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avguard.train.dataset.MIX", {"forged_video": 1.0})
    monkeypatch.setattr("avguard.train.dataset.MODALITY_DROPOUT", 0.0)
    batch = sampler.draw(16, np.random.default_rng(1))
    assert batch.window[:, VIDEO].tolist() == [1, 0] * 8
    assert batch.in_sync.tolist() == [False, True] * 8


def test_the_original_is_the_neighbour_that_shares_its_augmentation(sampler: Sampler) -> None:
    rng = np.random.default_rng(0)
    keys = sampler._key
    forged = [i for i, f in enumerate(sampler._forged) if f]
    assert forged
    for i in forged:
        original = sampler._original(i, rng)
        assert keys[original] == keys[i]
        assert not sampler._forged[original]
    plain = next(i for i, f in enumerate(sampler._forged) if not f)
    assert sampler._original(plain, rng) == plain


def test_a_batch_is_whole_and_repeats_by_seed(sampler: Sampler) -> None:
    one, two = (sampler.draw(16, np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one.inputs, two.inputs, strict=True))
    assert np.array_equal(one.window, two.window, equal_nan=True)
    assert [x.shape[0] for x in one.inputs] == [16] * 5
    silent = (one.inputs[3] == 0).all((1, 2, 3)) & (one.inputs[4] == 0).all((1, 2, 3))
    assert np.isnan(one.window[silent, AUDIO]).all()
    assert (np.isfinite(one.window).any(1)).all()
    assert not one.in_sync[np.isnan(one.window[:, SYNC])].any()


def test_sound_is_moved_by_the_lag_and_far_moves_are_mismatches(sampler: Sampler) -> None:
    rng, n = np.random.default_rng(0), 64
    sound = np.arange(192, dtype=np.float32) + np.zeros((n, 1, 2, 192), np.float32)
    inputs = (np.zeros(0), np.zeros(0), np.zeros(0), sound.copy(), sound.copy())
    window, steps = np.zeros((n, 4), np.float32), np.zeros((n, 4, 12), np.float32)
    which = np.arange(n) % 2 == 0
    lags = sampler._move(inputs, window, steps, which, rng)
    assert not lags[~which].any()
    assert 8 < np.count_nonzero(lags) < 28
    assert {lag > 0 for lag in lags[lags != 0]} == {True, False}
    for i, lag in enumerate(lags):
        inside = slice(max(0, 4 * lag), 192 + min(0, 4 * lag))
        assert np.array_equal(inputs[3][i, 0, 0, inside] + 4 * lag, sound[i, 0, 0, inside])
        assert window[i].tolist() == ([0, 0, 1, 1] if abs(lag) >= 6 else [0, 0, 0, 0])
        unknown = np.isnan(steps[i])
        assert not unknown[[VIDEO, AUDIO]].any()
        wrapped = 0 if abs(lag) >= 6 else -(-abs(lag) // 4)
        assert unknown[DESYNC].sum() == wrapped
        assert unknown[DESYNC, :wrapped].all() if lag > 0 else unknown[DESYNC, 12 - wrapped :].all()


def test_the_original_of_a_forged_window_keeps_its_sound(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avguard.train.dataset.MIX", {"forged_video": 1.0})
    assert not sampler.draw(64, np.random.default_rng(1)).lags.any()
    assert sampler.draw_bona_fide(64, np.random.default_rng(1)).lags.any()
