# SPDX-License-Identifier: Apache-2.0
"""Log bands, windows, speech activity and levels of the core against float64 references."""

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
AUDIO = load_spec().audio
RATE = AUDIO.sample_rate_hz
HOP = AUDIO.hop_samples
ROW = AUDIO.mel_bands + AUDIO.linear_bands
WINDOW_FRAMES = load_spec().window.frames * AUDIO.frames_per_video_frame
FLOOR = np.log(AUDIO.log_floor)


def noise(count: int, seed: int = 1, level: float = 0.1) -> Floats:
    return (level * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def sine(hz: float, seconds: float, amplitude: float = 1.0) -> Floats:
    times_s = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hz * times_s)).astype(np.float32)


def below(samples: Floats, hz: float) -> Floats:
    """Brick-wall low-pass."""
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / RATE) > hz] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def syllables(seconds: float, level: float = 0.1) -> tuple[Floats, NDArray[np.bool_]]:
    """Noisy-voiced bursts of 0.3 s every 0.6 s, and per frame whether its cell lies inside one."""
    count = round(seconds * RATE)
    times_s = np.arange(count) / RATE
    on = (times_s % 0.6 >= 0.2) & (times_s % 0.6 < 0.5)
    voice = np.sin(2 * np.pi * 150 * times_s) + np.sin(2 * np.pi * 600 * times_s) + noise(count, 3, 0.3)
    return (level * voice * on).astype(np.float32), on[::HOP] & on[HOP - 1 :: HOP]


@pytest.mark.parametrize("kind", ["noise", "impulse", "sine"])
def test_spectrum_matches_numpy(kind: str) -> None:
    samples = {"noise": noise(512, 5, 1.0), "sine": sine(1234.5, 512 / RATE), "impulse": np.eye(512)[3]}[kind]
    samples = samples.astype(np.float32)
    parts = _core.spectrum(samples)
    assert parts.shape == (257, 2)
    assert np.abs(parts[:, 0] + 1j * parts[:, 1] - np.fft.rfft(samples.astype(np.float64))).max() < 2e-5


@pytest.mark.parametrize("first_sample", [0, 1, -1, 77, 160, -160, -1234, 48_000 * 3600])
@pytest.mark.parametrize("count", [1, 159, 160, 161, 399, 640, 5000])
def test_log_mel_matches_reference(count: int, first_sample: int) -> None:
    samples = noise(count, count)
    first, frames = _core.log_mel(samples, first_sample)
    expected_first, expected = reference.log_mel(samples, first_sample)
    assert first == expected_first
    assert frames.shape == expected.shape
    assert frames.dtype == np.float32
    assert np.abs(frames - expected).max() <= 1e-4


def wide_range() -> Floats:
    """Speech-like bursts between -100 dBFS and clipping with a strong tone: a hard case for float32."""
    swell = 10 ** np.linspace(-5, 0, 2 * RATE)
    return (np.clip(noise(2 * RATE, 9, 0.5) * swell, -1, 1) * 0.5 + 0.5 * sine(440, 2.0)).astype(np.float32)


def test_log_mel_matches_reference_over_the_whole_range() -> None:
    _, frames = _core.log_mel(wide_range())
    _, expected = reference.log_mel(wide_range())
    # Bands 100 dB below a tone in the same frame sit in float32's rounding; power there is compared to the peak.
    assert np.abs(np.exp(frames.astype(np.float64)) - np.exp(expected)).max() <= 1e-6
    assert np.abs(frames - expected).mean() <= 1e-4


def test_a_full_scale_sine_peaks_at_a_quarter() -> None:
    _, frames = _core.log_mel(sine(1000.0, 1.0))
    linear = np.exp(frames[50, AUDIO.mel_bands :])
    assert linear.argmax() == 16  # bins 32 and 33; 1000 Hz is bin 32
    assert 0.1 < linear.max() < 0.25
    assert np.exp(frames[50, : AUDIO.mel_bands]).max() == pytest.approx(0.4, abs=0.15)


def test_every_mel_band_hears_something() -> None:
    assert (reference.mel_weights().max(axis=1) > 0.2).all()


