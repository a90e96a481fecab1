# SPDX-License-Identifier: Apache-2.0
"""What is hidden from a model: the same places, whether it is given pixels or what trunks say of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avguard.spec import load_spec
from avguard.train.frozen import TAPS
from avguard.train.model import INPUT_SHAPES
from avguard.train.store import write_shard
from avguard.train.views import PIXELS, Frozen, Inputs, mask_sound, sound_masks

SPEC = load_spec()
SHAPES = {"looks": (4, 144), "fine": (24, 32, 48), "middle": (40, 16, 24), "coarse": (112, 8, 12)}
NOTHING = -7.0


@pytest.fixture
def frozen(tmp_path: Path) -> Frozen:
    write_shard(tmp_path / "windows-frozen", "zero", {n: np.full(s, NOTHING, np.float16) for n, s in SHAPES.items()})
    return Frozen(tmp_path / "windows", ("video", "audio", "sync"))


def inputs(n: int, frozen: bool) -> Inputs:
    rng = np.random.default_rng(0)
    shapes = dict(INPUT_SHAPES)
    if frozen:
        del shapes["linear"]
        mel = shapes.pop("mel")
        shapes |= {"looks": SHAPES["looks"], "mel": mel, **{name: SHAPES[name] for name in TAPS}}
    return tuple(rng.uniform(1, 2, (n, *shape)).astype(np.float32) for shape in shapes.values())


def test_both_hide_the_same_views(frozen: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avguard.train.styles.CHANCE", 0.0)
    monkeypatch.setattr("avguard.train.views._erase_square", lambda *_: None)
    monkeypatch.setattr("avguard.train.views.VIEW_DROPOUT", 0.2)
    monkeypatch.setattr("avguard.train.views.sound_masks", lambda _: ((0, 0), (0, 0), [(0, 0)]))
    n = 200
    whole, parts = inputs(n, frozen=False), inputs(n, frozen=True)
    PIXELS.disguise(whole, np.random.default_rng(1))
    frozen.disguise(parts, np.random.default_rng(1))
    face, mouth, motion, mel, linear = (~x.reshape(n, -1).any(1) for x in whole)
    gone = [~x.reshape(n, -1).any(1) for x in parts[:3]]
    assert all(np.array_equal(a, b) for a, b in zip((face, mouth, motion), gone, strict=True))
    assert np.array_equal((parts[3] == NOTHING).all((1, 2)), face)
    assert np.array_equal(~parts[4].reshape(n, -1).any(1), mel)
    for tap in parts[5:]:
        assert np.array_equal((tap == NOTHING).all((1, 2, 3)), linear)
    for share in (face, motion & ~mouth, mouth, mel, linear):
        assert 0.1 < share.mean() < 0.3
    assert np.array_equal(~whole[0][:, :, 3].any((1, 2, 3)), ~parts[0][:, :, 3].any((1, 2, 3)))


def test_masks_of_bands_and_time_lie_at_the_same_places_of_every_tap(
    frozen: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avguard.train.styles.CHANCE", 0.0)
    monkeypatch.setattr("avguard.train.views.VIEW_DROPOUT", 0.0)
    monkeypatch.setattr("avguard.train.views.sound_masks", lambda _: ((0, 8), (32, 64), [(48, 96), (0, 0)]))
    parts = inputs(2, frozen=True)
    frozen.disguise(parts, np.random.default_rng(0))
    assert not parts[4][:, :, :8].any()
    assert not parts[4][:, :, :, 48:96].any()
    for tap in parts[5:]:
        bands, frames = tap.shape[2:]
        hidden = np.zeros((bands, frames), bool)
        hidden[bands // 4 : bands // 2] = True
        hidden[:, frames // 4 : frames // 2] = True
        assert np.array_equal((tap == NOTHING).all((0, 1)), hidden)


def test_a_square_is_erased_of_the_faces_that_the_light_net_sees(
    frozen: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avguard.train.views.VIEW_DROPOUT", 0.0)
    parts = inputs(40, frozen=True)
    before = parts[3].copy()
    frozen.disguise(parts, np.random.default_rng(0))
    assert np.array_equal(parts[3], before)
    assert 0.3 < (parts[0] == 0).any((1, 2, 3, 4)).mean() < 0.7


@pytest.mark.parametrize("lag", [-12, -5, 3, 8])
def test_sound_is_moved_at_every_depth(frozen: Frozen, lag: int) -> None:
    parts = inputs(1, frozen=True)
    for sound in parts[4:]:
        sound[:] = np.arange(sound.shape[-1]) / sound.shape[-1]
    frozen.move(parts, 0, lag)
    for sound, step in zip(parts[4:], (0.25, 1, 2, 4), strict=True):
        late = sound[0, 0, 0].argmin() * step
        assert abs(late - lag % 48) <= step / 2


def test_masking_one_sound_draws_what_a_window_draws() -> None:
    mel, linear = (np.ones((bands, 192), np.float32) for bands in (SPEC.audio.mel_bands, SPEC.audio.linear_bands))
    mask_sound(mel, linear, np.random.default_rng(3))
    low, high, stretches = sound_masks(np.random.default_rng(3))
    wanted = np.ones_like(mel), np.ones_like(linear)
    for bands, rows in zip(wanted, (low, high), strict=True):
        bands[slice(*rows)] = 0
        for stretch in stretches:
            bands[:, slice(*stretch)] = 0
    assert np.array_equal(mel, wanted[0])
    assert np.array_equal(linear, wanted[1])
