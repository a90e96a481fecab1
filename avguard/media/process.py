# SPDX-License-Identifier: Apache-2.0
"""Starts, hears and ends the decoder process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol

from avguard.errors import AvguardError, DecoderCrashError, DecodeTimeoutError
from avguard.media.forkserver import ForkServer
from avguard.media.limits import Limits
from avguard.media.start import boot
from avguard.media.wire import HEAD, MAX_PAYLOAD_BYTES, take_message

CHUNK_BYTES = 65536
KEPT_STDERR_BYTES = 4096
EXIT_GRACE_S = 1.0
ASK_AGAIN_S = 0.01


class Child(Protocol):
    """A process that is ours to end. ``pid`` is its own until it was reaped, or ``poll`` told its exit status."""

    pid: int

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        ...

    def reap(self) -> None:
        """Wait for its end."""
        ...


class Alone:
    """A child that was started by itself."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen, self.pid = popen, popen.pid

    def poll(self) -> int | None:
        """See ``Child``."""
        return self._popen.poll()

    def reap(self) -> None:
        """See ``Child``."""
        self._popen.wait()


class DecoderProcess:
    """A child of its own session with an empty environment and a few descriptors: forked by ``forks``, or by itself."""

    def __init__(
        self, module: str, media_fd: int, ring_fd: int, limits: Limits, forks: ForkServer | None = None
    ) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._errors = bytearray()
        self._waited_s = 0.0
        self._owner_pid, self._killed = os.getpid(), False
        self._up_fd, up_fd = os.pipe()
        down_fd, self._down_fd = os.pipe()
        lifeline_fd, self._lifeline_fd = os.pipe()
        self._stderr_fd, stderr_fd = os.pipe()
        theirs = {"up_fd": up_fd, "down_fd": down_fd, "lifeline_fd": lifeline_fd, "stderr_fd": stderr_fd}
        task = {"module": module, "limits": asdict(limits)}
        try:
            self._child = _start(task, {"media_fd": media_fd, "ring_fd": ring_fd, **theirs}, forks)
        except OSError as failure:
            self._close_pipes()
            raise DecoderCrashError(
                f"the decoder process could not be started: {failure.strerror}. Free some memory or processes, then "
                "try again."
            ) from None
        except BaseException:
            self._close_pipes()
            raise
        finally:
            for fd in theirs.values():
                os.close(fd)
        self._poll = select.poll()
        self._poll.register(self._up_fd, select.POLLIN)
        self._poll.register(self._stderr_fd, select.POLLIN)

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._child.pid

    def receive(self, media_seconds: float) -> tuple[int, bytes]:
        """The next message, given how much media has been delivered so far.

        Raises DecodeTimeoutError when the wall limit passes, DecoderCrashError when the child dies or talks garbage.
        """
        message = take_message(self._buffer)
        if message is not None:
            return message
        total_s = self._limits.wall_seconds + self._limits.wall_per_media_second * media_seconds
        left_s = min(self._limits.wall_seconds, total_s - self._waited_s)
        while message is None:
            begin_s = time.monotonic()
            ended = self._wait(left_s)
            spent_s = time.monotonic() - begin_s
            self._waited_s += spent_s
            left_s -= spent_s
            if ended:
                raise self._death()
            if left_s <= 0:
                raise self._too_slow(media_seconds)
            message = take_message(self._buffer)
        return message

    def send(self, data: bytes) -> None:
        """Write to the child; a child that is gone is noticed by the next ``receive``."""
        try:
            os.write(self._down_fd, data)
        except BrokenPipeError:
            return

    def dismiss(self) -> None:
        """End the child without waiting until it is gone; ``kill`` does that, and is still to be called."""
        if os.getpid() == self._owner_pid and self._child.poll() is None:
            self._signal()
        self._close_pipes()

    def kill(self) -> None:
        """End the child and whatever it started, and close every descriptor. May be called again."""
        # A fork of the parent runs the same finalisers, but the child is not its own to end.
        if not self._killed and os.getpid() == self._owner_pid:
            self._killed = True
            try:
                # Until it is waited for, its number is no other process's.
                if self._child.poll() is None:
                    self._signal()
                    self._child.reap()
            finally:
                self._close_pipes()
        self._close_pipes()

    def _signal(self) -> None:
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)

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
        code = self._exit_status()
        if code is None:
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

    def _exit_status(self) -> int | None:
        """None when it does not end."""
        deadline_s = time.monotonic() + EXIT_GRACE_S
        while (code := self._child.poll()) is None and time.monotonic() < deadline_s:
            time.sleep(ASK_AGAIN_S)
        return code

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
        for fd in (self._up_fd, self._down_fd, self._lifeline_fd, self._stderr_fd):
            if fd >= 0:
                os.close(fd)
        self._up_fd = self._down_fd = self._lifeline_fd = self._stderr_fd = -1


def _start(task: dict[str, Any], fds: dict[str, int], forks: ForkServer | None) -> Child:
    forked = forks.start(task, fds) if forks else None
    if forked:
        return forked
    kept = {name: fd for name, fd in fds.items() if name != "stderr_fd"}
    return Alone(boot(task, kept, stderr=fds["stderr_fd"]))


def jail_here() -> list[str]:
    """The restrictions of ``jail.enter`` that hold for a decoder process on this system; none when it cannot start."""
    task = {"module": "avguard.media.jail", "memory_bytes": Limits().memory_bytes}
    try:
        with boot(task, stdout=subprocess.PIPE) as process:
            words, _ = process.communicate(timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return words.decode().split() if process.returncode == 0 else []