def test_zero_hertz_is_not_in_any_band() -> None:
    # A constant leaks into bins 1 and 2 through the window; its own bin must not add to linear band 0.
    _, frames = _core.log_mel(np.full(1600, 0.5, np.float32))
    assert np.abs(frames - reference.log_mel(np.full(1600, 0.5, np.float32))[1]).max() <= 1e-3
    assert np.exp(frames[5, AUDIO.mel_bands]) < 0.25 / 4


cuts = st.lists(st.integers(0, 4000), max_size=12).map(sorted)


def push_in_parts(samples: Floats, at: list[int], first_sample: int) -> tuple[int, Floats]:
    log_mel = _core.LogMel(first_sample)
    for part in np.split(samples, at):
        log_mel.push(part)
    log_mel.finish()
    first, frames = log_mel.frames()
    return first, frames


@settings(max_examples=60, deadline=None)
@given(count=st.integers(0, 4000), at=cuts, first_sample=st.integers(-1000, 1000), seed=st.integers(0, 9))
def test_log_mel_of_any_chunks_is_bitwise_the_whole(count: int, at: list[int], first_sample: int, seed: int) -> None:
    samples = noise(count, seed)
    whole_first, whole = _core.log_mel(samples, first_sample)
    first, frames = push_in_parts(samples, at, first_sample)
    assert first == whole_first
    assert frames.tobytes() == whole.tobytes()


def test_log_mel_of_single_samples_and_of_a_long_push_is_bitwise_the_same() -> None:
    samples = noise(20_000, 4)
    assert push_in_parts(samples, list(range(1, 20_000)), 5)[1].tobytes() == _core.log_mel(samples, 5)[1].tobytes()


@settings(max_examples=30, deadline=None)
@given(first_sample=st.integers(-(2**40), 2**40), cells=st.integers(-1000, 1000), count=st.integers(1, 1500))
def test_moving_the_clock_by_cells_moves_only_the_numbers(first_sample: int, cells: int, count: int) -> None:
    samples = noise(count, 6)
    first, frames = _core.log_mel(samples, first_sample)
    moved_first, moved = _core.log_mel(samples, first_sample + cells * HOP)
    assert moved_first == first + cells
    assert moved.tobytes() == frames.tobytes()


def test_leading_silence_and_a_later_start_are_the_same_signal() -> None:
    samples = noise(3000, 8)
    first, frames = _core.log_mel(samples, 1600)
    padded_first, padded = _core.log_mel(np.concatenate([np.zeros(1600, np.float32), samples]), 0)
    assert (first, padded_first) == (10, 0)
    assert padded[10:].tobytes() == frames.tobytes()


def test_a_click_is_loudest_in_the_frame_of_its_cell() -> None:
    for at in (1, 79, 159, 161, 1000, 1599):  # not the first of a cell: two frames hear that equally
        samples = np.zeros(1600, np.float32)
        samples[at] = 1.0
        first, frames = _core.log_mel(samples, -480)
        assert first == -3
        assert first + int(frames.sum(axis=1).argmax()) == (at - 480) // HOP


def test_frames_come_as_soon_as_their_window_is_full() -> None:
    log_mel = _core.LogMel()
    log_mel.push(noise(279))
    assert len(log_mel.frames()[1]) == 0
    log_mel.push(noise(1))
    assert len(log_mel.frames()[1]) == 1


def test_discarded_frames_are_gone_and_the_rest_unchanged() -> None:
    samples = noise(RATE)
    _, whole = _core.log_mel(samples)
    log_mel = _core.LogMel()
    for start in range(0, RATE, 777):
        log_mel.push(samples[start : start + 777])
        first, frames = log_mel.frames()
        assert frames.tobytes() == whole[first : first + len(frames)].tobytes()
        log_mel.discard_before(first + len(frames) - 7)
        assert log_mel.frames()[0] == max(first, first + len(frames) - 7)
    log_mel.discard_before(-5)
    assert log_mel.frames()[0] > 0
    log_mel.discard_before(10_000)
    assert len(log_mel.frames()[1]) == 0


def test_frames_are_copies() -> None:
    log_mel = _core.LogMel()
    log_mel.push(noise(1600))
    log_mel.frames()[1][:] = 0
    assert (log_mel.frames()[1] != 0).all()


