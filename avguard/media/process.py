# SPDX-License-Identifier: Apache-2.0
"""Starts, hears and ends the decoder process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from avguard.errors import AvguardError, DecoderCrashError, DecodeTimeoutError
from avguard.media.limits import Limits
from avguard.media.wire import HEAD, MAX_PAYLOAD_BYTES, take_message

# The child must not run site hooks or read PYTHON* variables, yet find the same packages as its parent.
BOOT = (
    "import sys,json,importlib;task=json.loads(sys.argv[1]);sys.path[:]=task['path'];"
    "importlib.import_module(task['module']).main(task)"
)
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
# Where a Python build finds its own shared libraries.
INHERITED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
CHUNK_BYTES = 65536
KEPT_STDERR_BYTES = 4096
EXIT_GRACE_S = 1.0


class DecoderProcess:
    """A child of its own session with an empty environment and five descriptors."""

    def __init__(self, module: str, media_fd: int, ring_fd: int, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._errors = bytearray()
        self._waited_s = 0.0
        self._owner_pid = os.getpid()
        self._up_fd, up_fd = os.pipe()
        down_fd, self._down_fd = os.pipe()
        lifeline_fd, self._lifeline_fd = os.pipe()
        theirs = {
            "media_fd": media_fd,
            "ring_fd": ring_fd,
            "up_fd": up_fd,
            "down_fd": down_fd,
            "lifeline_fd": lifeline_fd,
        }
        task = {"module": module, "path": _search_path(), "limits": asdict(limits), **theirs}
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", BOOT, json.dumps(task)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=tuple(theirs.values()),
                env=_environment(),
                start_new_session=True,
            )
        except OSError as failure:
            self._close_pipes()
            raise DecoderCrashError(
                f"the decoder process could not be started: {failure.strerror}. Free some memory or processes, then "
                "try again."
            ) from None
        finally:
            for fd in (up_fd, down_fd, lifeline_fd):
                os.close(fd)
        assert self._popen.stderr is not None
        self._stderr_fd = self._popen.stderr.fileno()
        self._poll = select.poll()
        self._poll.register(self._up_fd, select.POLLIN)
        self._poll.register(self._stderr_fd, select.POLLIN)

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._popen.pid

    def receive(self, media_seconds: float) -> tuple[int, bytes]:
        """The next message, given how much media has been delivered so far.

        Raises DecodeTimeoutError when the wall limit passes, DecoderCrashError when the child dies or talks garbage.
        """
        total_s = self._limits.wall_seconds + self._limits.wall_per_media_second * media_seconds
        left_s = min(self._limits.wall_seconds, total_s - self._waited_s)
        while (message := take_message(self._buffer)) is None:
            begin_s = time.monotonic()
            ended = self._wait(left_s)
            spent_s = time.monotonic() - begin_s
            self._waited_s += spent_s
            left_s -= spent_s
            if ended:
                raise self._death()
            if left_s <= 0:
                raise self._too_slow(media_seconds)
        return message

    def send(self, data: bytes) -> None:
        """Write to the child; a child that is gone is noticed by the next ``receive``."""
        try:
            os.write(self._down_fd, data)
        except BrokenPipeError:
            return

    def kill(self) -> None:
        """End the child and whatever it started, and close every descriptor. May be called again."""
        # A fork of the parent runs the same finalisers, but the child is not its own to end.
        if self._popen.returncode is None and os.getpid() == self._owner_pid:
            try:
                os.killpg(self._popen.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self._popen.kill()
            self._popen.wait()
        self._close_pipes()
        if self._popen.stderr is not None:
            self._popen.stderr.close()

    def _wait(self, seconds: float) -> bool:
        """Take in what the child wrote within ``seconds``; True when it will write no more."""
        ready = dict(self._poll.poll(max(0, seconds) * 1000))
        if self._stderr_fd in ready:
            text = os.read(self._stderr_fd, CHUNK_BYTES)
            self._errors = (self._errors + text)[-KEPT_STDERR_BYTES:]
            if not text:
                self._poll.unregister(self._stderr_fd)
        if self._up_fd not in ready:
            return False
        data = os.read(self._up_fd, min(CHUNK_BYTES, HEAD.size + MAX_PAYLOAD_BYTES - len(self._buffer)))
        self._buffer += data
        return not data

    def _death(self) -> AvguardError:
        try:
            code = self._popen.wait(EXIT_GRACE_S)
        except subprocess.TimeoutExpired:
            return DecoderCrashError("the decoder process stopped talking and was killed. Do not trust this file.")
        if -code == signal.SIGXCPU:
            return DecodeTimeoutError(
                "the decoder used up its processor time: the file is damaged or made to keep it busy. Re-encode it, "
                "or raise Limits.wall_seconds if you trust it."
            )
        how = f"by {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"with exit status {code}"
        os.set_blocking(self._stderr_fd, False)
        last = self._last_words()
        return DecoderCrashError(
            f"the decoder process ended {how}{last}: hostile or damaged data made it fail. Do not trust this file; "
            "re-encode it with another tool if you must read it."
        )

    def _last_words(self) -> str:
        with suppress(BlockingIOError):
            self._errors += os.read(self._stderr_fd, CHUNK_BYTES)
        lines = self._errors.decode("utf-8", "replace").split("\n")
        words = "".join(c for c in next((line for line in reversed(lines) if line.strip()), "") if c.isprintable())
        return f" ({words[:160]})" if words else ""

    def _too_slow(self, media_seconds: float) -> DecodeTimeoutError:
        return DecodeTimeoutError(
            f"the decoder was waited for {self._waited_s:.1f} s in all and had delivered {media_seconds:.1f} s of "
            "media: the file is damaged or made to keep it busy. Re-encode it, or raise Limits.wall_seconds and "
            "Limits.wall_per_media_second if you trust it."
        )

    def _close_pipes(self) -> None:
        for fd in (self._up_fd, self._down_fd, self._lifeline_fd):
            if fd >= 0:
                os.close(fd)
        self._up_fd = self._down_fd = self._lifeline_fd = -1


def _environment() -> dict[str, str]:
    return ENVIRONMENT | {name: os.environ[name] for name in INHERITED if name in os.environ}


def jail_here() -> list[str]:
    """The restrictions of ``jail.enter`` that hold for a decoder process on this system; none when it cannot start."""
    task = {"module": "avguard.media.jail", "path": _search_path(), "memory_bytes": Limits().memory_bytes}
    command = [sys.executable, "-I", "-S", "-c", BOOT, json.dumps(task)]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=_environment(), timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return ended.stdout.decode().split() if ended.returncode == 0 else []


def _search_path() -> list[str]:
    root = str(Path(__file__).resolve().parents[2])
    path = [entry for entry in sys.path if Path(entry).is_absolute()]
    return path if root in path else [*path, root]
