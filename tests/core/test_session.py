# SPDX-License-Identifier: Apache-2.0
"""The session: order and size of what is pushed do not matter, wrong use is named, broken programs do not crash."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avguard import _core
from avguard.errors import EngineError, LimitError, ModelError, UsageError
from avguard.models import default_path
from avguard.spec import load_spec
from export.seal import seal
from tests.core import faces, talking
from tests.core.talking import Item, by_time
from tests.models.bundles import resealed

SPEC = load_spec()
DAY_US = 24 * 3600 * 1_000_000
# A block of sound ends up to 1.6 frames after its time, and a picture is only placed when its successor comes.
LAG_US = (SPEC.window.stream_lag_frames - 4) * SPEC.video.period_us
GREY = np.full((48, 64), 128, np.uint8)


def grey(session: _core.Session, t_us: int) -> None:
    session.push_frame([GREY], "gray8", 64, 48, t_us)


def orders() -> dict[str, list[Item]]:
    film = list(talking.pictures())
    return {
        "small blocks": by_time([*film, *talking.blocks([160])]),
        "odd blocks": by_time([*film, *talking.blocks([1, 7, 331, 4096, 13])]),
        "large blocks": by_time([*film, *talking.blocks([16000])]),
        "sound late": by_time([*film, *talking.blocks([1024])], -LAG_US),
        "picture late": by_time([*film, *talking.blocks([1024])], LAG_US),
    }


@pytest.mark.parametrize("name", orders())
def test_any_order_within_the_lag_gives_the_same_bytes(name: str) -> None:
    assert talking.judge(orders()[name]) == talking.expected()


def test_the_clip_is_judged_at_all() -> None:
    verdict = json.loads(talking.expected())
    assert verdict["schema"] == "avguard.verdict/1"
    assert all(verdict["score"][head] is not None for head in ("overall", *SPEC.heads))
    assert verdict["quality"]["face_s"] == pytest.approx(talking.FRAMES / 25, abs=0.2)
    assert verdict["quality"]["speech_s"] > 1
    assert [track["primary"] for track in verdict["tracks"]] == [True]
    assert verdict["warnings"] == []
    assert verdict["model"]["spec_hash"] == SPEC.hash
    assert len(verdict["timeline"]["sync"]) == pytest.approx(4.48 / verdict["timeline"]["step_s"], abs=1)


def test_everything_at_once_gives_the_same_windows_scores_as_live() -> None:
    # All pictures first is beyond the lag once the clip is long; this one is short enough.
    film = [picture for picture in talking.pictures() if picture.t_us < 3_500_000]
    sound = talking.blocks([1024], 3.4)
    assert talking.judge([*film, *sound]) == talking.judge(by_time([*film, *sound]))


def test_events_tell_the_windows_and_tracks() -> None:
    session = _core.Session(talking.model())
    events: list[dict[str, Any]] = []
    for item in by_time([*talking.pictures(), *talking.blocks([1024])]):
        talking.push(session, item)
        events += session.poll()
    live = len(events)
    session.finish()
    events += session.poll()
    assert session.poll() == []
    kinds = {event["kind"] for event in events[:live]}
    assert {"track_found", "window"} <= kinds <= {"track_found", "window", "segment_opened", "segment_closed"}
    windows = [event for event in events if event["kind"] == "window"]
    stride_us = SPEC.window.stride_frames * SPEC.video.period_us
    assert [window["start_us"] for window in windows[:3]] == [0, stride_us, 2 * stride_us]
    assert all(w["end_us"] - w["start_us"] == SPEC.window.frames * SPEC.video.period_us for w in windows)
    assert all(0 <= window["scores"]["video"] <= 1 for window in windows)


def test_interleaved_sessions_are_as_if_alone() -> None:
    items = by_time([*talking.pictures(), *talking.blocks([1024])])
    sessions = [_core.Session(talking.model()) for _ in range(8)]
    for item in items:
        for session in sessions:
            talking.push(session, item)
    assert {session.finish() for session in sessions} == {talking.expected()}


def test_sessions_in_threads_are_as_if_alone() -> None:
    items = by_time([*talking.pictures(), *talking.blocks([1024])])
    answers: list[str] = []
    talking.model()
    threads = [threading.Thread(target=lambda: answers.append(talking.judge(items))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [talking.expected()] * 3


def test_lent_pictures_give_the_verdict_of_copied_ones_and_are_given_back_once() -> None:
    session = _core.Session(talking.model())
    lent: list[NDArray[np.uint8]] = []
    back: list[int] = []

    def give_back(number: int) -> None:
        back.append(number)
        lent[number][:] = 255 - lent[number]  # nobody may look at it any more

    for item in by_time([*talking.pictures(), *talking.blocks([1024])]):
        if isinstance(item, talking.Block):
            talking.push(session, item)
            continue
        lent.append(item.rgb.copy())
        release = partial(give_back, len(lent) - 1)
        faces.push(session, lent[-1], item.t_us, release=release)
        assert 1 <= len(lent) - len(back) <= 2
    assert session.finish() == talking.expected()
    assert sorted(back) == list(range(len(lent)))


def test_lent_planes_live_until_they_are_given_back() -> None:
    session = _core.Session(talking.model())
    plane = GREY.copy()
    alive = weakref.ref(plane)
    back: list[int] = []
    session.push_frame([plane], "gray8", 64, 48, 0, release=lambda: back.append(1))
    del plane
    assert alive() is not None
    assert back == []
    with pytest.raises(UsageError):
        session.push_frame([GREY], "gray8", 640, 48, 40_000, release=lambda: back.append(2))
    del session
    assert alive() is None
    assert back == [1]


def test_two_threads_on_one_session_are_told() -> None:
    session = _core.Session(talking.model())
    sound = talking.voice(1.0)
    errors: list[BaseException] = []
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        try:
            for k in range(40):
                session.push_audio(sound, talking.RATE_HZ, k * 1_000_000)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors
    assert all(isinstance(error, UsageError) for error in errors)
    assert "another thread" in str(errors[0])


def test_after_finish_nothing_may_come() -> None:
    session = _core.Session(talking.model())
    session.finish()
    with pytest.raises(UsageError, match="finish was called twice"):
        session.finish()
    with pytest.raises(UsageError, match="after finish"):
        grey(session, 0)
    with pytest.raises(UsageError, match="after finish"):
        session.push_audio(np.zeros(16, np.float32), 16000, 0)
    assert session.poll() == []


def test_an_empty_session_is_inconclusive() -> None:
    verdict = json.loads(_core.Session(talking.model()).finish())
    assert verdict["label"] == "inconclusive"
    assert verdict["reasons"] == ["too_short"]
    assert set(verdict["score"].values()) == {None}
    assert verdict["tracks"] == verdict["segments"] == []
    assert verdict["quality"]["duration_s"] == 0


def test_what_was_not_expected_is_named() -> None:
    reasons = {}
    for video, audio in ((True, False), (False, True)):
        session = _core.Session(talking.model(), expect_video=video, expect_audio=audio)
        for item in talking.pictures() if video else talking.blocks([1024]):
            talking.push(session, item)
        verdict = json.loads(session.finish())
        reasons[video] = verdict["heads"]["sync"]["reasons"]
        assert (verdict["score"]["video"] is not None, verdict["score"]["audio"] is not None) == (video, audio)
        assert verdict["score"]["overall"] is not None
    assert reasons == {True: ["no_audio"], False: ["no_video"]}


@pytest.mark.parametrize("t_us", [DAY_US + 1, -DAY_US - 1, 2**62, -(2**62)])
def test_times_beyond_a_day_are_refused(t_us: int) -> None:
    session = _core.Session(talking.model())
    with pytest.raises(LimitError, match="24 hours"):
        grey(session, t_us)
    with pytest.raises(LimitError, match="24 hours"):
        session.push_audio(np.zeros(16, np.float32), 16000, t_us)
    grey(session, 0)
    assert json.loads(session.finish())["label"] == "inconclusive"


def test_leaps_in_time_do_not_cost_memory_or_sense() -> None:
    session = _core.Session(talking.model(), expect_audio=False)
    for t_us in (0, 40_000, 3600 * 1_000_000, 0, DAY_US):
        grey(session, t_us)
    verdict = json.loads(session.finish())
    assert verdict["label"] == "inconclusive"
    assert verdict["warnings"] == ["1 video timestamps did not move forward"]
    session = _core.Session(talking.model(), expect_video=False)
    session.push_audio(np.zeros(160, np.float32), 16000, 0)
    with pytest.raises(LimitError, match="gap"):
        session.push_audio(np.zeros(160, np.float32), 16000, 3700 * 1_000_000)


def test_broken_samples_and_gaps_are_counted() -> None:
    session = _core.Session(talking.model(), expect_video=False)
    samples = talking.voice(3.0)
    samples[[5, 700]] = np.nan
    samples[9000] = np.inf
    session.push_audio(samples, 16000, 0)
    session.push_audio(talking.voice(1.0), 16000, 3_500_000)
    session.push_audio(talking.voice(1.0), 16000, 4_000_000)
    session.warn('a "quoted" \\ warning\n')
    verdict = json.loads(session.finish())
    assert verdict["warnings"] == [
        'a "quoted" \\ warning\n',
        "1 gaps in the sound were filled with silence",
        "1 overlaps in the sound were dropped",
        "3 samples were not finite numbers",
    ]
    assert 0 <= verdict["score"]["audio"] <= 1
    assert verdict["quality"]["duration_s"] == pytest.approx(5.0, abs=0.1)


def test_wrong_sound_is_refused() -> None:
    session = _core.Session(talking.model())
    with pytest.raises(UsageError, match="mono"):
        session.push_audio(np.zeros((2, 16), np.float32), 16000, 0)
    with pytest.raises(TypeError):
        session.push_audio(np.zeros(16, np.float64), 16000, 0)
    for rate_hz in (0, -1, 3999, 192_001):
        with pytest.raises(UsageError, match="sample rate"):
            session.push_audio(np.zeros(16, np.float32), rate_hz, 0)
    session.push_audio(np.zeros(16, np.float32), 16000, 0)
    with pytest.raises(UsageError, match="sample rate changed"):
        session.push_audio(np.zeros(16, np.float32), 48000, 1000)


def test_frames_are_copied() -> None:
    items = by_time([*talking.pictures(), *talking.blocks([1024])])
    session = _core.Session(talking.model())
    for item in items:
        if isinstance(item, talking.Picture):
            borrowed = item.rgb.copy()
            faces.push(session, borrowed, item.t_us)
            borrowed[:] = 0
        else:
            talking.push(session, item)
    assert session.finish() == talking.expected()


def program(name: str = "face_detector") -> bytes:
    return (default_path() / f"{name}.pte").read_bytes()


def test_another_specs_program_is_refused_with_both_hashes() -> None:
    mesh = program("face_mesh")
    other = SPEC.hash[:-4] + ("0000" if not SPEC.hash.endswith("0000") else "1111")
    data = program()
    patched = resealed(data.replace(SPEC.hash.encode(), other.encode()))
    assert patched != data
    card = {"id": "x", "licence": "x", "engine": "x"}
    with pytest.raises(ModelError, match=f"the face detector was made for another spec.*{other}.*{SPEC.hash}"):
        _core.Model(patched, mesh, None, None, card)
    with pytest.raises(ModelError, match=f"the program .*{other}.*{SPEC.hash}"):
        _core.Program(patched)


def test_a_hash_that_is_no_text_is_refused() -> None:
    with pytest.raises(ModelError, match="made for another spec"):
        _core.Program(resealed(program().replace(SPEC.hash.encode(), b"\xab\xff" + SPEC.hash[2:].encode())))


@pytest.mark.parametrize("data", [b"", b"x", b"hello world" * 1000, bytes(4096), b"\xff" * 4096])
def test_what_is_no_program_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="the program does not end with a seal"):
        _core.Program(data)
    with pytest.raises(ModelError, match="the program cannot be opened"):
        _core.Program(seal(data))


def test_programs_of_other_shapes_are_refused() -> None:
    card = {"id": "x", "licence": "x", "engine": "x"}
    swapped = _core.Model(program("face_mesh"), program(), None, None, card)
    with pytest.raises(ModelError, match="other inputs or outputs"):
        _core.Session(swapped, extract=True)
    with pytest.raises(UsageError, match="needs a face detector"):
        _core.Session(faces.extractor())


def test_programs_take_what_they_take() -> None:
    detector = _core.Program(program())
    assert detector.constant("spec_hash") == SPEC.hash
    with pytest.raises(ModelError, match="no string constant 'nothing'"):
        detector.constant("nothing")
    with pytest.raises(UsageError, match="takes 1 inputs, got 2"):
        detector.run([np.zeros(1, np.float32)] * 2)
    with pytest.raises(UsageError, match="input 0 needs 49152 values, got 7"):
        detector.run([np.zeros(7, np.float32)])
    boxes, scores = detector.run([np.zeros((1, 3, 128, 128), np.float32)])
    assert (boxes.size, scores.size) == (896 * 16, 896)
    noise = np.random.default_rng(0).standard_normal((1, 3, 128, 128), np.float32)
    first = detector.run([noise])
    assert not np.array_equal(first[1], scores)
    assert all(np.array_equal(a, b) for a, b in zip(first, detector.run_again(), strict=True))


CUTS = """
import sys; sys.path[:] = eval(sys.argv[1])
from pathlib import Path
from avguard import _core
from avguard.errors import EngineError, ModelError
from export.seal import SEAL_BYTES, seal
data = Path(sys.argv[2]).read_bytes()[:-SEAL_BYTES]
for cut in (1, 7, 8, 64, 200, 1000, 5000, 20000, len(data) // 2, len(data) - 4096, len(data) - 64):
    try:
        _core.Program(seal(data[:cut]))
    except (ModelError, EngineError):
        print("refused", flush=True)
"""


def test_truncated_programs_are_refused() -> None:
    """By the runtime too, should somebody have sealed them."""
    path = default_path() / "face_detector.pte"
    command = [sys.executable, "-c", CUTS, repr(sys.path), str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["refused"] * 11


FLIPS = """
import sys; sys.path[:] = eval(sys.argv[1])
from pathlib import Path
import numpy as np
from avguard import _core
from avguard.errors import EngineError, ModelError
from export.seal import SEAL_BYTES, seal
data = np.frombuffer(Path(sys.argv[2]).read_bytes()[:-SEAL_BYTES], np.uint8)
generator = np.random.default_rng(int(sys.argv[3]))
for turn in range(24):
    altered = data.copy()
    # The tables lie in front, the weights behind.
    reach = 4000 if turn % 2 else len(data)
    altered[generator.integers(0, reach, 3)] ^= generator.integers(1, 256, 3, dtype=np.uint8)
    try:
        _core.Program(seal(altered.tobytes())).run([np.zeros((1, 3, 128, 128), np.float32)])
        print("ran", flush=True)
    except (ModelError, EngineError) as error:
        print("refused", flush=True)
"""


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_flipped_bytes_do_not_crash(seed: int) -> None:
    path = default_path() / "face_detector.pte"
    command = [sys.executable, "-c", FLIPS, repr(sys.path), str(path), str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, (ended.returncode, ended.stdout.split(), ended.stderr[-2000:])
    assert ended.stderr == ""
    assert len(ended.stdout.split()) == 24
    assert "refused" in ended.stdout.split()
    assert Path(path).is_file()


def test_errors_carry_stable_codes() -> None:
    assert (UsageError.code, LimitError.code, ModelError.code, EngineError.code) == (12, 6, 9, 10)