@pytest.mark.parametrize("level", [0.0, 1e-45, 1e-40, 1e-20, 1e-6])
def test_silence_and_denormals_are_the_floor(level: float) -> None:
    _, frames = _core.log_mel(np.full(1600, level, np.float32))
    assert np.abs(frames - FLOOR).max() < 1e-5


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_sample_counts_as_zero(broken: float) -> None:
    samples = noise(3200)
    mended = samples.copy()
    samples[1000] = broken
    mended[1000] = 0
    assert _core.log_mel(samples)[1].tobytes() == _core.log_mel(mended)[1].tobytes()


def test_overflowing_samples_stay_finite() -> None:
    assert np.isfinite(_core.log_mel(np.full(3200, 3e38, np.float32))[1]).all()
    assert np.isfinite(_core.log_mel(noise(3200, 1, 1e37))[1]).all()


@pytest.mark.parametrize("count", [0, 1])
def test_almost_nothing(count: int) -> None:
    first, frames = _core.log_mel(np.ones(count, np.float32), 320)
    assert (first, frames.shape) == (2, (count, ROW))


def test_audio_window_matches_reference() -> None:
    generator = np.random.default_rng(2)
    frames = _core.log_mel(noise(WINDOW_FRAMES * HOP))[1]
    for valid in (np.ones(WINDOW_FRAMES, bool), generator.random(WINDOW_FRAMES) < 0.4):
        mel, linear, enough = _core.audio_window(frames, valid)
        expected_mel, expected_linear, expected_enough = reference.audio_window(frames, valid)
        assert enough is expected_enough is True
        assert mel.shape == (AUDIO.mel_bands, WINDOW_FRAMES)
        assert linear.shape == (AUDIO.linear_bands, WINDOW_FRAMES)
        assert np.abs(mel - expected_mel).max() < 1e-6
        assert np.abs(linear - expected_linear).max() < 1e-6


def test_audio_window_does_not_look_at_invalid_frames() -> None:
    frames = _core.log_mel(noise(WINDOW_FRAMES * HOP))[1]
    valid = np.arange(WINDOW_FRAMES) % 3 > 0
    expected = _core.audio_window(frames, valid)
    frames[~valid] = np.nan
    for got, want in zip(_core.audio_window(frames, valid), expected, strict=True):
        assert np.array_equal(got, want)


@pytest.mark.parametrize("short_of", [0, 1])
def test_audio_window_of_too_few_frames_is_missing(short_of: int) -> None:
    frames = _core.log_mel(noise(WINDOW_FRAMES * HOP))[1]
    valid = np.arange(WINDOW_FRAMES) < load_spec().window.minimum_frames - short_of
    mel, linear, enough = _core.audio_window(frames, valid)
    assert enough is (short_of == 0)
    assert mel.any() == linear.any() == enough


@pytest.mark.parametrize("noise_level", [0.0, 3e-4, 3e-3])
def test_speech_activity_follows_syllables(noise_level: float) -> None:
    samples, inside = syllables(6.0)
    speech = _core.speech_activity(_core.log_mel(samples + noise(len(samples), 4, noise_level))[1])
    assert speech.dtype == np.bool_
    assert speech.shape == inside.shape
    assert speech[inside].mean() > 0.98
    near = np.convolve(inside, np.ones(19), "same") > 0  # windows overlap cells; activity hangs over 5 frames
    assert not speech[~near].any()


def test_activity_hangs_over_five_frames() -> None:
    samples = np.concatenate([np.zeros(RATE, np.float32), sine(1000, 0.5, 0.1), np.zeros(RATE, np.float32)])
    speech = _core.speech_activity(_core.log_mel(samples)[1])
    # The 25 ms windows of the frames 99 and 150 still reach into the tone.
    assert np.flatnonzero(speech).tolist() == list(range(99, 150 + 1 + 5))


@pytest.mark.parametrize("samples", [np.zeros(3 * RATE, np.float32), noise(3 * RATE, 1, 3e-4), sine(1000, 3, 5e-4)])
def test_nothing_below_the_absolute_floor_is_speech(samples: Floats) -> None:
    assert not _core.speech_activity(_core.log_mel(samples)[1]).any()


def test_steady_sound_is_not_speech_once_known() -> None:
    for samples in (noise(8 * RATE, 1, 0.05), sine(1000, 8, 0.5)):
        assert not _core.speech_activity(_core.log_mel(samples)[1])[60:-2].any()


def test_noise_floor_follows_a_louder_room_within_three_seconds() -> None:
    samples = np.concatenate([noise(4 * RATE, 1, 1e-3), noise(6 * RATE, 2, 0.05)])
    speech = _core.speech_activity(_core.log_mel(samples)[1])
    assert speech[401:640].all()
    assert not speech[710:].any()


