# SPDX-License-Identifier: Apache-2.0
"""The core's sample-rate converter: pass band, stop band, time, length, chunks, hostile samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avguard import _core
from avguard.errors import UsageError
from avguard.spec import load_spec
from tests.core import reference_audio as reference

Floats = NDArray[np.float32]
OUT_HZ = load_spec().audio.sample_rate_hz
RATES = [8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000, 22057, 4000, 192000, 15999, 191999, 191875]


def nyquist_hz(rate_hz: int) -> float:
    return min(rate_hz, OUT_HZ) / 2


def settled(samples: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """Without what the signal's hard ends ring into: the filter reaches 60 periods of the lower rate."""
    margin = round(64 * OUT_HZ / min(rate_hz, OUT_HZ))
    return samples[margin:-margin]


def decibels(ratio: float) -> float:
    return float(20 * np.log10(max(ratio, 1e-12)))


def sine(hz: float, rate_hz: int, seconds: float = 0.25) -> Floats:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz).astype(np.float32)


@pytest.mark.parametrize("rate_hz", RATES)
def test_pass_band_is_flat_and_in_time(rate_hz: int) -> None:
    for share in (0.0101, 0.11, 0.37, 0.59, 0.77, 0.85, 0.9):
        hz = share * nyquist_hz(rate_hz)
        out = _core.resample(sine(hz, rate_hz), rate_hz).astype(np.float64)
        times_s = np.arange(len(out)) / OUT_HZ
        basis = np.stack([np.sin(2 * np.pi * hz * times_s), np.cos(2 * np.pi * hz * times_s)], axis=1)
        inner = settled(np.arange(len(out), dtype=np.float64), rate_hz).astype(int)
        (in_phase, quadrature), *_ = np.linalg.lstsq(basis[inner], out[inner], rcond=None)
        assert abs(decibels(np.hypot(in_phase, quadrature))) <= 0.1
        assert abs(quadrature) < 1e-4  # no delay: a hundredth of a sample at 0.9 Nyquist would give 2.8e-2
        rest = out[inner] - basis[inner] @ [in_phase, quadrature]
        assert decibels(np.abs(rest).max()) <= -80  # images and table error


