# SPDX-License-Identifier: Apache-2.0
"""The camera example, fed with raw NV12 and PCM from files instead of a sensor and a microphone.

V4L2 and ALSA themselves are compiled here, and refuse devices that are not there; no machine of ours has a camera.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import avguard
from avguard.media import open_media
from avguard.models import default_path
from tests.native.conftest import ROOT, Sdk, run

MAKE_RAW = runpy.run_path(str(ROOT / "cpp" / "examples" / "camera" / "make_raw.py"))
PEAK_LIMIT_KB = 40_000
SUMMARY = re.compile(
    r"ended; (\d+) pictures and (\d+) blocks judged, (\d+) pictures and (\d+) blocks dropped, (\d+) windows, (\d+) verd"
)


def raw_of(clip: Path, folder: Path) -> Path:
    folder.mkdir()
    write: Callable[..., None] = MAKE_RAW["write"]
    with open_media(clip) as reader:
        write(reader, folder)
    return folder


def camera(sdk: Sdk, *options: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(word) for word in (sdk.camera, default_path(), *options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=os.environ | environment)


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """What the camera's last line says."""
    found = SUMMARY.search(done.stderr)
    assert found is not None, done.stderr
    names = ("pictures", "blocks", "dropped_pictures", "dropped_blocks", "windows", "verdicts")
    return dict(zip(names, map(int, found.groups()), strict=True))


@pytest.fixture(scope="module")
def demo_raw(demo_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthesised clip as raw files; it lasts some seconds and shows one face that speaks."""
    return raw_of(demo_clip, tmp_path_factory.mktemp("demo") / "raw")


@pytest.mark.parametrize("name", ["22e8f28d4e56", "07dd07497d37"])
def test_a_real_clip_gets_the_verdict_of_avguard_check(sdk: Sdk, shared: Path, name: str, tmp_path: Path) -> None:
    clip = shared / "data" / "clips" / f"{name}.mp4"
    done = camera(sdk, "--file", raw_of(clip, tmp_path / "raw"), "--pace", "1", "--ring-frames", "64")
    assert done.returncode == 0, done.stderr
    # On one machine the same to the byte.
    assert done.stdout.strip() == avguard.check(clip).to_json()
    assert counts(done)["dropped_pictures"] == 0


@pytest.mark.parametrize("precision", ["int8", "float"])
def test_nothing_is_allocated_after_start_and_memory_stays_small(
    sdk: Sdk, demo_raw: Path, precision: str, tmp_path: Path
) -> None:
    counter = tmp_path / "heap_count.so"
    run("cc", "-shared", "-fPIC", "-O1", "-o", counter, ROOT / "tests" / "native" / "heap_count.c")
    options = ("--pace", "0", "--loops", "4", "--clip-s", "6", "--precision", precision, "--feed", tmp_path / "feed")
    done = camera(sdk, "--file", demo_raw, *options, LD_PRELOAD=str(counter))
    assert counts(done)["verdicts"] >= 2
    assert "heap_calls 0\n" in done.stderr
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
    assert peak is not None
    print(f"peak {peak[1]} kB")
    assert int(peak[1]) <= PEAK_LIMIT_KB


def test_under_overload_pictures_are_dropped_counted_and_told(sdk: Sdk, demo_raw: Path) -> None:
    calm = counts(camera(sdk, "--file", demo_raw, "--pace", "0"))
    done = camera(sdk, "--file", demo_raw, "--pace", "200", "--ring-frames", "4", "--ring-blocks", "1024")
    rushed = counts(done)
    assert calm["dropped_pictures"] == calm["dropped_blocks"] == rushed["dropped_blocks"] == 0
    assert rushed["dropped_pictures"] > 0
    assert rushed["pictures"] + rushed["dropped_pictures"] == calm["pictures"]
    # Sound has its own ring: pictures never crowd it out.
    assert rushed["blocks"] == calm["blocks"]
    (warning,) = json.loads(done.stdout)["warnings"]
    assert warning == f"{rushed['dropped_pictures']} frames and 0 blocks of sound were dropped under load"


@pytest.mark.parametrize("windows", [1, 3])
def test_duty_cycle_judges_so_many_windows_each_minute(sdk: Sdk, demo_raw: Path, windows: int) -> None:
    one = counts(camera(sdk, "--file", demo_raw, "--pace", "0"))["pictures"]
    loops = 1 + 130 * 25 // one
    done = camera(sdk, "--file", demo_raw, "--pace", "0", "--loops", str(loops), "--windows", str(windows))
    assert [json.loads(line)["schema"] for line in done.stdout.splitlines()] == ["avguard.verdict/1"] * 3
    ended = counts(done)
    assert ended["windows"] == 3 * windows
    # Resting, nothing is pushed.
    assert ended["pictures"] < one * loops / 4
    assert len(re.findall("window_scored", done.stderr)) == 3 * windows


def test_the_socket_gives_events_and_the_verdict_as_json_lines(sdk: Sdk, demo_raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "feed"
    command = [sdk.camera, default_path(), "--file", demo_raw, "--pace", "2", "--feed", path]
    with subprocess.Popen([str(word) for word in command], stdout=-1, stderr=-1, text=True) as process:
        with socket.socket(socket.AF_UNIX) as feed:
            while True:
                try:
                    feed.connect(str(path))
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    assert process.poll() is None
            with feed.makefile() as lines:
                events = [json.loads(line) for line in lines]
        printed, _ = process.communicate(timeout=60)
    assert {"track_found", "window_scored", "verdict"} <= {event["event"] for event in events}
    assert events[-1]["verdict"] == json.loads(printed)
    assert not path.exists()


def test_what_cannot_work_is_said(sdk: Sdk, demo_raw: Path, tmp_path: Path) -> None:
    assert "gives no NV12" in camera(sdk, "--video", tmp_path / "no-video", "--no-audio").stderr
    assert camera(sdk, "--file", demo_raw, "--windows", "61").returncode == 3
    small = camera(sdk, "--file", demo_raw, "--ring-frames", "1000")
    assert small.returncode == 3
    assert "does not fit" in small.stderr
    (demo_short := tmp_path / "short").mkdir()
    for name in ("clip.txt", "sound.pcm", "frames.nv12"):
        (demo_short / name).write_bytes((demo_raw / name).read_bytes()[: 1_000_000 if name == "frames.nv12" else None])
    assert "shorter than clip.txt says" in camera(sdk, "--file", demo_short, "--pace", "0").stderr
