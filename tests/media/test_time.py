# SPDX-License-Identifier: Apache-2.0
"""Both streams on one clock: the flash and the click are found where they were put."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avguard.media import Limits
from tests.make_media import Film, Sound, write_clip, write_wav
from tests.media.reading import Clip, read

BOUND_US = 2000


def offset_us(clip: Clip) -> float:
    return clip.click_us() - clip.flash_us()


def test_variable_frame_rate_is_exact(tmp_path: Path) -> None:
    steps = np.random.default_rng(5).integers(1600, 6000, 30)
    times = [round(int(t) / 0.09) for t in np.cumsum(steps) - steps[0]]
    clip = read(write_clip(tmp_path / "vfr.mp4", Film(times_us=times, flash_us=times[11], b_frames=2), None))
    assert max(abs(a - b) for a, b in zip(clip.times_us(), times, strict=True)) <= 1
    assert abs(clip.flash_us() - times[11]) <= 1


@pytest.mark.parametrize("fps", [24, 30000 / 1001, 60])
def test_constant_frame_rates(tmp_path: Path, fps: float) -> None:
    film = Film(fps=fps, flash_us=round(12e6 / fps))
    clip = read(write_clip(tmp_path / "cfr.mp4", film, Sound()))
    assert max(abs(a - b) for a, b in zip(clip.times_us(), film.stamps(), strict=True)) <= 6  # 90 kHz ticks
    assert abs(clip.click_us() - 500_000) <= BOUND_US


@pytest.mark.parametrize(("film_us", "sound_us"), [(0, 4_400_000), (4_400_000, 0), (0, 173_000), (146_000, 0)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_start_offsets_are_kept(tmp_path: Path, suffix: str, film_us: int, sound_us: int) -> None:
    film = Film(start_us=film_us, flash_us=film_us + 480_000)
    sound = Sound(start_us=sound_us, click_us=sound_us + 500_000)
    clip = read(write_clip(tmp_path / f"offset.{suffix}", film, sound))
    assert clip.info.video is not None
    assert clip.info.audio is not None
    assert abs(clip.flash_us() - film.flash_us) <= 1000
    assert abs(clip.click_us() - sound.click_us) <= BOUND_US
    assert abs(clip.info.video.start_us - film_us) <= 1000
    assert clip.info.audio.start_us == clip.pcm[0].t_us
    assert clip.frames[0].t_us == clip.info.video.start_us


CODECS = [
    ("mp4", "libx264", "aac", {}),
    ("mp4", "libx264", "aac", {"use_editlist": "0"}),
    ("mp4", "libx264", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    ("mp4", "mpeg4", "aac", {}),
    ("mp4", "libx264", "libopus", {}),
    ("mp4", "libx264", "libmp3lame", {}),
    ("mov", "libx264", "pcm_s16le", {}),
    ("mkv", "libx264", "aac", {}),
    ("mkv", "libx264", "flac", {}),
    ("webm", "libvpx", "libopus", {}),
    ("ts", "libx264", "aac", {}),
    ("flv", "libx264", "aac", {}),
]


@pytest.mark.parametrize(("suffix", "film", "sound", "options"), CODECS)
def test_priming_is_not_heard(tmp_path: Path, suffix: str, film: str, sound: str, options: dict[str, str]) -> None:
    path = tmp_path / f"clip.{suffix}"
    frames = Film(codec=film, b_frames=2 if film == "libx264" and suffix != "flv" else 0)
    clip = read(write_clip(path, frames, Sound(codec=sound), options))
    # Where a muxer has to shift the whole clip (no edit list, MPEG-TS) the streams keep their distance.
    assert abs(offset_us(clip) - 20_000) <= BOUND_US
    if not options and suffix in ("mp4", "mov", "mkv", "webm"):
        assert abs(clip.click_us() - 500_000) <= BOUND_US
        assert min(p.t_us for p in clip.pcm) == 0
    assert len(clip.frames) == 25
    assert clip.info.warnings == ()


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_rates_and_layouts(tmp_path: Path, rate_hz: int, layout: str) -> None:
    clip = read(write_clip(tmp_path / "a.m4a", None, Sound(rate_hz=rate_hz, layout=layout)))
    assert clip.info.video is None
    assert clip.info.audio is not None
    assert clip.info.audio.sample_rate_hz == rate_hz
    assert abs(clip.click_us() - 500_000) <= BOUND_US
    assert clip.samples().dtype == np.float32


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_16"), ("wav", "FLOAT"), ("wav", "PCM_U8"), ("flac", None)]
)
def test_plain_audio_is_sample_exact(tmp_path: Path, suffix: str, subtype: str | None) -> None:
    sound = Sound(rate_hz=44100, layout="stereo", seconds=1.5)
    clip = read(write_wav(tmp_path / f"a.{suffix}", sound, subtype))
    assert clip.info.container == suffix
    assert clip.info.duration_us == 1_500_000
    steps = 2**-7 if subtype == "PCM_U8" else 2**-15
    assert np.abs(clip.samples() - sound.samples()).max() <= steps


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_plain_compressed_audio(tmp_path: Path, suffix: str) -> None:
    clip = read(write_wav(tmp_path / f"a.{suffix}", Sound()))
    assert abs(clip.click_us() - 500_000) <= BOUND_US


def test_avi_without_presentation_times(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", Film(codec="mpeg4", b_frames=2), Sound(codec="pcm_s16le"))
    clip = read(path)
    assert clip.times_us() == [40_000 * k for k in range(25)]
    assert clip.flash_us() == 480_000
    assert abs(clip.click_us() - 500_000) <= BOUND_US


@pytest.mark.parametrize("fps", [24, 30000 / 1001, 50])
@pytest.mark.parametrize(("codec", "rate_hz"), [("aac", 48000), ("libmp3lame", 44100), ("mp2", 48000), ("ac3", 48000)])
@pytest.mark.parametrize("options", [{}, {"avoid_negative_ts": "disabled"}])
def test_priming_that_avi_cannot_tell(
    tmp_path: Path, fps: float, codec: str, rate_hz: int, options: dict[str, str]
) -> None:
    film = Film(codec="mpeg4", fps=fps, flash_us=round(12e6 / fps))
    clip = read(write_clip(tmp_path / "a.avi", film, Sound(codec=codec, rate_hz=rate_hz), options))
    assert abs(offset_us(clip) - (500_000 - film.flash_us)) <= BOUND_US


def test_transport_streams_start_at_zero(tmp_path: Path) -> None:
    clip = read(write_clip(tmp_path / "a.ts", options={"output_ts_offset": "5000"}))
    assert 0 <= min(clip.times_us()[0], clip.pcm[0].t_us) <= 100_000


@pytest.mark.parametrize("first_us", [-200_000, -4_400_000])
def test_negative_times_stay_negative(tmp_path: Path, first_us: int) -> None:
    options = {"avoid_negative_ts": "disabled"}
    sound = Sound(seconds=6, start_us=first_us, click_us=0)
    clip = read(write_clip(tmp_path / "a.mkv", Film(), sound, options))
    assert clip.pcm[0].t_us == pytest.approx(first_us, abs=22_000)
    assert abs(clip.click_us()) <= BOUND_US
    assert clip.flash_us() == 480_000


def test_streams_arrive_roughly_in_time_order(tmp_path: Path) -> None:
    clip_items: list[int] = []
    from avguard.media import open_media

    with open_media(write_clip(tmp_path / "a.mp4", Film(seconds=4), Sound(seconds=4)), Limits()) as reader:
        clip_items = [item.t_us for item in reader]
    latest = np.maximum.accumulate(clip_items)
    assert (latest - clip_items).max() < 1_000_000


@pytest.mark.parametrize("fps", [25, 30])
@pytest.mark.parametrize(("rate_hz", "layout"), [(8000, "mono"), (22050, "stereo"), (48000, "5.1")])
def test_flash_and_beep_keep_their_distance(tmp_path: Path, fps: float, rate_hz: int, layout: str) -> None:
    film = Film(fps=fps, flash_us=round(12e6 / fps), b_frames=2)
    clip = read(write_clip(tmp_path / "a.mp4", film, Sound(rate_hz=rate_hz, layout=layout)))
    assert abs(offset_us(clip) - (500_000 - film.flash_us)) <= BOUND_US


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_rate_and_dropped_frames_keep_the_sound_in_place(tmp_path: Path, suffix: str) -> None:
    """15 to 60 frames a second, and half a second without any: what a busy phone writes."""
    steps = np.random.default_rng(7).integers(16_667, 66_667, 60)
    steps[20] = 500_000
    times = [int(t) // 1000 * 1000 for t in np.cumsum(steps) - steps[0]]
    film = Film(times_us=times, flash_us=times[40], b_frames=2)
    clip = read(write_clip(tmp_path / f"a.{suffix}", film, Sound(seconds=3, click_us=1_700_000)))
    assert max(abs(a - b) for a, b in zip(clip.times_us(), times, strict=True)) <= 500  # Matroska counts milliseconds
    assert abs(offset_us(clip) - (1_700_000 - times[40])) <= BOUND_US
