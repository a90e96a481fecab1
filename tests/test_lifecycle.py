# SPDX-License-Identifier: Apache-2.0
"""Threads, Ctrl-C, forks and the network: what a program that uses avguard may do, and what avguard never does."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from avguard import Checker
from tests import make_demo
from tests.soak.crew import children
from tests.soak.long_run import resident_mb
from tests.soak.repeat import rounds

THREADS = 8
STRACE = shutil.which("strace")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo.write_demo(tmp_path_factory.mktemp("talk") / "talk.mp4", 2.0)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo.write_demo(tmp_path_factory.mktemp("talk") / "long.mp4", 5.0)


@pytest.fixture(scope="module")
def wanted(clip: Path) -> str:
    with Checker() as checker:
        return checker.check(clip).to_json()


def test_eight_threads_and_one_checker_give_the_serial_bytes(clip: Path, wanted: str) -> None:
    answers: list[str] = []
    with Checker() as checker:
        threads = [
            threading.Thread(target=lambda: answers.append(checker.check(clip).to_json())) for _ in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [wanted] * THREADS


BUSY = """
import sys; sys.path[:] = eval(sys.argv[1])
import signal, time
from avguard import Checker
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
checker = Checker()
told = []
def tell(phase, done_s, total_s):
    if not told:
        told.append(1)
        print("busy", flush=True)
    time.sleep(0.02)  # or a fast machine is done before the signal comes
try:
    checker.check(sys.argv[2], progress=tell)
except KeyboardInterrupt:
    print(time.time(), flush=True)
    time.sleep(30)
"""


@pytest.mark.wall_clock
def test_ctrl_c_returns_at_once_and_leaves_no_decoder(long_clip: Path) -> None:
    command = [sys.executable, "-c", BUSY, repr(sys.path), str(long_clip)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        servers = children(process.pid)
        decoders = [pid for server in servers for pid in children(server)]
        assert (len(servers), len(decoders)) == (1, 1)
        pressed_s = time.time()
        process.send_signal(signal.SIGINT)
        assert float(process.stdout.readline()) - pressed_s < 0.5
        # The program goes on, and nothing of the check does.
        assert children(process.pid) == []
        assert not Path(f"/proc/{decoders[0]}").exists()
        process.kill()


def _check_in(path: str, answers: multiprocessing.SimpleQueue[str]) -> None:
    with Checker() as checker:
        answers.put(checker.check(path).to_json())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_every_kind(clip: Path, wanted: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that has an open Checker starts a child that opens its own."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(entry for entry in sys.path if entry))
    context = multiprocessing.get_context(method)
    with Checker() as checker:
        assert checker.check(clip).to_json() == wanted
        answers = context.SimpleQueue()
        process = context.Process(target=_check_in, args=(str(clip), answers))
        process.start()
        process.join(60)
        assert process.exitcode == 0
        assert answers.get() == wanted
        assert checker.check(clip).to_json() == wanted


def test_open_check_close_leaves_nothing(tmp_path: Path) -> None:
    """The thousand rounds of ``make soak`` in small."""
    found, verdicts = rounds(make_demo.write_demo(tmp_path / "a.mp4", 0.6), 16)
    settled, last = found[7], found[-1]
    assert len(verdicts) == 1
    assert last[1] == settled[1]
    assert last[0] - settled[0] < 5


def test_closing_gives_memory_back(clip: Path) -> None:
    """What a model and its sessions took is the system's again, not a hole in this process's heap."""
    with Checker() as checker:
        checker.check(clip)
        checker.check(clip)
        open_mb = resident_mb(os.getpid())
    assert open_mb - resident_mb(os.getpid()) > 15


def ticks_s(pid: int) -> float:
    """Processor seconds of another process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_nothing_works_on_after_a_check(clip: Path) -> None:
    others = children(os.getpid())  # multiprocessing's own helpers of the tests before
    with Checker() as checker:
        checker.check(clip)
        (server,) = set(children(os.getpid())) - set(others)
        before_s = time.process_time() + ticks_s(server)
        time.sleep(2)
        assert time.process_time() + ticks_s(server) - before_s < 0.02
        assert children(server) == []
    assert children(os.getpid()) == others


WHOLE = """
import sys; sys.path[:] = eval(sys.argv[1])
import os
import numpy as np
import avguard
from avguard import cli
with avguard.Checker() as checker:
    verdict = checker.check(sys.argv[2])
    stream = checker.stream(audio=False)
    stream.push_frame([np.zeros((64, 64, 3), np.uint8)], 0, format="rgb24", width=64, height=64)
    stream.finish()
sys.stdout = open(os.devnull, "w")
assert cli.main(["check", "--quiet", sys.argv[2], "--report", sys.argv[3], "--include-evidence"]) in (0, 1, 2)
"""
CALLS = "connect,bind,listen,accept,accept4,sendto,sendmsg,sendmmsg,socket"


@pytest.mark.skipif(STRACE is None and not os.environ.get("CI"), reason="strace is not installed: .ci/packages does it")
def test_no_socket_is_made_by_import_check_stream_or_report(clip: Path, tmp_path: Path) -> None:
    assert STRACE is not None
    trace = tmp_path / "trace"
    watch = [STRACE, "-f", "-qq", "-e", f"trace={CALLS}", "-o", str(trace)]
    arguments = ["-c", WHOLE, repr(sys.path), str(clip), str(tmp_path / "page.html")]
    ended = subprocess.run([*watch, sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "page.html").exists()
    called = re.findall(rf"\b({CALLS.replace(',', '|')})\(.*", trace.read_text())
    assert called == []
    # The watcher sees what it is to see.
    talk = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    subprocess.run([*watch, sys.executable, "-c", talk], check=True)
    assert "connect(" in trace.read_text()
