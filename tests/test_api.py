# SPDX-License-Identifier: Apache-2.0
"""The doors of the library: every bad input has its name, every good one its verdict, and nothing else is touched."""

from __future__ import annotations

import json
import os
import struct
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
import skimage.draw
import soundfile

import avguard
from avguard import Checker, Limits, Stream, Verdict, check
from avguard.errors import CancelledError, InputNotFoundError, LimitError, MediaError, ModelError, UsageError
from avguard.media import Frame, open_media
from tests import make_demo
from tests.make_media import Film, Sound, patch_box, write_clip
from tests.soak.crew import descendants

REASONS = {"no_video", "no_audio", "no_face", "face_too_small", "face_too_short", "no_speech", "too_short", "uncertain"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo.write_demo(tmp_path_factory.mktemp("talk") / "talk.mp4", 2.6)


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker()


def only(kind: str, source: Path, path: Path) -> Path:
    """One stream of a clip, its packets copied."""
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        wanted = next(stream for stream in given.streams if stream.type == kind)
        stream = container.add_stream_from_template(wanted)
        for packet in given.demux(wanted):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return path


def film_of(pictures: list[np.ndarray], samples: np.ndarray | None, path: Path) -> Path:
    """Pictures at 25 a second, with 16-bit sound where there is any."""
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        film.height, film.width = pictures[0].shape[:2]
        film.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=16000, layout="mono") if samples is not None else None
        for picture in pictures:
            container.mux(film.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(film.encode(None))
        if sound is not None and samples is not None:
            frame = av.AudioFrame.from_ndarray((samples[None] * 32767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, 0
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


def voice_16khz(seconds: float) -> np.ndarray:
    return make_demo.voice(seconds)[::3]


def running(checker: Checker | None = None) -> set[int]:
    """Processes that this one started, and those that they did, but for the fork server of ``checker``."""
    server = checker and checker._forks._popen
    return set(descendants(os.getpid())) - ({server.pid} if server else set())


# ---- what cannot be read


def test_missing_directory_and_wrong_types(checker: Checker, tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="does not exist"):
        checker.check(tmp_path / "none.mp4")
    with pytest.raises(InputNotFoundError, match="directory"):
        checker.check(tmp_path)
    for wrong in (None, 3, ["a.mp4"]):
        with pytest.raises(UsageError, match="path is a"):
            checker.check(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="limits is a"):
        checker.check(tmp_path, limits={"max_fps": 3})  # type: ignore[arg-type]


CONTENTS = {
    "empty": (b"", "empty"),
    "text": (b"To be, or not to be, that is the question.\n" * 50, "text"),
    "zeros": (bytes(50_000), "no readable media"),
    "image": (b"\x89PNG\r\n\x1a\n" + bytes(500), "still image"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_no_media(checker: Checker, tmp_path: Path, name: str) -> None:
    content, message = CONTENTS[name]
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=message):
        checker.check(path)


def test_truncated_mp4(checker: Checker, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.mp4"
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(MediaError, match="cut off"):
        checker.check(path)


def test_huge_dimensions(checker: Checker, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", Film(codec="rawvideo", pixel_format="uyvy422", seconds=0.2), None)
    patch_box(path, b"2vuy", 24, struct.pack(">HH", 40000, 30000))
    with pytest.raises(LimitError, match=r"Limits\.max_side_px"):
        checker.check(path)


def test_limits_reach_the_decoder(checker: Checker, clip: Path) -> None:
    with pytest.raises(LimitError, match=r"Limits\.max_side_px"):
        checker.check(clip, limits=Limits(max_side_px=100))


# ---- what cannot be judged, or by halves


def test_no_sound(checker: Checker, clip: Path, tmp_path: Path) -> None:
    verdict = checker.check(only("video", clip, tmp_path / "mute.mp4"))
    assert verdict.score.video is not None
    assert verdict.score.overall is not None
    assert verdict.score.audio is verdict.score.sync is verdict.score.desync is None
    assert verdict.heads["audio"].label == "inconclusive"
    assert verdict.heads["audio"].reasons == ("no_audio",)
    assert "no_audio" in verdict.reasons
    assert verdict.offset_ms is None
    assert verdict.timeline.audio == ()


@pytest.mark.parametrize("suffix", ["wav", "mp3", "flac", "m4a"])
def test_no_picture(checker: Checker, clip: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"voice.{suffix}"
    if suffix == "m4a":
        with av.open(str(clip)) as given, av.open(str(path), "w", format="mp4") as container:
            stream = container.add_stream_from_template(given.streams.audio[0])
            for packet in given.demux(given.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    container.mux(packet)
    else:
        soundfile.write(path, make_demo.voice(2.6), make_demo.RATE_HZ)
    verdict = checker.check(path)
    assert verdict.score.audio is not None
    assert verdict.score.overall is not None
    assert verdict.score.video is verdict.score.sync is verdict.score.desync is None
    assert verdict.heads["video"].label == "inconclusive"
    assert verdict.heads["video"].reasons == ("no_video",)
    assert "no_video" in verdict.reasons
    assert verdict.tracks == ()
    assert verdict.quality.face_s == 0


def cartoon() -> np.ndarray:
    picture = np.full((240, 320, 3), (250, 240, 120), np.uint8)
    for row, column, radius, colour in (
        (120, 160, 70, (255, 205, 0)),
        (100, 135, 9, (0, 0, 0)),
        (100, 185, 9, (0, 0, 0)),
    ):
        picture[skimage.draw.disk((row, column), radius, shape=picture.shape[:2])] = colour
    picture[skimage.draw.ellipse(150, 160, 6, 30, shape=picture.shape[:2])] = (200, 0, 0)
    return picture


def faceless() -> dict[str, list[np.ndarray]]:
    generator = np.random.default_rng(2)
    noise = [generator.integers(0, 256, (240, 320, 3), dtype=np.uint8) for _ in range(60)]
    return {"noise": noise, "black": [np.zeros((240, 320, 3), np.uint8)] * 60}


@pytest.mark.parametrize("name", ["noise", "black"])
def test_no_face(checker: Checker, tmp_path: Path, name: str) -> None:
    pictures = faceless()[name]
    verdict = checker.check(film_of(pictures, None, tmp_path / "mute.mkv"))
    assert verdict.label == "inconclusive"
    assert verdict.reasons == ("no_face", "no_audio")
    assert verdict.score.overall is None
    spoken = checker.check(film_of(pictures, voice_16khz(2.4), tmp_path / "spoken.mkv"))
    assert spoken.score.video is spoken.score.sync is None
    assert spoken.score.audio is not None
    assert spoken.heads["video"].reasons == ("no_face",)
    # A clip whose picture could not be judged is not called real on its sound alone.
    assert spoken.label != "real"


def test_a_test_pattern(checker: Checker, tmp_path: Path) -> None:
    verdict = checker.check(write_clip(tmp_path / "a.mp4", Film(seconds=3), Sound(seconds=3, click_us=None)))
    assert "no_face" in verdict.reasons
    assert verdict.score.video is None
    assert verdict.label != "real"


def test_a_cartoon(checker: Checker, tmp_path: Path) -> None:
    """A drawn face may pass for one; what is said must then rest on it, and say so otherwise."""
    verdict = checker.check(film_of([np.roll(cartoon(), k, 1) for k in range(60)], None, tmp_path / "toon.mkv"))
    assert "no_audio" in verdict.reasons
    assert (verdict.score.video is None) == bool({"no_face", "face_too_short"} & set(verdict.reasons))
    assert (verdict.score.overall is None) == (verdict.score.video is None)
    if verdict.score.video is None:
        assert verdict.label == "inconclusive"
    else:
        assert verdict.tracks[0].face_s > 0.8


def test_too_short(checker: Checker, tmp_path: Path) -> None:
    verdict = checker.check(make_demo.write_demo(tmp_path / "short.mp4", 0.3))
    assert verdict.label == "inconclusive"
    assert verdict.reasons == ("too_short",)
    assert verdict.score.overall is None
    assert {head.reasons for head in verdict.heads.values()} == {("too_short",)}


def test_silence(checker: Checker, tmp_path: Path) -> None:
    path = film_of(make_demo.pictures(2.4), np.zeros(38400, np.float32), tmp_path / "silent.mkv")
    verdict = checker.check(path)
    assert verdict.heads["audio"].reasons == ("no_speech",)
    assert verdict.score.audio is None
    assert verdict.score.video is not None
    assert verdict.quality.speech_s == 0
    soundfile.write(tmp_path / "zeros.wav", np.zeros(48000), 16000)
    silent = checker.check(tmp_path / "zeros.wav")
    assert silent.label == "inconclusive"
    assert silent.reasons == ("no_video", "no_speech")


# ---- the verdict


def test_a_talking_face_is_judged(checker: Checker, clip: Path) -> None:
    verdict = checker.check(clip)
    assert verdict.label in ("real", "fake", "inconclusive")
    for score in (verdict.score.overall, verdict.score.video, verdict.score.audio, verdict.score.sync):
        assert score is not None
        assert 0 <= score <= 1
    assert set(verdict.reasons) <= REASONS
    assert verdict.quality.duration_s == pytest.approx(2.6, abs=0.1)
    assert verdict.quality.face_s == pytest.approx(2.6, abs=0.1)
    assert verdict.quality.face_px == pytest.approx(44, abs=3)
    assert verdict.quality.speech_s > 1
    (track,) = verdict.tracks
    assert track.primary
    assert verdict.warnings == ()
    assert len(verdict.timeline.video) == pytest.approx(2.6 / verdict.timeline.step_s, abs=1)
    assert all(segment.end_s > segment.start_s >= 0 for segment in verdict.segments)


def test_paths_and_strings_and_the_shortcut(checker: Checker, clip: Path) -> None:
    wanted = checker.check(clip).to_json()
    assert checker.check(str(clip)).to_json() == wanted
    assert check(clip).to_json() == wanted
    assert avguard.check(str(clip)).to_json() == wanted


def test_json_round_trip(checker: Checker, clip: Path) -> None:
    verdict = checker.check(clip)
    again = Verdict.from_json(verdict.to_json())
    assert again == verdict
    assert again.to_json() == verdict.to_json()
    assert again.model_id == verdict.model.id
    assert "\n" not in verdict.to_json()
    with pytest.raises(ValueError, match=r"schema 'avguard\.verdict/9'"):
        Verdict.from_json(json.dumps({**json.loads(verdict.to_json()), "schema": "avguard.verdict/9"}))


def test_a_verdict_is_no_truth_value(checker: Checker, clip: Path) -> None:
    with pytest.raises(TypeError, match=r"compare verdict\.label"):
        bool(checker.check(clip))


def test_a_stream_of_the_same_items_gives_the_same_bytes(checker: Checker, clip: Path) -> None:
    stream = checker.stream()
    events = []
    with open_media(clip) as reader:
        for item in reader:
            if isinstance(item, Frame):
                stream.push_frame(
                    item.planes,
                    item.t_us,
                    format=item.format,
                    width=item.width,
                    height=item.height,
                    full_range=item.full_range,
                    matrix=item.matrix,
                    rotation_deg=item.rotation_deg,
                    mirrored=item.mirrored,
                )
            else:
                stream.push_audio(item.samples, item.t_us, sample_rate_hz=item.sample_rate_hz)
            events += stream.poll()
    assert stream.finish().to_json() == checker.check(clip).to_json()
    assert {event["kind"] for event in events + stream.poll()} >= {"track_found", "window"}
    with pytest.raises(UsageError, match="finish was called twice"):
        stream.finish()


def test_streams_say_what_is_wrong(checker: Checker) -> None:
    stream: Stream = checker.stream(audio=False)
    with pytest.raises(UsageError, match="pixel format"):
        stream.push_frame([np.zeros((4, 4), np.uint8)], 0, format="i421", width=4, height=4)
    with pytest.raises(UsageError, match="mono"):
        stream.push_audio(np.zeros((4, 4), np.float32), 0, sample_rate_hz=16000)
    assert stream.finish().reasons == ("too_short",)


# ---- progress and cancelling


def test_progress_is_told(checker: Checker, clip: Path) -> None:
    calls: list[tuple[str, float, float]] = []
    wanted = checker.check(clip).to_json()
    assert checker.check(clip, progress=lambda *call: calls.append(call)).to_json() == wanted
    assert {phase for phase, _, _ in calls} == {"check"}
    assert all(total == pytest.approx(2.6, abs=0.1) for _, _, total in calls)
    assert max(done for _, done, _ in calls) == pytest.approx(2.6, abs=0.1)


@pytest.mark.wall_clock
def test_cancelling_is_quick_and_clean(checker: Checker, clip: Path) -> None:
    before = running(checker)
    told_s: list[float] = []

    def stop(phase: str, done_s: float, total_s: float) -> bool:
        told_s.append(time.monotonic())
        return done_s < 0.5

    with pytest.raises(CancelledError, match="cancelled"):
        checker.check(clip, progress=stop)
    assert time.monotonic() - told_s[-1] < 0.5
    assert max(np.diff(told_s), default=0) < 0.5
    assert running(checker) == before
    assert checker.check(clip).score.overall is not None


def test_errors_of_progress_come_through(checker: Checker, clip: Path) -> None:
    before = running(checker)

    def fail(phase: str, done_s: float, total_s: float) -> bool:
        raise KeyError(phase)

    with pytest.raises(KeyError):
        checker.check(clip, progress=fail)
    assert running(checker) == before


# ---- lifetime and threads


def test_threads_share_a_checker(checker: Checker, clip: Path) -> None:
    wanted = checker.check(clip).to_json()
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(checker.check(clip).to_json())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [wanted] * 4


def test_a_closed_checker(clip: Path) -> None:
    with Checker() as checker:
        stream = checker.stream()
    for use in (lambda: checker.check(clip), checker.stream):
        with pytest.raises(UsageError, match="closed"):
            use()
    checker.close()
    assert stream.finish().label == "inconclusive"


def test_a_closed_checker_leaves_no_child(clip: Path) -> None:
    before = running()
    checker = Checker()
    checker.close()
    with pytest.raises(UsageError, match="closed"):
        checker.check(clip)
    assert running() == before


def test_wrong_models(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(ModelError, match="not a model bundle"):
        check(clip, model=tmp_path)
    with pytest.raises(ModelError, match="not one of auto"):
        Checker(engine="quantum")
