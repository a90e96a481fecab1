# SPDX-License-Identifier: Apache-2.0
"""Style mixing: statistics move between windows, what is left does not."""

from __future__ import annotations

import numpy as np
import torch

from avguard.train.styles import MixStyle, mix_band_styles

Bands = np.ndarray


def sounds(n: int, bands: int = 6) -> Bands:
    rng = np.random.default_rng(0)
    shape = rng.standard_normal((n, 1, bands, 192)) * rng.uniform(0.2, 2, (n, 1, bands, 1))
    return (shape + rng.uniform(-1, 1, (n, 1, bands, 1))).astype(np.float32)


def standardised(x: Bands) -> Bands:
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)


def test_bands_keep_their_course_and_change_their_style() -> None:
    mel, linear = sounds(16), sounds(16, 9)
    before = mel.copy(), linear.copy()
    mix_band_styles(mel, linear, np.random.default_rng(1))
    for now, then in zip((mel, linear), before, strict=True):
        assert np.abs(standardised(now) - standardised(then)).max() < 0.05
    moved = np.abs(linear - before[1]).max((1, 2, 3)) > 0.01
    assert 2 <= moved.sum() <= 13
    assert np.array_equal(moved, np.abs(mel - before[0]).max((1, 2, 3)) > 0.01)


def test_styles_stay_between_those_of_the_batch() -> None:
    mel, linear = sounds(16), sounds(16, 9)
    low, high = linear.std(-1).min(0), linear.std(-1).max(0)
    mix_band_styles(mel, linear, np.random.default_rng(1))
    assert (linear.std(-1) > low - 0.01).all()
    assert (linear.std(-1) < high + 0.01).all()


def test_missing_sound_stays_missing() -> None:
    mel, linear = sounds(8), sounds(8, 9)
    mel[::2] = linear[::2] = 0
    mix_band_styles(mel, linear, np.random.default_rng(2))
    assert not mel[::2].any()
    assert not linear[::2].any()
    assert (linear[1::2].std(-1) > 0.1).all()


def test_mixed_pictures_differ_in_training_only() -> None:
    torch.manual_seed(0)
    x = torch.randn(24, 5, 8, 8) * (1 + torch.arange(6).repeat_interleave(4)).reshape(-1, 1, 1, 1)
    mix = MixStyle(4)
    assert torch.equal(mix.eval()(x), x)
    mixed = mix.train()(x)
    changed = (mixed - x).abs().amax((1, 2, 3)).reshape(6, 4) > 1e-3
    assert changed.any()
    assert not changed.all()
    assert torch.equal(changed.all(1), changed.any(1))  # the pictures of a window go together


def test_a_missing_picture_takes_no_style() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 5, 8, 8)
    x[4:] = 0.3
    mix = MixStyle(2).train()
    for _ in range(20):
        assert torch.allclose(mix(x)[4:], x[4:], atol=1e-6)
