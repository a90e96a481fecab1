# SPDX-License-Identifier: Apache-2.0
"""What the decoder process gives up before it looks at the first untrusted byte."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
import struct
import sys
from itertools import chain
from typing import Any, NamedTuple

from avguard.media import landlock

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
RETURN_ALLOW = 0x7FFF0000
RETURN_KILL = 0x80000000
RETURN_ERRNO = 0x00050000
LOAD, JUMP_EQUAL, JUMP_SET, JUMP_ABOVE, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
OFFSET_NUMBER, OFFSET_ARCH, OFFSET_ARGUMENT = 0, 4, 16
CLONE_THREAD = 0x10000
X32_BIT = 0x40000000
# Every kernel since 5.x gives these the same number on all architectures: pidfd_send_signal, io_uring_setup/enter/
# register, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, pidfd_open, openat2, pidfd_getfd, process_madvise.
COMMON = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 437, 438, 440)
CLONE3 = 435


class Calls(NamedTuple):
    """One architecture's AUDIT_ARCH value and call numbers."""

    arch: int
    clone: int
    refused: tuple[tuple[int, ...], ...]


# Refused: making processes, signalling or inspecting others, sockets, and every way to reach a file by its name.
MACHINES = {
    "x86_64": Calls(
        0xC000003E,
        56,
        (
            (2, 41, 42, 43, 44, 49, 50, 53, 57, 58, 59, 62, 76, 82, 83, 84, 85, 86, 87, 88, 90, 92, 94, 101, 109, 112),
            (129, 132, 133, 155, 161, 165, 188, 189, 200, 234, 235, 240, 257, 258, 259, 260, 261, 263, 264, 265, 266),
            (268, 272, 280, 288, 297, 298, 302, 303, 304, 308, 310, 311, 316, 321, 322, 323),
        ),
    ),
    "aarch64": Calls(
        0xC00000B7,
        220,
        (
            (5, 6, 33, 34, 35, 36, 37, 38, 40, 41, 45, 51, 53, 54, 56, 88, 97, 117, 129, 130, 131, 138, 154, 157, 198),
            (199, 200, 201, 202, 203, 206, 221, 240, 241, 242, 261, 264, 265, 268, 270, 271, 276, 280, 281, 282),
        ),
    ),
}


def enter(memory_bytes: int, cpu_seconds: int, lifeline_fd: int) -> list[str]:
    """Apply every restriction this system offers to this process, for good; returns the names of those that hold.

    ``lifeline_fd`` is the reading end of a pipe that the parent never writes to: its closing ends this process, even
    inside a decoder that never returns.
    """
    held = ["limits"] if _set_limits(memory_bytes, cpu_seconds) else []
    if sys.platform == "linux":
        _die_with(lifeline_fd)
        held.append("lifeline")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            held.append("no_new_privileges")
            held += ["landlock"] if landlock.restrict(libc) else []
            held += ["seccomp"] if _filter_calls(libc) else []
    return held


def main(task: dict[str, Any]) -> None:
    """Enter the jail like a decoder and print what holds: started by ``process.jail_here``."""
    sys.stdout.write("\n".join(enter(task["memory_bytes"], 10, os.pipe()[0])))


def _set_limits(memory_bytes: int, cpu_seconds: int) -> bool:
    bounds = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 32,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CPU": cpu_seconds,
        "RLIMIT_AS": memory_bytes,
    }
    complete = True
    for name, bound in bounds.items():
        kind = getattr(resource, name, None)
        try:
            resource.setrlimit(kind, (bound, bound))  # type: ignore[arg-type]
        except (TypeError, ValueError, OSError):
            complete = False
    return complete


def _die_with(lifeline_fd: int) -> None:
    # PR_SET_PDEATHSIG would fire when the parent's *thread* ends; SIGIO on a closing pipe follows the process.
    fcntl.fcntl(lifeline_fd, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(lifeline_fd, fcntl.F_GETFL)
    fcntl.fcntl(lifeline_fd, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    if os.getppid() == 1 or _hung_up(lifeline_fd):
        os._exit(1)


def _hung_up(fd: int) -> bool:
    try:
        return os.read(fd, 1) == b""
    except BlockingIOError:
        return False


def _filter_calls(libc: ctypes.CDLL) -> bool:
    known = MACHINES.get(os.uname().machine)
    if known is None or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return False
    program = _program(known)
    code = b"".join(program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    done: int = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0)
    return done == 0


def _program(calls: Calls) -> list[bytes]:
    """Classic BPF for seccomp(2): a list of calls that fail with EPERM, all others allowed."""
    refuse = _line(RETURN, 0, 0, RETURN_ERRNO | errno.EPERM)
    lines = [_line(LOAD, 0, 0, OFFSET_ARCH), _line(JUMP_EQUAL, 1, 0, calls.arch), _line(RETURN, 0, 0, RETURN_KILL)]
    lines += [_line(LOAD, 0, 0, OFFSET_NUMBER), _line(JUMP_ABOVE, 0, 1, X32_BIT), refuse]
    for number in (*chain.from_iterable(calls.refused), *COMMON):
        lines += [_line(JUMP_EQUAL, 0, 1, number), refuse]
    # clone3 hides its flags in memory; ENOSYS makes the C library fall back to clone, whose flags can be read.
    lines += [_line(JUMP_EQUAL, 0, 1, CLONE3), _line(RETURN, 0, 0, RETURN_ERRNO | errno.ENOSYS)]
    lines += [_line(JUMP_EQUAL, 0, 3, calls.clone), _line(LOAD, 0, 0, OFFSET_ARGUMENT)]
    lines += [_line(JUMP_SET, 1, 0, CLONE_THREAD), refuse]
    return [*lines, _line(RETURN, 0, 0, RETURN_ALLOW)]


def _line(code: int, if_true: int, if_false: int, operand: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, operand)
