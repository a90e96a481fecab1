# SPDX-License-Identifier: Apache-2.0
"""A process that has loaded the decoder once and forks one decoder process for each file.

Starting Python and loading FFmpeg's libraries costs more than many a short clip. Every file still has a process of its
own, in a jail of its own; this one never reads a byte of media beyond telling sound from film by the first ones. It is
handed descriptors without a socket: it opens them in /proc. So it works on Linux alone, and not where /proc is not
mounted; elsewhere each decoder process is started by itself, as it is for one file alone.
"""

from __future__ import annotations

import gc
import json
import os
import select
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from avguard.media.start import boot

PRELOADED = "avguard.media.child"
ANSWER_S = 20.0
MOST_TRIES = 2
MODES = {
    "media_fd": os.O_RDONLY,
    "ring_fd": os.O_RDWR,
    "up_fd": os.O_WRONLY,
    "down_fd": os.O_RDONLY,
    "lifeline_fd": os.O_RDONLY,
    "stderr_fd": os.O_WRONLY,
}


class Forked:
    """A child of the server. ``pid`` stays its own until ``reap``."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid, self._server = pid, server
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs, or when the server is gone."""
        if self._code is None:
            self._code = self._server.ask({"poll": self.pid})
        return self._code

    def reap(self) -> None:
        """Wait for a child that was killed."""
        if self._code is None:
            self._code = self._server.ask({"reap": self.pid})


class ForkServer:
    """The parent's side. Starts with the first file. Threads may share it; a fork of the parent starts its own."""

    def __init__(self) -> None:
        self._popen: subprocess.Popen[bytes] | None = None
        self._end: Callable[[], object] = _nothing
        self._forget()

    def _forget(self) -> None:
        # A server of another process is not this one's to end, but must not wait for it either.
        self._end()
        self._popen, self._end = None, _nothing
        self._lock, self._owner, self._useless = threading.Lock(), os.getpid(), sys.platform != "linux"

    def start(self, task: Mapping[str, Any], fds: Mapping[str, int]) -> Forked | None:
        """Fork a process that runs ``task`` with ``fds``; None where that cannot be, and nothing was started.

        A server that died since the last file is followed by another. One that cannot fork is not asked again.
        """
        if self._owner != os.getpid():
            self._forget()
        request = {"fork": dict(task), "of": os.getpid(), "fds": dict(fds)}
        for _ in range(MOST_TRIES):
            with self._lock:
                is_new = self._popen is None
                if is_new and not self._begin():
                    return None
            try:
                pid = self._answer_to(request)
            except TimeoutError:
                pid = None
            except (OSError, ValueError):
                if is_new:
                    return None  # whatever ends it would end the next one too
                continue
            if pid is not None:
                return Forked(self, pid)
            self._useless = True
            self.close()
        return None

    def ask(self, request: Mapping[str, Any]) -> int | None:
        """The server's answer; None when it has none, or is gone."""
        with suppress(OSError, ValueError):
            return self._answer_to(request)
        return None

    def _answer_to(self, request: Mapping[str, Any]) -> int | None:
        """Raises TimeoutError, or another OSError or ValueError when the server is gone; it is ended then."""
        with self._lock:
            if self._popen is None:
                raise BrokenPipeError
            try:
                return _ask(self._popen, json.dumps(request).encode() + b"\n")
            except BaseException:
                # Its answer may still come, and would be taken for that to the next request.
                self._end()
                self._popen = None
                raise

    def close(self) -> None:
        """End the server. Children that still run end with their readers. May be called again."""
        if self._owner == os.getpid():
            with self._lock:
                self._end()
                self._popen = None

    def _begin(self) -> bool:
        if self._useless:
            return False
        try:
            self._popen = boot({"module": __name__}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError:
            return False
        self._end = weakref.finalize(self, _end, self._popen, self._owner)
        return True


def _nothing() -> None:
    """What there is to end without a server."""


def _ask(popen: subprocess.Popen[bytes], line: bytes) -> int | None:
    assert popen.stdin is not None
    assert popen.stdout is not None
    os.write(popen.stdin.fileno(), line)
    waiting, answer = select.poll(), b""
    waiting.register(popen.stdout.fileno(), select.POLLIN)
    while not answer.endswith(b"\n"):
        if not waiting.poll(1000 * ANSWER_S):
            raise TimeoutError
        more = os.read(popen.stdout.fileno(), 256)
        if not more:
            raise BrokenPipeError
        answer += more
    value = json.loads(answer)
    return value if isinstance(value, int) else None


def _end(popen: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() == owner:
        popen.kill()
        popen.wait()
    _close_pipes(popen)


def _close_pipes(popen: subprocess.Popen[bytes]) -> None:
    for pipe in (popen.stdin, popen.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def main(_: dict[str, Any]) -> None:
    """The server: a request a line on its standard input, a number or null a line on its standard output."""
    gc.disable()
    with suppress(Exception):  # then each child says what is wrong
        import_module(PRELOADED)
    gc.freeze()  # a collection in a child would copy every page that the libraries' objects lie on
    gc.enable()
    with os.fdopen(0, "rb") as requests:
        for line in requests:
            os.write(1, json.dumps(_answer(json.loads(line))).encode() + b"\n")


def _answer(request: dict[str, Any]) -> int | None:
    if "fork" in request:
        return _fork(request)
    try:
        pid, status = os.waitpid(request.get("poll") or request["reap"], os.WNOHANG if "poll" in request else 0)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if pid else None


def _fork(request: dict[str, Any]) -> int | None:
    fds: dict[str, int] = {}
    try:
        for name, number in request["fds"].items():
            fds[name] = os.open(f"/proc/{request['of']}/fd/{number}", MODES[name] | os.O_CLOEXEC)
        _prepare(fds["media_fd"])
        pid = os.fork()
        if pid == 0:
            _become(request["fork"] | fds)
    except OSError:
        return None
    finally:
        for fd in fds.values():
            os.close(fd)
    return pid


def _prepare(media_fd: int) -> None:
    """Let the preloaded module load what this file needs beyond the rest, once for all files after it."""
    prepare = getattr(sys.modules.get(PRELOADED), "prepare", None)
    if prepare is not None:
        prepare(media_fd)


def _become(task: dict[str, Any]) -> None:
    """The child: never returns."""
    code = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd, standard in ((nothing, 0), (nothing, 1), (task["stderr_fd"], 2)):
            os.dup2(fd, standard)
        os.close(nothing)
        os.close(task["stderr_fd"])
        import_module(task["module"]).main(task)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
