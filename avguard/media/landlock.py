# SPDX-License-Identifier: Apache-2.0
"""Landlock (Linux 5.13 and newer): the second wall behind the call filter, for the decoder process.

Numbers from the kernel's ``include/uapi/linux/landlock.h``; system calls this new have one number everywhere.
"""

from __future__ import annotations

import ctypes
import os
import struct

CREATE_RULESET, RESTRICT_SELF = 444, 446
WHICH_VERSION = 1
# How many rights to files each version of the interface knows; without a rule, a right that is handled is refused.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
FILE_RIGHTS_FROM_5 = 16
NET_RIGHTS = 0b11  # since 4: bind and connect of TCP
SCOPES = 0b11  # since 6: abstract sockets of, and signals to, processes outside


def restrict(libc: ctypes.CDLL) -> int:
    """Give up opening any file, TCP, and signals to others, for good; returns the interface's version, 0 without one.

    ``no_new_privs`` must be set. What is open already stays usable.
    """
    version: int = libc.syscall(CREATE_RULESET, None, 0, WHICH_VERSION)
    if version < 1:
        return 0
    words = [(1 << FILE_RIGHTS.get(version, FILE_RIGHTS_FROM_5)) - 1]
    words += [NET_RIGHTS] if version >= 4 else []
    words += [SCOPES] if version >= 6 else []
    attributes = struct.pack(f"{len(words)}Q", *words)
    ruleset: int = libc.syscall(CREATE_RULESET, ctypes.c_char_p(attributes), len(attributes), 0)
    if ruleset < 0:
        return 0
    done: int = libc.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return version if done == 0 else 0
