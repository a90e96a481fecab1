# SPDX-License-Identifier: Apache-2.0
"""What a check leaves alone: the network, the terminal, the process it runs in, and the clip."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from avguard import Checker
from tests import make_demo


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo.write_demo(tmp_path_factory.mktemp("talk") / "talk.mp4", 2.6)


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker()


def test_no_network(checker: Checker, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo", "socketpair"):
        monkeypatch.setattr(socket, name, refuse)
    assert checker.check(clip).score.overall is not None


QUIET = """
import sys; sys.path[:] = eval(sys.argv[1])
import gc, locale, os, random, signal, threading, warnings
import numpy as np

def state():
    return {
        "environ": dict(os.environ), "numpy": np.geterr(), "cwd": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "signals": [signal.getsignal(s) for s in sorted(signal.valid_signals())],
        "python threads": threading.active_count(),
        "threads": len(os.listdir("/proc/self/task")), "random": random.getstate(), "path": list(sys.path),
        "filters": list(warnings.filters), "descriptors": len(os.listdir("/proc/self/fd")), "hook": sys.excepthook,
        "numpy random": np.random.get_state()[1].tolist(), "umask": (os.umask(0o22), os.umask(0o22))[0],
    }

def do():
    try:
        avguard.check(sys.argv[3])
    except avguard.AvguardError:
        pass
    avguard.check(sys.argv[2])

import avguard
from avguard import api
before = state()
do()
gc.collect()
after = state()
changed = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
assert not changed, changed
"""


def run_quietly(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", program, repr(sys.path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_nothing_is_printed_and_nothing_global_changes(clip: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    content = bytearray(clip.read_bytes())
    content[2000:-3000:97] = bytes(len(content[2000:-3000:97]))
    damaged.write_bytes(content)
    ended = run_quietly(QUIET, str(clip), str(damaged))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_clip_is_left_alone(checker: Checker, clip: Path, tmp_path: Path) -> None:
    content = clip.read_bytes()
    copy = tmp_path / "readonly.mp4"
    copy.write_bytes(content)
    copy.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert checker.check(copy).score.overall is not None
    finally:
        tmp_path.chmod(0o700)
    assert copy.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["readonly.mp4"]


def test_checks_in_a_row_do_not_add_up(checker: Checker, clip: Path) -> None:
    def after(action: Callable[[], object]) -> tuple[int, int]:
        action()
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))

    first = after(lambda: checker.check(clip))
    assert [after(lambda: checker.check(clip)) for _ in range(3)] == [first] * 3
