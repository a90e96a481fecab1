# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import lfilter

from avguard.errors import UsageError
from avguard.train import augment_audio as augment

Pcm = npt.NDArray[np.float32]
RATE_HZ = 16000
ALL = sorted(augment.EFFECTS)
WAVEFORM_CODECS = {"aac", "aac_48k", "mp3", "mp3_48k", "opus", "vorbis", "mulaw", "alaw", "g722"}


def speech_like(seconds: float = 2.0, seed: int = 1) -> Pcm:
    """Pulses of a gliding pitch through three formants, gated into syllables, silent at both ends."""
    rng = np.random.default_rng(seed)
    clock = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pulses = np.diff(np.floor(np.cumsum(130 + 30 * np.sin(5 * clock)) / RATE_HZ), prepend=0.0)
    out = lfilter([1], [1, -0.9], pulses) + 0.03 * rng.standard_normal(clock.size)
    for center_hz in (500, 1500, 2600):
        out = lfilter([1], [1, -1.9 * np.cos(2 * np.pi * center_hz / RATE_HZ), 0.9025], out)
    gate = np.clip(np.sin(2 * np.pi * 2.5 * clock) + 0.4, 0, 1) * (clock > 0.2) * (clock < seconds - 0.2)
    out = out * gate + 1e-4 * np.abs(out).max() * rng.standard_normal(clock.size)
    return (0.1 * out / np.sqrt(np.mean(out**2))).astype(np.float32)


def level(pcm: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))


def delay(out: Pcm, source: Pcm, reach: int = 200) -> int:
    inner = source[reach:-reach].astype(np.float64)
    return int(np.argmax([inner @ out[start : start + inner.size] for start in range(2 * reach + 1)])) - reach


def bands_db(pcm: npt.NDArray[np.floating], low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(pcm.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(pcm.size, 1 / RATE_HZ)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum() + 1e-12))


@pytest.fixture(scope="module")
def voice() -> Pcm:
    return speech_like()


@pytest.mark.parametrize("seed", range(25))
def test_augmented_audio_keeps_its_contract(seed: int, voice: Pcm) -> None:
    before = voice.copy()
    out = augment.augment_audio(voice, np.random.default_rng(seed))
    assert out.shape == voice.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 1.0
    assert -30 < 20 * np.log10(level(out) / level(voice)) < 10
    assert np.array_equal(out, augment.augment_audio(voice, np.random.default_rng(seed)))
    assert np.array_equal(voice, before)


@pytest.mark.parametrize("effect", ALL)
@pytest.mark.parametrize("samples", [1, 333, 16000, 30001])
def test_each_effect_keeps_length_and_order(effect: str, samples: int, voice: Pcm) -> None:
    piece = voice[5000 : 5000 + samples] if samples < voice.size - 5000 else voice[:samples]
    out = augment.apply_effects(piece, [(effect, 7)])
    assert out.shape == piece.shape
    assert np.isfinite(out).all()


@pytest.mark.parametrize("effect", ALL)
def test_no_effect_moves_sound_in_time(effect: str, voice: Pcm) -> None:
    lags = [abs(delay(augment.apply_effects(voice, [(effect, seed)]), voice)) for seed in range(6)]
    assert max(lags) <= 8


@pytest.mark.parametrize("effect", ALL)
def test_each_effect_changes_the_clip_and_repeats(effect: str, voice: Pcm) -> None:
    outs = [augment.apply_effects(voice, [(effect, seed)]) for seed in (1, 1, 2)]
    assert np.array_equal(outs[0], outs[1])
    assert not np.array_equal(outs[0], outs[2])
    assert not np.array_equal(outs[0], voice)


@pytest.mark.parametrize("effect", ALL)
def test_silence_survives_every_effect(effect: str) -> None:
    out = augment.apply_effects(np.zeros(8000, np.float32), [(effect, 3)])
    assert np.isfinite(out).all()
    assert np.abs(out).max() < 1e-3


