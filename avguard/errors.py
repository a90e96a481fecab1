# SPDX-License-Identifier: Apache-2.0
"""Every exception avguard raises: one class per status of the C++ core.

Each message says what happened, why, and the next step; ``code`` is stable across releases and is also the
command line's exit code.
"""

from __future__ import annotations


class AvguardError(Exception):
    """Base of all avguard errors. ``code``: stable number, also the exit code of the command line."""

    code = 3


class InputNotFoundError(AvguardError):
    """The path does not exist or cannot be read."""

    code = 4


class MediaError(AvguardError):
    """The file is not readable media: empty, text, truncated before any content, or an unsupported codec."""

    code = 5


class LimitError(AvguardError):
    """The media exceeds a limit (dimensions, duration, streams, rates); see ``avguard.media.Limits``."""

    code = 6


class DecodeTimeoutError(AvguardError):
    """The decoder did not finish within its time limit."""

    code = 7


class DecoderCrashError(AvguardError):
    """The decoder process died: killed, out of memory, or crashed on hostile data."""

    code = 8


class ModelError(AvguardError):
    """A model bundle is missing, altered, or built for another spec or runtime."""

    code = 9


class EngineError(AvguardError):
    """The inference engine failed to load or run a verified model."""

    code = 10


class CancelledError(AvguardError):
    """The caller's ``progress`` returned False."""

    code = 11


class UsageError(AvguardError, ValueError):
    """An argument is wrong: shape, type, order of calls, or a closed object."""

    code = 12