@pytest.mark.parametrize("rate_hz", [rate for rate in RATES if rate > OUT_HZ])
def test_nothing_above_the_lower_nyquist_folds_back(rate_hz: int) -> None:
    low, high = OUT_HZ / 2, rate_hz / 2
    for hz in low + (high - low) * np.array([0.0003, 0.005, 0.03, 0.1, 0.33, 0.5, 0.77, 0.999]):
        out = _core.resample(sine(float(hz), rate_hz), rate_hz).astype(np.float64)
        assert decibels(np.abs(settled(out, rate_hz)).max()) <= -80


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_mixture_matches_its_definition(rate_hz: int) -> None:
    generator = np.random.default_rng(rate_hz)
    hz = generator.uniform(20, 0.88 * nyquist_hz(rate_hz), 15)
    phase, amplitude = generator.uniform(0, 6, 15), generator.uniform(0.02, 0.06, 15)
    given_samples = reference.tones(hz, phase, amplitude, np.arange(rate_hz // 4) / rate_hz).astype(np.float32)
    out = _core.resample(given_samples, rate_hz)
    expected = reference.tones(hz, phase, amplitude, np.arange(len(out)) / OUT_HZ)
    assert np.abs(settled(out - expected, rate_hz)).max() < 1e-4


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("share", [0.3, 0.50001, 0.7123])
def test_a_click_stays_in_its_place(rate_hz: int, share: float) -> None:
    samples = np.zeros(rate_hz // 2, np.float32)
    at = round(share * len(samples))
    samples[at] = 1.0
    out = _core.resample(samples, rate_hz).astype(np.float64)
    centre = (np.arange(len(out)) * out).sum() / out.sum()
    assert abs(centre / OUT_HZ - at / rate_hz) < 1e-6  # seconds; asked for: 1/16 ms


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_constant_stays_constant(rate_hz: int) -> None:
    out = _core.resample(np.full(rate_hz // 4, 0.5, np.float32), rate_hz)
    assert np.abs(settled(out.astype(np.float64), rate_hz) - 0.5).max() < 1e-6


@settings(max_examples=60, deadline=None)
@given(rate_hz=st.one_of(st.sampled_from([*RATES, OUT_HZ]), st.integers(4000, 192000)), count=st.integers(0, 5000))
def test_length(rate_hz: int, count: int) -> None:
    assert len(_core.resample(np.zeros(count, np.float32), rate_hz)) == -(-count * OUT_HZ // rate_hz)


@settings(max_examples=60, deadline=None)
@given(
    rate_hz=st.sampled_from([*RATES, OUT_HZ]),
    count=st.integers(0, 20_000),
    at=st.lists(st.integers(0, 20_000), max_size=12).map(sorted),
)
def test_any_chunks_are_bitwise_the_whole(rate_hz: int, count: int, at: list[int]) -> None:
    samples = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    resampler = _core.Resampler(rate_hz)
    parts = [resampler.push(part) for part in np.split(samples, at)]
    assert np.concatenate([*parts, resampler.finish()]).tobytes() == _core.resample(samples, rate_hz).tobytes()


@pytest.mark.parametrize("rate_hz", [8000, 44100, 22057, 192000])
def test_single_samples_are_bitwise_the_whole(rate_hz: int) -> None:
    samples = np.random.default_rng(1).standard_normal(3000).astype(np.float32)
    resampler = _core.Resampler(rate_hz)
    parts = [resampler.push(samples[i : i + 1]) for i in range(3000)]
    assert np.concatenate([*parts, resampler.finish()]).tobytes() == _core.resample(samples, rate_hz).tobytes()


def test_output_comes_before_the_end() -> None:
    resampler = _core.Resampler(48000)
    assert len(resampler.push(np.zeros(4800, np.float32))) > 1500
    assert len(resampler.push(np.zeros(4800, np.float32))) == 1600


def test_16_khz_passes_untouched() -> None:
    samples = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    samples[:3] = [1e-45, -0.0, 3e38]
    out = _core.resample(samples, OUT_HZ)
    assert out.tobytes() == samples.tobytes()
    out[:] = 0
    assert samples.any()  # the result is the caller's own


@pytest.mark.parametrize("rate_hz", [8000, OUT_HZ, 44100, 22057])
def test_broken_samples_count_as_zero_and_are_counted(rate_hz: int) -> None:
    samples = np.random.default_rng(3).standard_normal(2000).astype(np.float32)
    mended = samples.copy()
    samples[[5, 700, 1999]] = [np.nan, np.inf, -np.inf]
    mended[[5, 700, 1999]] = 0
    resampler = _core.Resampler(rate_hz)
    out = np.concatenate([resampler.push(samples), resampler.finish()])
    assert resampler.replaced == 3
    assert out.tobytes() == _core.resample(mended, rate_hz).tobytes()


@pytest.mark.parametrize("rate_hz", [8000, 44100, 22057])
@pytest.mark.parametrize("level", [0.0, 1e-45, 1e-39])
def test_silence_and_denormals_stay_that_quiet(rate_hz: int, level: float) -> None:
    assert np.abs(_core.resample(np.full(2000, level, np.float32), rate_hz)).max() <= 1.3 * level + 1e-44


@pytest.mark.parametrize("rate_hz", RATES)
def test_one_sample(rate_hz: int) -> None:
    out = _core.resample(np.ones(1, np.float32), rate_hz)
    assert len(out) == -(-OUT_HZ // rate_hz)
    assert out[0] == pytest.approx(0.95 * nyquist_hz(rate_hz) * 2 / rate_hz, rel=1e-3)


@pytest.mark.parametrize("rate_hz", [3999, 192001, 0, -8000])
def test_rates_out_of_range_are_refused(rate_hz: int) -> None:
    for call in (lambda: _core.Resampler(rate_hz), lambda: _core.resample(np.zeros(9, np.float32), rate_hz)):
        with pytest.raises(UsageError, match=r"4000\.\.192000"):
            call()


@pytest.mark.parametrize("wrong", [np.zeros(9), np.zeros(9, np.int16), np.zeros(18, np.float32)[::2], [0.0], None])
def test_wrong_types_are_refused(wrong: object) -> None:
    for call in (_core.Resampler(8000).push, lambda samples: _core.resample(samples, 8000)):
        with pytest.raises(TypeError):
            call(wrong)


def test_wrong_shapes_and_order_are_refused() -> None:
    done = _core.Resampler(8000)
    done.finish()
    for call in (lambda: done.push(np.zeros(1, np.float32)), done.finish):
        with pytest.raises(UsageError):
            call()
    with pytest.raises(UsageError):
        _core.resample(np.zeros((2, 9), np.float32), 8000)