def test_the_channel_is_drawn_without_seeing_the_clip_or_a_label(voice: Pcm) -> None:
    assert list(inspect.signature(augment.draw_effects).parameters) == ["rng", "strength"]
    assert list(inspect.signature(augment.augment_audio).parameters) == ["pcm", "rng", "strength"]
    for seed in range(10):
        effects = augment.draw_effects(np.random.default_rng(seed))
        for clip in (voice, -voice[::-1]):
            out = augment.augment_audio(np.ascontiguousarray(clip), np.random.default_rng(seed))
            assert np.array_equal(out, augment.apply_effects(np.ascontiguousarray(clip), effects))


def test_linear_effects_treat_a_pair_alike(voice: Pcm) -> None:
    for effect in ("equalise", "low_pass", "high_pass", "band_limit"):
        pair = [augment.apply_effects(clip, [(effect, 11)]) for clip in (voice, (voice * 0.5).astype(np.float32))]
        assert np.allclose(pair[0], 2 * pair[1], atol=1e-5)


def test_strength_scales_how_often_effects_are_drawn(voice: Pcm) -> None:
    counts = {
        strength: np.mean([len(augment.draw_effects(np.random.default_rng(seed), strength)) for seed in range(400)])
        for strength in (0.0, 0.5, 1.0)
    }
    expected = sum(chance for chance, _ in augment.EFFECTS.values())
    assert counts[0.0] == 0
    assert counts[0.5] == pytest.approx(expected / 2, rel=0.12)
    assert counts[1.0] == pytest.approx(expected, rel=0.08)
    assert np.array_equal(augment.augment_audio(voice, np.random.default_rng(0), 0.0), voice)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_outside_its_range_is_refused(strength: float, voice: Pcm) -> None:
    with pytest.raises(UsageError, match="strength"):
        augment.augment_audio(voice, np.random.default_rng(0), strength)


@pytest.mark.parametrize(
    "bad",
    [np.zeros(0, np.float32), np.zeros((2, 50), np.float32), np.zeros(50), np.full(50, np.inf, np.float32)],
    ids=["empty", "stereo", "float64", "infinite"],
)
def test_bad_pcm_is_refused(bad: Pcm) -> None:
    with pytest.raises(UsageError, match="pcm"):
        augment.augment_audio(bad, np.random.default_rng(0))
    with pytest.raises(UsageError, match="pcm"):
        augment.codec_round_trip(bad, "aac", 32000)


def test_unknown_effects_codecs_and_rates_are_refused(voice: Pcm) -> None:
    with pytest.raises(UsageError, match="choose among"):
        augment.apply_effects(voice, [("echo", 1)])
    with pytest.raises(UsageError, match="not available"):
        augment.codec_round_trip(voice, "carrier pigeon", 1)
    with pytest.raises(UsageError, match="bit/s"):
        augment.codec_round_trip(voice, "aac", 1234)


def test_the_wheel_of_pyav_brings_the_common_codecs() -> None:
    assert {"aac", "aac_48k", "mp3", "opus", "mulaw", "alaw"} <= set(augment.available_codecs())


@pytest.mark.parametrize("name", sorted(augment.CODECS))
def test_a_codec_returns_the_clip_in_place(name: str, voice: Pcm) -> None:
    if name not in augment.available_codecs():
        with pytest.raises(UsageError, match="not available"):
            augment.codec_round_trip(voice, name)
        return
    for bitrate in augment.CODECS[name].bitrates or (0,):
        out = augment.codec_round_trip(voice, name, bitrate)
        assert out.shape == voice.shape
        assert out.dtype == np.float32
        assert abs(delay(out, voice)) <= (0 if name in WAVEFORM_CODECS and bitrate != 8000 else 8)
        assert np.corrcoef(out, voice)[0, 1] > (0.8 if name in WAVEFORM_CODECS else 0.4)
        assert 0.5 < level(out) / level(voice) < 1.5
        assert not np.array_equal(out, voice)