def test_low_rumble_is_not_speech() -> None:
    swell = np.sin(2 * np.pi * np.arange(4 * RATE) / RATE) ** 2  # starts and ends at zero: no clicks
    assert not _core.speech_activity(_core.log_mel((sine(60, 4.0, 0.3) * swell).astype(np.float32))[1]).any()


@pytest.mark.parametrize("edge_hz", [3400.0, 4000.0, 5500.0, 7000.0])
@pytest.mark.parametrize("noise_level", [0.0, 1e-3])
def test_bandwidth_of_limited_speech(edge_hz: float, noise_level: float) -> None:
    samples = below(syllables(6.0, 0.5)[0], edge_hz) + noise(6 * RATE, 11, noise_level)
    assert _core.bandwidth_hz(_core.log_mel(samples)[1]) == pytest.approx(edge_hz, abs=130)


def test_bandwidth_of_steady_and_of_full_band_sound() -> None:
    assert _core.bandwidth_hz(_core.log_mel(noise(5 * RATE))[1]) == RATE / 2
    assert _core.bandwidth_hz(_core.log_mel(syllables(5.0)[0])[1]) == RATE / 2
    assert _core.bandwidth_hz(_core.log_mel(below(noise(5 * RATE), 4000.0))[1]) == pytest.approx(4000, abs=130)


@pytest.mark.parametrize("level", [0.04, 0.2, 1.0])
def test_bandwidth_hardly_depends_on_loudness(level: float) -> None:
    samples = below(syllables(4.0, level)[0], 5000.0)
    assert _core.bandwidth_hz(_core.log_mel(samples)[1]) == pytest.approx(5000, abs=190)


def test_bandwidth_of_nothing_is_zero() -> None:
    assert _core.bandwidth_hz(np.zeros((0, ROW), np.float32)) == 0
    assert _core.bandwidth_hz(_core.log_mel(np.zeros(RATE, np.float32))[1]) == 0


def test_bandwidth_of_rare_speech_is_that_of_the_speech() -> None:
    samples = np.concatenate([np.zeros(58 * RATE, np.float32), below(syllables(1.2)[0], 6000.0)])
    assert _core.bandwidth_hz(_core.log_mel(samples)[1]) == pytest.approx(6000, abs=130)


def test_levels() -> None:
    rms, peak = _core.audio_level(sine(1000, 1.0, 0.5))
    assert rms == pytest.approx(-6.0206 - 3.0103, abs=1e-3)
    assert peak == pytest.approx(-6.0206, abs=1e-3)
    assert _core.audio_level(np.ones(10, np.float32)) == (0.0, 0.0)
    assert _core.audio_level(np.array([1.0, np.nan, np.inf, 1.0], np.float32))[1] == 0.0


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(9, np.float32), np.full(9, 1e-45, np.float32)])
def test_levels_of_silence(samples: Floats) -> None:
    assert _core.audio_level(samples) == (-120.0, -120.0)


@pytest.mark.parametrize("wrong", [np.zeros(9), np.zeros(9, np.int16), np.zeros(18, np.float32)[::2], [0.0], None])
def test_wrong_types_are_refused(wrong: object) -> None:
    for call in (_core.log_mel, _core.LogMel().push, _core.audio_level, _core.spectrum):
        with pytest.raises(TypeError):
            call(wrong)


def test_wrong_shapes_values_and_order_are_refused() -> None:
    done = _core.LogMel()
    done.finish()
    frames = np.zeros((WINDOW_FRAMES, ROW), np.float32)
    valid = np.ones(WINDOW_FRAMES, bool)
    calls = [
        lambda: _core.log_mel(np.zeros((2, 9), np.float32)),
        lambda: _core.LogMel(2**61),
        lambda: done.push(noise(1)),
        done.finish,
        lambda: _core.speech_activity(np.zeros((3, 64), np.float32)),
        lambda: _core.bandwidth_hz(np.zeros(ROW, np.float32)),
        lambda: _core.audio_window(frames[:-1], valid),
        lambda: _core.audio_window(frames, valid[:-1]),
        lambda: _core.spectrum(np.zeros(511, np.float32)),
    ]
    for call in calls:
        with pytest.raises(UsageError):
            call()
