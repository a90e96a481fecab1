# SPDX-License-Identifier: Apache-2.0
"""Copies of a bundle are whole or not there: writers that are killed, that race, that run out of room or of rights.

avguard downloads nothing, so this is all that can be half done.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from avguard import bundles
from avguard.errors import AvguardError, UsageError
from avguard.models import bundle_in_use, choice, default_path, open_bundle

KILLS, WRITERS = 20, 8


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def start(act: Callable[[], object]) -> int:
    """A process of its own that does ``act``; it ends with the code of the error, 0 without one."""
    pid = os.fork()
    if not pid:
        code = 99
        try:
            act()
            code = 0
        except AvguardError as error:
            code = error.code
        finally:
            os._exit(code)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def left_beside(destination: Path) -> list[str]:
    return sorted(path.name for path in destination.parent.iterdir() if path != destination)


def test_a_killed_copy_is_not_there_and_the_next_one_clears_up(home: Path) -> None:
    destination = home / "app" / "model"
    began_s = time.monotonic()
    assert ended(start(lambda: bundles.export_bundle(home / "first"))) == 0
    whole_s = time.monotonic() - began_s
    halves = 0
    for k in range(KILLS):
        pid = start(lambda: bundles.export_bundle(destination))
        time.sleep(whole_s * k / KILLS)
        os.kill(pid, signal.SIGKILL)
        ended(pid)
        if destination.exists():  # the kill came late
            assert bundles.verify(destination)[1] == []
            destination.rename(home / f"late-{k}")
        elif destination.parent.exists():
            halves += bool(left_beside(destination))
            assert len(left_beside(destination)) <= 1
    assert halves, "no kill fell into the copying"
    bundles.export_bundle(destination)
    assert left_beside(destination) == []
    assert open_bundle(destination) == open_bundle(default_path())


def test_of_writers_at_once_one_wins_and_the_copy_is_whole(home: Path) -> None:
    destination = home / "app" / "model"
    codes = [ended(pid) for pid in [start(lambda: bundles.export_bundle(destination)) for _ in range(WRITERS)]]
    assert sorted(codes) == [0] + [UsageError.code] * (WRITERS - 1)
    assert left_beside(destination) == []
    assert open_bundle(destination) == open_bundle(default_path())


def test_choices_at_once_leave_one_whole_choice(home: Path) -> None:
    def choose_often(number: int) -> None:
        for _ in range(50):
            choice.choose(home / f"model-{number}")

    pids = [start(partial(choose_often, number)) for number in range(WRITERS)]
    while not (home / "config/avguard/model.json").exists():
        time.sleep(0.001)
    seen = {bundle_in_use()[0].name for _ in range(500)}  # half a choice would raise
    assert [ended(pid) for pid in pids] == [0] * WRITERS
    assert seen <= {f"model-{number}" for number in range(WRITERS)}
    assert json.loads((home / "config/avguard/model.json").read_text())["model"].startswith(str(home / "model-"))
    assert [path.name for path in (home / "config/avguard").iterdir()] == ["model.json"]


def limit_files() -> None:
    """No file may grow beyond 100 kB: what a full disk does, without one."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_full_disk_is_told_and_leaves_nothing(home: Path) -> None:
    destination = home / "app" / "model"

    def fill() -> None:
        limit_files()
        with pytest.raises(UsageError, match=r"cannot be written \(File too large\)\. Name another folder"):
            bundles.export_bundle(destination)

    assert ended(start(fill)) == 0
    assert list(destination.parent.iterdir()) == []
    bundles.export_bundle(destination)
    assert open_bundle(destination) == open_bundle(default_path())


def test_a_choice_that_finds_no_room_leaves_the_one_before(home: Path) -> None:
    choice.choose(home / "before")

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with pytest.raises(UsageError, match=r"the choice cannot be stored in .*model\.json \(File too large\)"):
            choice.choose(home / "after")

    assert ended(start(fill)) == 0
    assert bundle_in_use()[0] == home / "before"
    assert [path.name for path in (home / "config/avguard").iterdir()] == ["model.json"]


def test_a_home_that_may_only_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can write nowhere uses the shipped bundle, and is told where writing fails. In /sys not even root can."""
    locked = Path("/sys")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(locked))
    monkeypatch.setenv("XDG_DATA_HOME", str(locked))
    assert bundle_in_use()[0] == default_path()
    assert [item.problem for item in bundles.known()] == [""]
    with pytest.raises(UsageError, match=rf"stored in /sys/.* set {choice.VARIABLE} instead"):
        choice.choose(default_path())
    with pytest.raises(UsageError, match=r"/sys/copy cannot be written \(.*\)\. Name another folder"):
        bundles.export_bundle(locked / "copy")
