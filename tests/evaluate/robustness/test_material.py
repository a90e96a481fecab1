# SPDX-License-Identifier: Apache-2.0
"""A clip that is read and written again says the same thing at the same time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avguard.errors import MediaError
from avguard.evaluate.robustness.material import TICKS_HZ, Material, from_time, read, write
from tests.make_media import Film, Sound, write_clip


def flash_s(clip: Material) -> float:
    """When the picture is white."""
    luma = [float(frame.to_ndarray(format="gray8").mean()) for frame in clip.frames]
    return (clip.frames[int(np.argmax(luma))].pts or 0) / TICKS_HZ


def click_s(clip: Material) -> float:
    """When the click sounds."""
    return int(np.argmax(np.abs(clip.samples))) / clip.rate_hz


@pytest.fixture
def clip(tmp_path: Path) -> Material:
    return read(write_clip(tmp_path / "clip.mp4", Film(seconds=1.2), Sound(seconds=1.2)))


def test_pictures_and_sound_keep_their_times(clip: Material, tmp_path: Path) -> None:
    assert len(clip.frames) == 30
    assert flash_s(clip) == pytest.approx(0.48, abs=0.001)
    assert click_s(clip) == pytest.approx(0.5, abs=0.002)
    write(clip, tmp_path / "again.mp4")
    again = read(tmp_path / "again.mp4")
    assert [frame.pts for frame in again.frames] == [frame.pts for frame in clip.frames]
    assert flash_s(again) == pytest.approx(0.48, abs=0.001)
    assert click_s(again) == pytest.approx(0.5, abs=0.002)


def test_what_starts_later_stays_later(tmp_path: Path) -> None:
    late = write_clip(tmp_path / "late.mp4", Film(flash_us=480_000), Sound(start_us=200_000, click_us=500_000))
    assert click_s(read(late)) - flash_s(read(late)) == pytest.approx(0.02, abs=0.003)
    first = write_clip(tmp_path / "early.mp4", Film(start_us=200_000, flash_us=480_000), Sound())
    assert click_s(read(first)) - flash_s(read(first)) == pytest.approx(0.02, abs=0.003)


def test_pictures_taken_from_a_file_are_the_same(clip: Material, tmp_path: Path) -> None:
    write(replace(clip, samples=clip.samples[:0]), tmp_path / "film.mp4")
    write(clip, tmp_path / "copied.mp4", film=tmp_path / "film.mp4")
    write(clip, tmp_path / "encoded.mp4")
    pictures = [read(tmp_path / name).frames for name in ("copied.mp4", "encoded.mp4")]
    for left, right in zip(*pictures, strict=True):
        assert left.pts == right.pts
        assert np.array_equal(left.to_ndarray(), right.to_ndarray())


def test_length_is_limited_in_both(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", Film(seconds=2), Sound(seconds=2))
    short = read(path, 0.8)
    assert len(short.frames) == 20
    assert len(short.samples) == round(0.8 * short.rate_hz)
    assert len(from_time(short.frames, 0.2, 0.6)) == 10
    assert short.frames[5].pts == round(0.2 * TICKS_HZ), "cutting must not move the original's times"


def test_a_turned_clip_is_upright(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "turned.mp4", Film(turn_deg=90), None)
    clip = read(path)
    assert (clip.frames[0].width, clip.frames[0].height) == (120, 160)
    assert not len(clip.samples)


def test_no_media_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no media")
    with pytest.raises(MediaError, match=r"text\.mp4 cannot be decoded"):
        read(tmp_path / "text.mp4")
