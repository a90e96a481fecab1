# SPDX-License-Identifier: Apache-2.0
"""Hard conditions: what they change, and that they change nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from avguard.media import Frame, Pcm
from avguard.train.conditions import CONDITIONS, MOVED_MS, moved, words

RATE = 16000


def pcm(seconds: float, start_s: float = 0.0, hz: float = 1000.0) -> Pcm:
    times = start_s + np.arange(round(seconds * RATE)) / RATE
    return Pcm(round(start_s * 1e6), RATE, (0.1 * np.sin(2 * np.pi * hz * times)).astype(np.float32))


def picture(width: int = 130, height: int = 98) -> Frame:
    rng = np.random.default_rng(0)
    shapes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
    planes = tuple(rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes)
    return Frame(40_000, "i420", planes, width, height, False, "bt709", 0, False)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def test_words_stand_between_silence_wherever_blocks_begin() -> None:
    whole = words()(pcm(4.0))
    change = words()
    pieces = [change(pcm(0.5, 0.5 * i)) for i in range(8)]
    assert isinstance(whole, Pcm)
    joined = np.concatenate([p.samples for p in pieces if isinstance(p, Pcm)])
    assert joined == pytest.approx(whole.samples, abs=1e-6)
    assert rms(whole.samples[3200:12800]) == pytest.approx(0.1 / np.sqrt(2), rel=0.01)
    assert rms(whole.samples[17000:31000]) < 3e-4


@pytest.mark.parametrize(("hz", "stays"), [(1000.0, True), (6000.0, False), (80.0, False)])
def test_telephone_keeps_its_band(hz: float, stays: bool) -> None:
    heard = CONDITIONS["telephone"]()(pcm(1.0, hz=hz))
    assert isinstance(heard, Pcm)
    assert (rms(heard.samples[4000:]) > 0.06) is stays
    assert stays or rms(heard.samples[4000:]) < 0.01


def test_room_noise_lies_below_the_voice() -> None:
    heard, clean = CONDITIONS["room"]()(pcm(1.0)), pcm(1.0)
    assert isinstance(heard, Pcm)
    assert 20 * np.log10(rms(heard.samples - clean.samples) / rms(clean.samples)) == pytest.approx(-25, abs=1)


def test_small_pictures_are_means_of_four() -> None:
    before = picture()
    after = CONDITIONS["small"]()(before)
    assert isinstance(after, Frame)
    assert (after.width, after.height) == (64, 48)
    assert [p.shape for p in after.planes] == [(48, 64), (24, 32), (24, 32)]
    assert abs(float(after.planes[0][5, 7]) - before.planes[0][10:12, 14:16].mean()) <= 0.5


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_conditions_leave_times_and_the_other_stream_alone(name: str) -> None:
    change = CONDITIONS[name]()
    sound, frame = pcm(0.2, 1.0), picture()
    heard, seen = change(sound), change(frame)
    assert (heard.t_us, seen.t_us) == (sound.t_us, frame.t_us)
    assert isinstance(heard, Pcm)
    assert len(heard.samples) == len(sound.samples)
    assert (heard is sound) != (seen is frame)


@pytest.mark.parametrize("by", MOVED_MS)
def test_moved_sound_is_late_by_what_was_asked_and_nothing_else_changes(by: int) -> None:
    sound, frame = pcm(0.2, 1.0), picture()
    heard, seen = (moved(by)(item) for item in (sound, frame))
    assert (heard.t_us - sound.t_us) - (seen.t_us - frame.t_us) == 1000 * by
    assert heard.t_us >= sound.t_us
    assert seen.t_us >= frame.t_us
    assert isinstance(heard, Pcm)
    assert heard.samples is sound.samples
    assert isinstance(seen, Frame)
    assert seen.planes is frame.planes
