# SPDX-License-Identifier: Apache-2.0
"""A decoder gone bad ends by itself; a reader leaves nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avguard.errors import AvguardError, DecoderCrashError, DecodeTimeoutError, UsageError
from avguard.media import ForkServer, Frame, Limits, open_media
from avguard.media.reader import MediaReader
from tests.make_media import Film, Sound, write_clip

KILLERS = {
    "segfault": (DecoderCrashError, "SIGSEGV"),
    "abort": (DecoderCrashError, "ended by SIG"),
    "loop": (DecodeTimeoutError, "waited for"),
    "gobble": (DecoderCrashError, "MemoryError"),
    "fork": (DecoderCrashError, "PermissionError"),
    "garbage": (DecoderCrashError, "garbage"),
    "flood": (DecoderCrashError, "garbage"),
    "huge_info": (AvguardError, "Limits.max_side_px|garbage"),
    "deep_json": (DecoderCrashError, "garbage"),
    "oversize_frame": (DecoderCrashError, "garbage"),
    "no_such_slot": (DecoderCrashError, "garbage"),
    "strange_error": (DecoderCrashError, "garbage"),
    "shrink": (DecoderCrashError, "sealed"),
    "talkative": (DecoderCrashError, "last words"),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", Film(seconds=4), Sound(seconds=4))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def reading(clip: Path, limits: Limits, killer: str, forks: ForkServer | None) -> MediaReader:
    return MediaReader(clip, limits, f"tests.media.killers.{killer}", forks)


def drain(reader: MediaReader) -> None:
    for _ in reader:
        pass


@pytest.fixture(params=["alone", "forked"])
def forks(request: pytest.FixtureRequest) -> Iterator[ForkServer | None]:
    if request.param == "alone":
        yield None
        return
    server = ForkServer()
    yield server
    server.close()


@pytest.mark.wall_clock
@pytest.mark.parametrize("name", KILLERS)
def test_killers_become_errors(clip: Path, name: str, forks: ForkServer | None) -> None:
    kind, words = KILLERS[name]
    if forks:
        drain(MediaReader(clip, Limits(), forks=forks))  # its own pipes are open from here on
    # Machines under load start a process slowly; only the loop has to wait for the whole limit.
    limits = Limits(wall_seconds=2 if name == "loop" else 20, memory_bytes=400 << 20)
    before = descriptors()
    begin = time.monotonic()
    with pytest.raises(kind, match=words), reading(clip, limits, name, forks) as reader:
        drain(reader)
    assert time.monotonic() - begin < limits.wall_seconds + 1
    assert descriptors() == before


def test_processor_time_is_limited(clip: Path) -> None:
    program = (
        "import sys;sys.path[:]=eval(sys.argv[1])\n"
        "import os\nfrom avguard.media import jail\n"
        "jail.enter(1<<30, 1, os.pipe()[0])\n"
        "while True: pass"
    )
    ended = subprocess.run([sys.executable, "-c", program, repr(sys.path)], check=False, timeout=30)
    assert ended.returncode in (-signal.SIGXCPU, -signal.SIGKILL)


ESCAPES = {
    "file": "open('/etc/hostname')",
    "write": "os.open('x', os.O_CREAT | os.O_WRONLY)",
    "delete": "os.unlink(sys.argv[2])",
    "socket": "__import__('_socket').socket()",
    "program": "os.execv('/bin/true', ['true'])",
    "fork": "os.fork()",
    "kill": "os.kill(os.getppid(), 0)",
    "limits": "__import__('resource').prlimit(os.getppid(), 7)",
}


@pytest.mark.parametrize("name", ESCAPES)
def test_the_jail_holds(clip: Path, name: str) -> None:
    program = (
        "import sys;sys.path[:]=eval(sys.argv[1])\n"
        "import os, _socket, resource\nfrom avguard.media import jail\n"
        "held = jail.enter(1<<30, 5, os.pipe()[0])\n"
        "assert [h for h in held if h != 'landlock'] == ['limits', 'lifeline', 'no_new_privileges', 'seccomp'], held\n"
        f"try: {ESCAPES[name]}\nexcept PermissionError: os._exit(42)"
    )
    arguments = [sys.executable, "-c", program, repr(sys.path), str(clip)]
    ended = subprocess.run(arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=30)
    assert ended.returncode == 42, ended.stderr
    assert clip.exists()


def test_slow_consumers_do_not_trip_the_clock(clip: Path) -> None:
    with open_media(clip, Limits(wall_seconds=2, wall_per_media_second=0.01)) as reader:
        next(reader)
        time.sleep(2.2)
        drain(reader)


def test_early_close_leaves_nothing(clip: Path) -> None:
    before = descriptors()
    reader = open_media(clip)
    pid = reader._process.pid
    next(reader)
    assert alive(pid)
    reader.close()
    reader.close()
    assert not alive(pid)
    assert descriptors() == before
    with pytest.raises(UsageError, match="closed"):
        next(reader)


def test_a_forgotten_reader_leaves_nothing(clip: Path) -> None:
    before = descriptors()
    reader = open_media(clip)
    pid = reader._process.pid
    item = next(reader)
    while not isinstance(item, Frame):
        item = next(reader)
    del reader
    gc.collect()
    assert not alive(pid)
    assert item.planes[0].sum() > 0
    del item
    assert descriptors() == before


def test_the_end_leaves_nothing_and_stays_the_end(clip: Path) -> None:
    before = descriptors()
    with open_media(clip) as reader:
        drain(reader)
        assert list(reader) == []
        assert descriptors() == before
    assert list(reader) == []


def test_a_child_that_stays_after_the_end_is_ended(clip: Path, forks: ForkServer | None) -> None:
    with reading(clip, Limits(), "linger", forks) as reader:
        assert list(reader) == []
        pid = reader._process.pid
    assert not alive(pid)


def test_the_child_ends_with_its_parent(clip: Path) -> None:
    program = (
        "import sys,time;sys.path[:]=eval(sys.argv[1])\n"
        "from avguard.media.limits import Limits\nfrom avguard.media.process import DecoderProcess\n"
        "import os\nmedia = os.open(sys.argv[2], os.O_RDONLY)\n"
        "process = DecoderProcess('tests.media.killers.loop', media, os.memfd_create('x'), Limits())\n"
        "print(process.pid, flush=True)\ntime.sleep(60)"
    )
    arguments = [sys.executable, "-c", program, repr(sys.path), str(clip)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(1)
        assert alive(pid)
        parent.kill()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "long.mkv", Film(codec="mpeg4", seconds=60), Sound("pcm_s16le", seconds=60))
    with open_media(path) as reader:
        sizes = []
        for count, item in enumerate(reader):
            if count % 300 == 200:
                status = Path(f"/proc/{reader._process.pid}/status").read_text()
                sizes.append(int(status.split("RssAnon:")[1].split()[0]))
            assert item.t_us < 61_000_000
        assert reader.info.warnings == ()
    assert len(sizes) >= 6
    assert sizes[-1] - sizes[1] < 3072  # FFmpeg keeps an index of Matroska, at most 1 MB a stream
    assert max(sizes) < 100 * 1024


def test_clips_in_a_row_and_at_once(clip: Path) -> None:
    readers = [open_media(clip) for _ in range(3)]
    counts = [sum(1 for _ in items) for items in readers]
    assert len(set(counts)) == 1
    interleaved = [open_media(clip) for _ in range(2)]
    pairs = [(a.t_us, b.t_us) for a, b in zip(*interleaved, strict=True)]
    assert all(a == b for a, b in pairs)


def test_the_decoder_sees_nothing_of_the_environment(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVGUARD_TEST_SECRET", "hush")
    with open_media(clip) as reader:
        kept = Path(f"/proc/{reader._process.pid}/environ").read_bytes().decode().split("\0")
    names = {entry.partition("=")[0] for entry in kept if entry}
    assert names <= {"LC_ALL", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LD_LIBRARY_PATH"}
