# SPDX-License-Identifier: Apache-2.0
"""Every kind of damage does what its name and level say, measured on what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from avguard.errors import UsageError
from avguard.evaluate.robustness import picture, sound
from avguard.evaluate.robustness.material import Frames, Material, frame_rate, read
from avguard.evaluate.robustness.suite import CLEAN, KINDS, LEVELS, Condition, conditions, tagged, untagged
from tests.evaluate.robustness.test_material import click_s, flash_s
from tests.make_media import Film, Sound, write_clip

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Material:
    film = Film(width=320, height=240, seconds=1.2)
    return read(write_clip(tmp_path_factory.mktemp("damage") / "clip.mp4", film, Sound(seconds=1.2)))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def rgb(frames: Frames, index: int = 5) -> NDArray[np.float64]:
    return frames[index].to_ndarray(format="rgb24").astype(np.float64)


def speechlike(seconds: float = 2.0) -> NDArray[np.float32]:
    """Noise below 3 kHz in bursts: dense enough to align by correlation."""
    rng = np.random.default_rng(3)
    noise = np.fft.rfft(rng.normal(0, 0.1, round(seconds * RATE_HZ)))
    noise[np.fft.rfftfreq(round(seconds * RATE_HZ), 1 / RATE_HZ) > 3000] = 0
    wave = np.fft.irfft(noise)
    return (wave * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * np.arange(len(wave)) / RATE_HZ))).astype(np.float32)


def delay_ms(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    size = 1 << (2 * len(before)).bit_length()
    match = np.fft.irfft(np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size)), size)
    lag = int(np.argmax(match))
    return 1000 * (lag if lag < size // 2 else lag - size) / RATE_HZ


def test_grey_has_no_colour(clip: Material, rng: np.random.Generator) -> None:
    pixels = rgb(picture.saturate(clip.frames, 0.0, rng))
    assert np.ptp(pixels, axis=2).max() <= 3
    assert np.ptp(rgb(clip.frames), axis=2).max() > 40


def test_contrast_shrinks_about_mid_grey(clip: Material, rng: np.random.Generator) -> None:
    before, after = rgb(clip.frames), rgb(picture.flatten(clip.frames, 0.5, rng))
    assert np.abs(after - 128).mean() == pytest.approx(np.abs(before - 128).mean() / 2, rel=0.05)


def test_blocks_cover_their_share(clip: Material, rng: np.random.Generator) -> None:
    changed = np.abs(rgb(picture.cover(clip.frames, 80, rng)) - rgb(clip.frames)).max(axis=2) > 20
    wanted = 80 * (320 * 240 / 256**2) * 64 / (320 * 240)
    assert 0.6 * wanted < changed.mean() < 1.2 * wanted


def test_grain_has_its_variance(clip: Material, rng: np.random.Generator) -> None:
    grey = picture.flatten(clip.frames, 0.0, rng)
    noisy = rgb(picture.grain(grey, 0.005, rng)).mean(axis=2)
    # Mean of three channels; 4:2:0 keeps luma, which is a weighted mean of the three.
    assert noisy.std() == pytest.approx(255 * 0.005**0.5 * np.sqrt(0.299**2 + 0.587**2 + 0.114**2), rel=0.15)


def test_blur_and_coarse_take_detail_and_keep_the_size(clip: Material, rng: np.random.Generator) -> None:
    def detail(frames: Frames) -> float:
        pixels = rgb(frames).mean(axis=2)
        return float(np.abs(np.diff(pixels, n=2, axis=1)).mean())

    noisy = picture.grain(clip.frames, 0.01, rng)
    for change, value in ((picture.blur, 9), (picture.coarsen, 4)):
        damaged = change(noisy, value, rng)
        assert (damaged[0].width, damaged[0].height) == (320, 240)
        assert [frame.pts for frame in damaged] == [frame.pts for frame in clip.frames]
        assert detail(damaged) < 0.5 * detail(noisy)


def test_size_and_frame_rate(clip: Material, rng: np.random.Generator) -> None:
    small = picture.resize(clip.frames, 108, rng)
    assert (small[0].width, small[0].height) == (144, 108)
    assert picture.resize(clip.frames, 1000, rng)[0].height == 240
    slow = picture.slow(clip.frames, 10, rng)
    assert frame_rate(slow) == pytest.approx(10, rel=0.02)
    assert picture.slow(clip.frames, 30, rng) is clip.frames


def test_hiss_has_its_ratio(rng: np.random.Generator) -> None:
    wave = speechlike()
    noise = sound.hiss(wave, RATE_HZ, 10, rng) - wave
    assert 10 * np.log10(np.mean(wave**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.3)


def test_pitch_moves_and_length_stays(rng: np.random.Generator) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * RATE_HZ) / RATE_HZ).astype(np.float32)
    raised = sound.raise_pitch(tone, RATE_HZ, 4, rng)
    assert len(raised) == len(tone)
    peak_hz = np.argmax(np.abs(np.fft.rfft(raised * np.hanning(len(raised))))) / 2
    assert peak_hz == pytest.approx(440 * 2 ** (4 / 12), rel=0.01)


def test_packets_are_lost_whole(rng: np.random.Generator) -> None:
    lost = sound.drop(np.ones(RATE_HZ * 10, np.float32), RATE_HZ, 0.2, rng).reshape(-1, 320)
    assert set(lost.mean(axis=1).tolist()) == {0.0, 1.0}
    assert (lost == 0).mean() == pytest.approx(0.2, abs=0.06)


def test_reverb_leaves_a_tail_and_lowpass_no_highs(rng: np.random.Generator) -> None:
    click = np.zeros(RATE_HZ, np.float32)
    click[100] = 1
    wet = sound.echo(click, RATE_HZ, 0.4, rng)
    early, late = np.sum(wet[101:3000] ** 2), np.sum(wet[6400:9000] ** 2)
    assert early > 0.05
    assert late < 1e-3 * early
    hiss = rng.normal(0, 0.1, 2 * RATE_HZ).astype(np.float32)
    power = np.abs(np.fft.rfft(sound.muffle(hiss, RATE_HZ, 3400, rng))) ** 2
    assert power[2 * 3800 :].sum() < 1e-3 * power.sum()


@pytest.mark.parametrize(
    ("through", "kbps"),
    [(sound.aac, 24), (sound.mp3, 32), (sound.opus, 16), (sound.telephone, 64), (sound.telephone, 12.2)],
)
def test_codecs_keep_length_and_time(through, kbps: float, rng: np.random.Generator) -> None:  # noqa: ANN001
    wave = speechlike()
    after = through(wave, RATE_HZ, kbps, rng)
    assert len(after) == len(wave)
    assert not np.array_equal(after, wave)
    # AMR's own 5 ms of look-ahead is not told by its container; the lips would not notice.
    assert abs(delay_ms(wave, after)) <= 7


@pytest.mark.parametrize(("kind", "sign"), [("voice late", 1), ("voice early", -1)])
def test_offset_moves_the_voice_and_invents_nothing(clip: Material, kind: str, sign: int) -> None:
    before = click_s(clip) - flash_s(clip)
    moved = Condition(kind, 3).apply(clip, "x")
    assert click_s(moved) - flash_s(moved) - before == pytest.approx(sign * 0.12, abs=0.003)
    # AAC pads the sound, which may leave room for one more picture at the end.
    assert len(clip.frames) - len(moved.frames) in (2, 3)
    assert moved.seconds == pytest.approx(clip.seconds - 0.12, abs=0.05)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_damages_the_same_way_twice_and_more_at_the_top(clip: Material, kind: str) -> None:
    def difference(level: int) -> float:
        damaged = Condition(kind, level).apply(clip, "name")
        size = min(len(damaged.samples), len(clip.samples))
        heard = float(np.mean((damaged.samples[:size] - clip.samples[:size]) ** 2))
        same = damaged.frames and damaged.frames[0].width == clip.frames[0].width
        seen = float(np.mean((rgb(damaged.frames) - rgb(clip.frames)) ** 2)) if same else 0.0
        shrunk = clip.frames[0].height - damaged.frames[0].height + len(clip.frames) - len(damaged.frames)
        return heard + seen / 255**2 + shrunk + (damaged.crf - clip.crf)

    assert difference(5) == difference(5)
    assert difference(5) > 0
    # On a click and a tone the error of a codec or of a pitch follows no level.
    if kind not in ("mixed", "aac", "mp3", "opus", "pitch"):
        assert difference(5) > difference(1)


def test_names_of_conditions() -> None:
    plan = conditions(["blur", "opus"], (5, 1))
    assert [(c.kind, c.level) for c in plan] == [(CLEAN, 0), ("blur", 5), ("opus", 5), ("blur", 1), ("opus", 1)]
    assert len(conditions()) == 1 + len(KINDS) * len(LEVELS)
    assert [untagged(tagged("clips/a#1.mp4", c)) for c in plan] == [("clips/a#1.mp4", c) for c in plan]
    assert conditions(["voice late"], (2,))[1].value == 2
    with pytest.raises(UsageError, match="fog"):
        conditions(["fog"])
    with pytest.raises(UsageError, match="6"):
        conditions(["blur"], (6,))
    with pytest.raises(UsageError, match="not a clip under a condition"):
        untagged("clips/a.mp4")