def test_the_first_and_last_samples_are_coded_like_the_middle(voice: Pcm) -> None:
    busy = voice[8000:20000]
    out = augment.codec_round_trip(busy, "aac", 64000)
    for part in (slice(0, 800), slice(-800, None)):
        assert np.corrcoef(out[part], busy[part])[0, 1] > 0.9


def test_low_pass_takes_the_top_and_leaves_the_speech_band() -> None:
    hiss = (0.1 * np.random.default_rng(0).standard_normal(32000)).astype(np.float32)
    for seed in range(10):
        out = augment.low_pass(hiss, np.random.default_rng(seed))
        assert abs(bands_db(out, 300, 1500) - bands_db(hiss, 300, 1500)) < 1.0
        assert bands_db(out, 7800, 8000) < bands_db(hiss, 7800, 8000) - 2


def test_equalise_stays_within_its_range() -> None:
    hiss = (0.1 * np.random.default_rng(0).standard_normal(32000)).astype(np.float32)
    for seed in range(10):
        out = augment.equalise(hiss, np.random.default_rng(seed))
        change = [bands_db(out, low, low * 1.3) - bands_db(hiss, low, low * 1.3) for low in (100, 400, 1600, 5000)]
        assert max(np.abs(change)) < 8.5


def test_noise_arrives_at_the_drawn_signal_to_noise_ratio(voice: Pcm) -> None:
    ratios = [
        20 * np.log10(level(voice) / level(augment.noise(voice, np.random.default_rng(s)) - voice)) for s in range(40)
    ]
    assert min(ratios) > 4.9
    assert max(ratios) < 40.1
    assert np.ptp(ratios) > 20


def test_reverb_starts_with_the_direct_sound() -> None:
    click = np.zeros(16000, np.float32)
    click[2000] = 0.5
    out = augment.reverb(click, np.random.default_rng(1))
    assert int(np.argmax(np.abs(out))) == 2000
    assert not out[:1990].round(6).any()
    assert np.abs(out[2200:6000]).max() > 0


def test_compression_narrows_the_dynamic_range(voice: Pcm) -> None:
    def spread(pcm: npt.NDArray[np.floating]) -> float:
        frames = np.sqrt(np.mean(pcm[: pcm.size // 400 * 400].reshape(-1, 400) ** 2, axis=1))
        return float(np.log(np.quantile(frames, 0.95) / np.quantile(frames, 0.4)))

    assert all(spread(augment.compress(voice, np.random.default_rng(seed))) < spread(voice) for seed in range(8))


def test_edges_touch_only_the_silence_around_the_speech(voice: Pcm) -> None:
    for seed in range(8):
        out = augment.edges(voice, np.random.default_rng(seed))
        assert np.allclose(out[5000:-5000], voice[5000:-5000], atol=1e-6)
        assert not np.allclose(out[:1000], voice[:1000], rtol=0.1, atol=0)


def test_lost_packets_are_few_and_whole() -> None:
    hiss = (0.1 * np.random.default_rng(0).standard_normal(160000)).astype(np.float32)
    for seed in range(8):
        out = augment.packet_loss(hiss, np.random.default_rng(seed))
        changed = (out != hiss).reshape(-1, 320).mean(axis=1)
        assert set(np.unique(changed.round(2))) <= {0.0, 1.0}
        assert 0 < changed.mean() < 0.25


@pytest.mark.parametrize("seed", range(6))
def test_pauses_leave_words_alone_and_quieten_the_rest(seed: int) -> None:
    pcm = np.full(10 * RATE_HZ, 0.1, np.float32)
    out = np.abs(augment.apply_effects(pcm, [("pauses", seed)]))
    kept, quiet = np.isclose(out, 0.1, rtol=1e-3).mean(), (out < 0.0101).mean()
    assert 0.25 < kept < 0.8
    assert quiet > 0.15
    assert kept + quiet > 0.95
