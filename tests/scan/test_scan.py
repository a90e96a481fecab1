# SPDX-License-Identifier: Apache-2.0
"""Scans of real files by the real command: resumed after kills, interrupted, on processes and on Ray."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from avguard import errors
from avguard.scan.find import find
from avguard.scan.journal import Journal
from avguard.scan.row import Row
from avguard.scan.run import Options, scan
from avguard.scan.team import LocalTeam
from avguard.scan.worker import Identity, Settings, Worker, model_key
from tests.make_media import Film, Sound, write_clip
from tests.scan.command import kill_one_actor, outcomes, rows_of, start


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips, a copy of one of them, and two files that are no clips."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "inner").mkdir()
    for k in range(4):
        write_clip(folder / f"{k}.mp4", Film(seconds=0.6 + 0.2 * k), Sound(seconds=0.6 + 0.2 * k))
    shutil.copy(folder / "0.mp4", folder / "inner" / "copy.mp4")
    (folder / "inner" / "text.mp4").write_text("no film\n" * 99)
    (folder / "empty.mov").write_bytes(b"")
    (folder / "notes.txt").write_text("not looked at")
    return folder


@pytest.fixture(scope="module")
def expected(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("one") / "r.jsonl"
    process = start([clips], out, "--workers", "1")
    said, progress = process.communicate(timeout=120)
    assert process.returncode == 0
    assert said.startswith("7 files: ")
    assert "2 errors" in said
    assert "7/7 files  100 %" in progress
    assert len(rows_of(out)) == 7
    return outcomes(out)


def test_every_file_has_a_row(clips: Path, expected: dict[str, Any]) -> None:
    assert {Path(path).name: outcome[2] for path, outcome in expected.items() if outcome[2]} == {
        "text.mp4": "MediaError",
        "empty.mov": "MediaError",
    }
    assert expected[str(clips / "inner" / "copy.mp4")] == expected[str(clips / "0.mp4")]


def test_killed_and_rerun_ends_the_same(clips: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    for patience in (1, 3):
        process = start([clips], out, "--quiet")
        while process.poll() is None and (not out.exists() or out.read_bytes().count(b"\n") < patience):
            time.sleep(0.02)
        process.kill()
        process.communicate()
    # A line that was being written.
    with out.open("ab") as file:
        file.write(b'{"schema":"avguard.scan/1","path":"x')
    process = start([clips], out, "--quiet")
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert outcomes(out) == expected
    assert len(rows_of(out)) == 7
    before = out.read_bytes()
    again = start([clips], out, "--quiet")
    assert again.communicate(timeout=120)[0] == "7 files: 7 done before\n"
    assert out.read_bytes() == before


def test_an_interrupt_finishes_the_running_files(clips: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    process = start([clips], out, "--workers", "1")
    while not (out.exists() and out.read_bytes()):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, progress = process.communicate(timeout=120)
    assert process.returncode in (0, 130)
    assert "finishing the running files" in progress
    assert out.read_bytes().endswith(b"\n")
    assert outcomes(out).items() <= expected.items()


def test_too_many_errors_stop_it(clips: Path, tmp_path: Path) -> None:
    process = start([clips / "inner"], tmp_path / "r.jsonl", "--max-errors", "1", "--workers", "1")
    _, shown = process.communicate(timeout=120)
    assert process.returncode == errors.AvguardError.code
    assert "stopped after 1 errors" in shown


class Deadly(LocalTeam):
    """Processes that die of one file, as of a crash in native code."""

    def ask(self, member: Any, request: Any) -> None:
        if isinstance(request, Identity) and request.found.path.endswith("1.mp4"):
            os.kill(member.process.pid, signal.SIGKILL)
        super().ask(member, request)


def test_a_file_that_kills_workers_costs_itself_alone(clips: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings(model_key(None, "auto"))
    team = Deadly(settings)
    with Journal(tmp_path / "r.jsonl", settings.model) as journal:
        tally = scan(find([str(clips)]), journal, team, Options(workers=2))
    team.close()
    assert tally.errors == 3
    found = outcomes(tmp_path / "r.jsonl")
    assert found.pop(str(clips / "1.mp4"))[2] == "WorkerDiedError"
    assert found.items() <= expected.items()
    assert len(found) == 6


class Stuck(LocalTeam):
    """Processes that stop in the middle of a file."""

    def ask(self, member: Any, request: Any) -> None:
        if isinstance(request, Identity):
            os.kill(member.process.pid, signal.SIGSTOP)
        super().ask(member, request)


def test_a_file_that_takes_too_long_is_given_up(clips: Path, tmp_path: Path) -> None:
    settings = Settings(model_key(None, "auto"))
    team = Stuck(settings)
    with Journal(tmp_path / "r.jsonl", settings.model) as journal:
        tally = scan(find([str(clips / "3.mp4")]), journal, team, Options(workers=1, timeout_s=8.0))
    team.close()
    assert tally.errors == 1
    assert outcomes(tmp_path / "r.jsonl")[str(clips / "3.mp4")][2] == "DecodeTimeoutError"


def test_addresses_are_read_only_when_asked(clips: Path) -> None:
    pytest.importorskip("fsspec")
    address = f"file://{clips / '0.mp4'}"
    with pytest.raises(errors.UsageError, match="--remote"):
        find([address])
    (found,) = find([address], remote=True)
    worker = Worker(Settings(model_key(None, "auto")))
    identity = worker.answer(found)
    assert isinstance(identity, Identity)
    (local,) = find([str(clips / "0.mp4")])
    assert worker.answer(local).sha256 == identity.sha256  # type: ignore[union-attr]
    row = worker.answer(identity)
    assert isinstance(row, Row)
    assert row.error is None


def test_folders_are_searched_for_media(clips: Path) -> None:
    names = [Path(item.path).name for item in find([str(clips), str(clips / "0.mp4")])]
    assert names == ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "empty.mov", "copy.mp4", "text.mp4"]


def test_ray_says_the_same_and_survives_a_killed_worker(clips: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "r.jsonl"
    process = start([clips], out, "--engine", "ray", "--quiet")
    killed = False
    while process.poll() is None:
        if not killed and out.exists() and out.read_bytes():
            killed = kill_one_actor(process.pid)
        time.sleep(0.05)
    _, shown = process.communicate()
    assert process.returncode == 0, shown
    assert killed
    assert outcomes(out) == expected
    assert len(rows_of(out)) == 7


def test_a_ray_that_cannot_start_is_told(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    # Its sockets lie there, and a socket's path has 107 bytes at most.
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("long" * 30)))
    process = start([clips], tmp_path / "r.jsonl", "--engine", "ray", "--quiet")
    _, shown = process.communicate(timeout=120)
    assert process.returncode == errors.UsageError.code
    assert "the Ray cluster cannot be used" in shown
    assert "Traceback" not in shown
