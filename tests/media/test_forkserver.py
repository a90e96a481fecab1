# SPDX-License-Identifier: Apache-2.0
"""One process that loads the decoder, a process in a jail for each file, and nothing left of either."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avguard.errors import MediaError
from avguard.media import ForkServer, Limits, forkserver, start_media
from avguard.media.start import boot
from tests.make_media import Film, Sound, write_clip
from tests.media.test_jail import alive, descriptors


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", Film(seconds=2), Sound(seconds=2))


@pytest.fixture
def forks() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


def items(path: Path, forks: ForkServer | None) -> list[tuple[int, bytes]]:
    with start_media(path, None, forks) as reader:
        return [(item.t_us, bytes(item.planes[0] if hasattr(item, "planes") else item.samples)) for item in reader]


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def targets(pid: int) -> list[str]:
    """What the descriptors of a process are: kinds, and paths of files."""
    links = (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH115, PTH208
    return sorted(link.partition(":[")[0] for link in links)


def server_pid(forks: ForkServer) -> int:
    assert forks._popen is not None
    return forks._popen.pid


def assert_gone(*pids: int) -> None:
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)


def test_the_same_items_as_from_a_process_alone(clip: Path, forks: ForkServer) -> None:
    assert items(clip, forks) == items(clip, None) == items(clip, forks)


def test_each_file_has_a_process_of_its_own_in_a_jail(clip: Path, forks: ForkServer) -> None:
    pids = set()
    with start_media(clip) as reader:
        next(reader)
        alone = targets(reader._process.pid)
    for _ in range(3):
        with start_media(clip, None, forks) as reader:
            next(reader)
            pid = reader._process.pid
            held = status(pid)
            assert int(held["PPid"]) == server_pid(forks)
            assert (held["NoNewPrivs"], held["Seccomp"]) == ("1", "2")
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert f"{Limits().memory_bytes}" in limits
            names = {e.partition("=")[0] for e in Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0") if e}
            assert names <= {"LC_ALL", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LD_LIBRARY_PATH"}
            assert targets(pid) == alone
            assert os.getsid(pid) == pid
        pids.add(pid)
        assert not Path(f"/proc/{pid}").exists()
    assert len(pids) == 3
    assert status(server_pid(forks))["Seccomp"] == "0"


def test_a_server_that_dies_is_followed_by_another(clip: Path, forks: ForkServer) -> None:
    wanted = items(clip, forks)
    with start_media(clip, None, forks) as reader:
        next(reader)
        first = server_pid(forks)
        os.kill(first, signal.SIGKILL)
        assert len([*reader]) == len(wanted) - 1
    assert items(clip, forks) == wanted
    assert server_pid(forks) != first


def test_one_that_died_between_two_files_is_followed_by_another(clip: Path, forks: ForkServer) -> None:
    wanted, pids = items(clip, None), set()
    for _ in range(3):
        assert items(clip, forks) == wanted
        pids.add(server_pid(forks))
        os.kill(server_pid(forks), signal.SIGKILL)
    assert len(pids) == 3
    with start_media(clip, None, forks) as reader:
        next(reader)
        assert int(status(reader._process.pid)["PPid"]) == server_pid(forks)


def test_where_every_server_dies_each_file_starts_one_and_reads_alone(
    clip: Path, forks: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def boot_another(_: object, **pipes: int) -> subprocess.Popen[bytes]:
        started.append(boot({"module": "no_such_module"}, **pipes))
        return started[-1]

    with monkeypatch.context() as patched:
        patched.setattr(forkserver, "boot", boot_another)
        for count in (1, 2):
            assert items(clip, forks) == items(clip, None)
            assert len(started) == count
    assert items(clip, forks) == items(clip, None)
    assert server_pid(forks) not in [process.pid for process in started]


def test_what_it_cannot_fork_starts_alone(clip: Path, forks: ForkServer) -> None:
    nowhere = dict.fromkeys(("media_fd", "ring_fd", "up_fd", "down_fd", "lifeline_fd", "stderr_fd"), 9999)
    assert forks.start({"module": "avguard.media.child"}, nowhere) is None
    assert forks._popen is None
    assert items(clip, forks) == items(clip, None)
    assert forks._popen is None


def test_threads_share_it(clip: Path, forks: ForkServer) -> None:
    wanted, found = items(clip, None), []
    threads = [threading.Thread(target=lambda: found.append(items(clip, forks))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 6


def _in_a_fork(forks: ForkServer, clip: str, answer: multiprocessing.SimpleQueue[tuple[int, int]]) -> None:
    count = len(items(Path(clip), forks))
    answer.put((count, server_pid(forks)))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_of_the_parent_starts_its_own(clip: Path, forks: ForkServer) -> None:
    count = len(items(clip, forks))
    context = multiprocessing.get_context("fork")
    answer: multiprocessing.SimpleQueue[tuple[int, int]] = context.SimpleQueue()
    process = context.Process(target=_in_a_fork, args=(forks, str(clip), answer))
    process.start()
    process.join(30)
    theirs, pid = answer.get()
    assert (process.exitcode, theirs) == (0, count)
    assert pid != server_pid(forks)
    assert_gone(pid)
    assert len(items(clip, forks)) == count


def test_closing_and_forgetting_leave_nothing(clip: Path) -> None:
    gc.collect()
    before = descriptors()
    for end in (ForkServer.close, lambda _: None):
        server = ForkServer()
        items(clip, server)
        pid = server_pid(server)
        end(server)
        del server
        gc.collect()
        assert not alive(pid)
        assert descriptors() == before


def test_it_ends_with_its_parent(clip: Path) -> None:
    program = (
        "import sys,time;sys.path[:]=eval(sys.argv[1])\n"
        "from avguard.media import ForkServer, MediaReader, Limits\n"
        "server = ForkServer()\n"
        "reader = MediaReader(sys.argv[2], Limits(), 'tests.media.killers.loop', server)\n"
        "print(server._popen.pid, reader._process.pid, flush=True)\ntime.sleep(60)"
    )
    arguments = [sys.executable, "-c", program, repr(sys.path), str(clip)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        time.sleep(0.5)
        assert all(alive(pid) for pid in pids)
        parent.kill()
    assert_gone(*pids)


def test_many_files_do_not_add_up(tmp_path: Path, forks: ForkServer) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + bytes(400))
    sizes = []
    for count in range(60):
        with pytest.raises(MediaError), start_media(broken, None, forks) as reader:
            _ = reader.info
        if count % 20 == 19:
            sizes.append(int(status(server_pid(forks))["VmRSS"].split()[0]))
            assert len(os.listdir(f"/proc/{server_pid(forks)}/fd")) <= 6  # noqa: PTH208
    assert sizes[-1] - sizes[0] < 512


def test_an_interrupt_while_it_starts_does_not_mix_answers(clip: Path, forks: ForkServer) -> None:
    wanted, before = items(clip, None), descriptors()
    # A shell's background jobs begin with it ignored.
    before_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.get_ident()
    threading.Timer(0.02, signal.pthread_kill, (main, signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            items(clip, forks)
    finally:
        signal.signal(signal.SIGINT, before_handler)
    gc.collect()
    assert descriptors() <= before + 2  # the server's own pipes, if it had answered
    assert items(clip, forks) == wanted
