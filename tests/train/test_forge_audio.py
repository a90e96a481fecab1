# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from avguard.errors import UsageError
from avguard.train.forge import audio, vocoders

Pcm = npt.NDArray[np.float32]
RATE_HZ = 16000
ALL = sorted(audio.FAMILIES)


def speech_like(seconds: float = 2.0, level: float = 0.08, seed: int = 3) -> Pcm:
    """Glottal pulses of a gliding pitch through moving formants, in syllables with pauses, over faint noise."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE_HZ)
    clock = np.arange(count) / RATE_HZ
    pitch_hz = 120 + 25 * np.sin(2 * np.pi * 0.7 * clock) + 8 * np.sin(2 * np.pi * 2.3 * clock)
    source = np.diff(np.floor(np.cumsum(pitch_hz) / RATE_HZ), prepend=0.0)
    source = lfilter([1], [1, -0.9], source) + 0.02 * rng.standard_normal(count)
    out = np.zeros(count)
    syllable = RATE_HZ // 4
    for start in range(0, count, syllable):
        piece = source[start : start + syllable]
        for center_hz in (rng.uniform(300, 800), rng.uniform(900, 2200), rng.uniform(2300, 3200), 3800, 5200):
            radius = np.exp(-np.pi * (60 + 0.04 * center_hz) / RATE_HZ)
            piece = lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * center_hz / RATE_HZ), radius**2], piece)
        piece = piece / np.sqrt(np.mean(piece**2)) * np.hanning(piece.size) ** 0.5
        out[start : start + syllable] = piece * rng.choice([1.0, 0.6, 0.3, 0.0], p=[0.4, 0.25, 0.2, 0.15])
    out += 0.01 * rng.standard_normal(count)
    return (out * level / np.sqrt(np.mean(out**2))).astype(np.float32)


def envelope(pcm: Pcm) -> npt.NDArray[np.float64]:
    smooth = gaussian_filter1d(np.abs(pcm.astype(np.float64)), 160)
    return smooth - smooth.mean()


def lag_ms(fake: Pcm, source: Pcm, reach: int = 480) -> float:
    late, early = envelope(fake), envelope(source)[reach:-reach]
    scores = [float(early @ late[start : start + early.size]) for start in range(0, 2 * reach + 1, 4)]
    return (4 * int(np.argmax(scores)) - reach) * 1000 / RATE_HZ


def spectral_distance_db(a: Pcm, b: Pcm) -> float:
    logs = [20 * np.log10(np.abs(vocoders.stft(pcm, 512, 128)) + 1e-3) for pcm in (a, b)]
    return float(np.mean(np.sqrt(np.mean((logs[0] - logs[1]) ** 2, axis=1))))


@pytest.fixture(scope="module")
def voice() -> Pcm:
    return speech_like()


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("family", ALL)
def test_a_fake_keeps_length_timing_and_loudness_but_not_the_spectrum(family: str, seed: int, voice: Pcm) -> None:
    fake, name = audio.forge_audio(voice, np.random.default_rng(seed), family)
    assert name == family
    assert fake.shape == voice.shape
    assert fake.dtype == np.float32
    assert np.isfinite(fake).all()
    assert np.abs(fake).max() < 1.0
    assert vocoders.rms(fake) == pytest.approx(vocoders.rms(voice), rel=0.02)
    assert abs(lag_ms(fake, voice)) <= 5.0
    assert np.corrcoef(envelope(fake), envelope(voice))[0, 1] > 0.5
    assert spectral_distance_db(fake, voice) > 1.0


@pytest.mark.parametrize("family", ALL)
def test_equal_seeds_give_equal_fakes_and_the_source_is_left_alone(family: str, voice: Pcm) -> None:
    before = voice.copy()
    first, second, other = (audio.FAMILIES[family](voice, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert np.array_equal(voice, before)


@pytest.mark.parametrize("family", ALL)
@pytest.mark.parametrize("samples", [1, 700, 16001])
def test_odd_lengths_come_back_whole(family: str, samples: int, voice: Pcm) -> None:
    fake = audio.FAMILIES[family](voice[4000 : 4000 + samples], np.random.default_rng(1))
    assert fake.shape == (samples,)
    assert np.isfinite(fake).all()


@pytest.mark.parametrize("family", ALL)
def test_silence_stays_silence(family: str) -> None:
    assert not audio.FAMILIES[family](np.zeros(8000, np.float32), np.random.default_rng(0)).any()


@pytest.mark.parametrize("family", ALL)
def test_a_voice_at_full_scale_does_not_clip_and_keeps_its_loudness(family: str, voice: Pcm) -> None:
    loud = (voice / np.abs(voice).max()).astype(np.float32)
    fake = audio.FAMILIES[family](loud, np.random.default_rng(2))
    assert np.abs(fake).max() < 1.0
    assert vocoders.rms(fake) == pytest.approx(vocoders.rms(loud), rel=0.1)


def test_a_family_is_drawn_when_none_is_named(voice: Pcm) -> None:
    short = voice[:8000]
    assert {audio.forge_audio(short, np.random.default_rng(seed))[1] for seed in range(60)} == set(ALL)


def test_an_unknown_family_is_refused(voice: Pcm) -> None:
    with pytest.raises(UsageError, match="choose one of"):
        audio.forge_audio(voice, np.random.default_rng(0), "parrot")


@pytest.mark.parametrize(
    "bad",
    [np.zeros(0, np.float32), np.zeros((2, 50), np.float32), np.zeros(50), np.full(50, np.nan, np.float32)],
    ids=["empty", "stereo", "float64", "nan"],
)
def test_bad_pcm_is_refused(bad: Pcm) -> None:
    for call in audio.FAMILIES.values():
        with pytest.raises(UsageError, match="pcm"):
            call(bad, np.random.default_rng(0))
    with pytest.raises(UsageError, match="pcm"):
        audio.real_splice(bad, np.random.default_rng(0))


def test_the_lag_estimate_finds_a_known_delay(voice: Pcm) -> None:
    assert vocoders.envelope_lag(np.roll(voice, 80), voice) == 80
    assert vocoders.envelope_lag(np.roll(voice, -160), voice) == -160
    assert vocoders.envelope_lag(voice, voice) == 0


@pytest.mark.parametrize(("n_fft", "hop"), [(512, 128), (800, 200), (1280, 320), (2048, 256), (640, 160)])
def test_the_inverse_stft_restores_the_samples(n_fft: int, hop: int, voice: Pcm) -> None:
    back = vocoders.istft(vocoders.stft(voice, n_fft, hop), n_fft, hop, voice.size)
    assert np.abs(back - voice).max() < 1e-5


@pytest.mark.parametrize("bands", [64, 80, 100, 128])
def test_no_mel_band_is_empty_and_a_flat_spectrum_stays_flat(bands: int) -> None:
    bank = audio.mel_bank(bands, 512, 7600.0)
    assert np.allclose(bank.sum(axis=1), 1, atol=1e-4)
    linear = audio.mel_to_linear(np.ones((3, bands), np.float32), 512, 7600.0, 30)
    assert np.allclose(linear @ bank.T, 1, atol=0.1)


@pytest.mark.parametrize("seed", range(12))
def test_a_splice_changes_what_its_mask_says_and_nothing_else(seed: int, voice: Pcm) -> None:
    forged = np.roll(voice, 999)
    mixed, mask = audio.partial_splice(voice, forged, np.random.default_rng(seed))
    assert mask.dtype == np.bool_
    assert mask.shape == mixed.shape == voice.shape
    inside = np.flatnonzero(mask)
    assert 0.3 * RATE_HZ - 1 <= inside.size <= 1.5 * RATE_HZ
    assert inside[-1] - inside[0] + 1 == inside.size
    assert np.array_equal(mixed[~mask], voice[~mask])
    core = inside[480:-480]
    assert np.allclose(mixed[core], forged[core], atol=1e-6)
    assert (mixed[inside] != voice[inside]).mean() > 0.95


def test_a_splice_fades_in_over_5_to_30_ms() -> None:
    quiet, ones = np.full(48000, -0.5, np.float32), np.full(48000, 0.5, np.float32)
    for seed in range(20):
        mixed, mask = audio.partial_splice(quiet, ones, np.random.default_rng(seed))
        partial = int(np.sum((mixed > -0.4999) & (mixed < 0.4999)))
        edges = 2 - int(mask[0]) - int(mask[-1])
        assert 0.004 * RATE_HZ * edges <= partial <= 0.031 * RATE_HZ * edges
        assert np.abs(np.diff(mixed)).max() < 1 / (0.004 * RATE_HZ)


def test_a_splice_prefers_sound_to_silence() -> None:
    half = np.concatenate([np.zeros(48000, np.float32), speech_like(3.0)])
    hits = [audio.partial_splice(half, half * 0.5, np.random.default_rng(seed))[1][48000:].any() for seed in range(30)]
    assert np.mean(hits) > 0.85


def test_a_clip_shorter_than_a_splice_is_replaced_whole(voice: Pcm) -> None:
    short = voice[:3000]
    mixed, mask = audio.partial_splice(short, -short, np.random.default_rng(0))
    assert mask.all()
    assert np.allclose(mixed, -short, atol=1e-7)


def test_a_splice_of_another_length_is_refused(voice: Pcm) -> None:
    with pytest.raises(UsageError, match="samples"):
        audio.partial_splice(voice, voice[:-1], np.random.default_rng(0))


def test_the_control_splice_holds_only_real_sound_of_the_clip() -> None:
    ramp = np.linspace(-0.9, 0.9, 64000, dtype=np.float32)
    mixed, mask = audio.real_splice(ramp, np.random.default_rng(4))
    core = np.flatnonzero(mask)[480:-480]
    assert np.array_equal(mixed[~mask], ramp[~mask])
    assert np.abs(mixed[core] - ramp[core]).min() > 0.01
    assert np.isin(mixed[core].round(4), ramp.round(4)).mean() > 0.95
