# SPDX-License-Identifier: Apache-2.0
"""What a run may see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avguard.data.row import Row
from avguard.train.dataset import Sampler
from avguard.train.loop import Settings
from avguard.train.material import hidden_clips, make_sampler, some
from tests.train.test_dataset import sampler

__all__ = ["sampler"]


def row(name: str, kind: str, generator: str = "", source: str = "") -> Row:
    fake = int(kind == "fake")
    return Row(f"clips/{name}.mp4", "clips", kind, fake, fake, generator, source or name, name, "train", 2.0)


ROWS = [row(f"real{i}", "real") for i in range(1, 9)]
ROWS += [row(f"fake{i}", "fake", f"g{i}", "one") for i in range(1, 5)] + [row("lips", "fake", "Wav2Lip", "one")]


def test_smaller_shares_are_part_of_larger_ones() -> None:
    names = [f"n{i}" for i in range(40)]
    shares = [some(names, share, seed=3) for share in (0.125, 0.25, 0.5, 1.0)]
    assert [len(s) for s in shares] == [5, 10, 20, 40]
    assert all(small < large for small, large in zip(shares, shares[1:], strict=False))
    assert some(names, 0.01, seed=3) <= shares[0]
    assert some(names, 0.0, seed=3) == set()
    assert some(names, 0.5, seed=3) != some(names, 0.5, seed=4)


def test_shares_hide_sources_and_generators_each_alone() -> None:
    assert hidden_clips(Settings(), ROWS) == set()
    half = hidden_clips(Settings(share_sources=0.5), ROWS)
    assert len(half) == 4
    assert all(name.startswith("real") for name in half)
    fakes = {r.path[6:-4] for r in ROWS if r.kind == "fake"}
    assert hidden_clips(Settings(share_generators=0.0), ROWS) == fakes
    assert len(hidden_clips(Settings(share_generators=0.4), ROWS)) == 3


def test_families_are_held_out_together() -> None:
    assert hidden_clips(Settings(hold_out="lip_sync_gan"), ROWS) == {"lips"}
    assert hidden_clips(Settings(hold_out="lip_sync_gan,other"), ROWS) == {r.path[6:-4] for r in ROWS[8:]}


def drawn(sampler: Sampler, settings: Settings) -> Sampler:
    rows = [row("real1", "real"), row("real2", "real"), row("fake", "fake", "g"), row("speech", "fake", "t")]
    return make_sampler(settings, sampler.video, sampler.audio, rows)


def test_draws_that_lack_material_are_left_out(sampler: Sampler) -> None:
    shares = drawn(sampler, Settings())._shares()
    assert sum(shares.values()) == pytest.approx(1.0)
    assert {"forged_video", "forged_audio", "given_fake"} <= set(shares)
    given = drawn(sampler, Settings(share_forgeries=0.0))
    assert not {"forged_video", "forged_audio", "forged_both"} & set(given._shares())
    assert sum(given._shares().values()) == pytest.approx(1.0)
    batch = given.draw(64, np.random.default_rng(0))
    assert set(batch.window[:, 0][np.isfinite(batch.window[:, 0])]) == {0.0, 1.0}
    forge = drawn(sampler, Settings(share_generators=0.0))
    assert "given_fake" not in forge._shares()
    assert forge.draw(64, np.random.default_rng(0)).window.shape == (64, 4)


def test_a_mismatch_is_not_made_with_a_hidden_sound(sampler: Sampler) -> None:
    hidden = drawn(sampler, replace(Settings(), without_sources="real2"))
    assert {str(c) for c in hidden.audio.column("clip")[hidden._real_sounds]} == {"real1"}


def test_lags_are_moved_as_often_as_asked(sampler: Sampler) -> None:
    still = drawn(sampler, Settings(moved_share=0.0))
    assert not still.draw_bona_fide(64, np.random.default_rng(0)).lags.any()
    always = drawn(sampler, Settings(moved_share=1.0))
    assert (always.draw_bona_fide(64, np.random.default_rng(0)).lags != 0).mean() > 0.8


def test_a_mismatch_is_a_fake_to_the_heads_that_are_told_so(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avguard.train.dataset.MIX", {"mismatch": 0.5, "bona_fide": 0.5})
    monkeypatch.setattr("avguard.train.dataset.MODALITY_DROPOUT", 0.0)
    both, one = (
        drawn(sampler, Settings(mismatch_heads=heads)).draw(64, np.random.default_rng(0))
        for heads in ("sync,desync", "desync")
    )
    apart = both.window[:, 3] == 1
    assert 20 < apart.sum() < 60
    assert (both.window[apart, 2] == 1).all()
    assert np.isnan(one.window[apart, 2]).all()
    assert np.isnan(one.steps[apart, 2]).all()
    assert np.array_equal(one.window[:, 3], both.window[:, 3])
    assert np.array_equal(one.window[~apart], both.window[~apart], equal_nan=True)
