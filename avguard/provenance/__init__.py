# SPDX-License-Identifier: Apache-2.0
"""C2PA content credentials of a file, in one word. They are reported beside a verdict and never change a score.

Read by the library ``c2pa-python`` where it is installed (extra ``provenance``), in a child process under the decoder's
limits: no network, no other file, bounded memory and time. So nothing is fetched: credentials that are stored elsewhere
are absent here, and revocation is not asked for.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from tempfile import TemporaryFile

from avguard.errors import AvguardError, UsageError
from avguard.media import Limits, wire
from avguard.media.process import DecoderProcess

CHILD = "avguard.provenance.child"
STATES = ("absent", "trusted", "valid", "invalid", "unreadable")
LIMITS = Limits(wall_seconds=60.0)


def installed() -> bool:
    """Whether there is a library to read credentials with."""
    return find_spec("c2pa") is not None


def require() -> None:
    """Raises UsageError without that library."""
    if not installed():
        raise UsageError("content credentials need c2pa-python. pip install 'avguard[provenance]'.")


def state_of(path: str) -> str:
    """One of STATES.

    ``trusted``: intact, by a signer on the library's list. ``valid``: intact, the signer is not known. ``invalid``:
    changed after signing, or damaged. ``unreadable``: the library failed, or would not end. Raises UsageError
    without that library, OSError when the file cannot be opened.
    """
    require()
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        with TemporaryFile() as unused:
            process = DecoderProcess(CHILD, file, unused.fileno(), LIMITS)
    finally:
        os.close(file)
    try:
        kind, payload = process.receive(0)
        state = wire.parse_json(payload).get("state") if kind == wire.KIND_END else None
    except AvguardError:
        state = None
    finally:
        process.kill()
    return str(state) if state in STATES else "unreadable"
