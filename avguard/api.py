# SPDX-License-Identifier: Apache-2.0
"""The doors: ``check``, ``Checker`` and ``Stream``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from os import PathLike
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.errors import UsageError
from avguard.line import Listener, Progress, feed, open_model, tell
from avguard.media import ForkServer, Limits, MediaReader, start_media
from avguard.verdict import Verdict

Path = str | PathLike[str]


def check(
    path: Path, *, model: Path | None = None, progress: Progress | None = None, limits: Limits | None = None
) -> Verdict:
    """Tell whether the talking-face clip at ``path`` was likely manipulated, where, and how sure that is.

    ``model``: folder of a bundle, the shipped one by default. ``progress(phase, done_s, total_s)`` may return False to
    cancel. Too little to judge is a verdict (``inconclusive`` with reasons), not an error. Raises a class of
    ``avguard.errors``: InputNotFoundError, MediaError, LimitError, DecodeTimeoutError, DecoderCrashError, ModelError,
    EngineError, CancelledError.
    """
    # The model is opened while the decoder process starts.
    with start_media(path, limits) as reader, Checker(model) as checker:
        return checker._judge(reader, progress)


class Checker:
    """A model that is opened once and used for many clips and streams. Threads may share it.

    ``model``: folder of a bundle. ``engine``: "auto" picks int8 or float by the CPU, "int8" and "float" insist.
    ``require_signature``: refuse a bundle unless one of ``trusted_keys`` (Ed25519 public keys in hex) signed it.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        engine: str = "auto",
        require_signature: bool = False,
        trusted_keys: Collection[str] = (),
    ) -> None:
        self._model: _core.Model | None = open_model(
            model if model is None else str(model),
            engine,
            require_signature=require_signature,
            trusted_keys=trusted_keys,
        )
        self._forks = ForkServer()

    def check(
        self,
        path: Path,
        *,
        progress: Progress | None = None,
        limits: Limits | None = None,
        events: Listener | None = None,
    ) -> Verdict:
        """Judge one file; see ``avguard.check``. ``events`` gets what ``Stream.poll`` would give, while it runs."""
        self._open()
        try:
            with start_media(path, limits, self._forks) as reader:
                return self._judge(reader, progress, events)
        except KeyboardInterrupt:
            self._forks.close()  # whoever interrupts wants nothing left running
            raise

    def stream(self, *, video: bool = True, audio: bool = True) -> Stream:
        """A stream to push live frames and sound into; say which of the two will come."""
        return Stream(self._open(), video=video, audio=audio)

    def close(self) -> None:
        """Let go of the model and of the process that decoders come from. Checks that run go on to their end; calling
        twice is fine.
        """
        if self._model is not None:
            self._forks.close()
            self._model = None
            # Without it the process keeps the 50 MB that the model and its sessions gave back.
            _core.return_freed_memory()

    def _judge(self, reader: MediaReader, progress: Progress | None, events: Listener | None = None) -> Verdict:
        session = _session(self._open(), reader)
        feed(reader, session, progress, events)
        for warning in reader.info.warnings:
            session.warn(warning)
        verdict = Verdict.from_json(session.finish())
        if events is not None:
            tell(session, events)  # what only the end decides
        return verdict

    def _open(self) -> _core.Model:
        if self._model is None:
            raise UsageError("this Checker is closed; make a new one.")
        return self._model

    def __enter__(self) -> Checker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _session(model: _core.Model, reader: MediaReader) -> _core.Session:
    """One for what is in the file. Nearly all files hold both: for that it is made while the decoder opens the file."""
    session = _core.Session(model)
    info = reader.info
    if info.video is not None and info.audio is not None:
        return session
    del session
    return _core.Session(model, expect_video=info.video is not None, expect_audio=info.audio is not None)


class Stream:
    """One live clip: push timestamped frames and sound, poll events, finish. One thread at a time.

    Times are int64 microseconds on one clock for both. Events are only ever appended.
    """

    def __init__(self, model: _core.Model, *, video: bool = True, audio: bool = True) -> None:
        self._session = _core.Session(model, expect_video=video, expect_audio=audio)

    def push_frame(
        self,
        planes: Sequence[NDArray[np.uint8]],
        t_us: int,
        *,
        format: str,
        width: int,
        height: int,
        full_range: bool = False,
        matrix: str = "bt601",
        rotation_deg: int = 0,
        mirrored: bool = False,
    ) -> None:
        """Give a frame; it is copied.

        ``format``: i420, nv12, nv21, rgb24, bgra, rgba or gray8, with ``planes`` as uint8 arrays whose rows may be
        padded. ``rotation_deg``: clockwise turn that makes it upright. Raises UsageError.
        """
        self._session.push_frame(
            planes,
            format,
            width,
            height,
            t_us,
            full_range=full_range,
            matrix=matrix,
            rotation_deg=rotation_deg,
            mirrored=mirrored,
        )

    def push_audio(self, samples: NDArray[np.float32], t_us: int, *, sample_rate_hz: int) -> None:
        """Give mono float32 samples in [-1, 1], shape (n,), the first at ``t_us``. Raises UsageError."""
        self._session.push_audio(samples, sample_rate_hz, t_us)

    def poll(self) -> list[dict[str, Any]]:
        """Events since the last call: dicts with kind (track_found, track_lost, window), track, times and scores."""
        return self._session.poll()

    def finish(self) -> Verdict:
        """End the stream and judge it. Raises UsageError when called twice."""
        return Verdict.from_json(self._session.finish())
