# SPDX-License-Identifier: Apache-2.0
"""The one worker: a local process and a Ray actor both run this and nothing else."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from avguard.api import Checker
from avguard.errors import AvguardError, InputNotFoundError, LimitError, ModelError
from avguard.media import Limits
from avguard.models import bundle_in_use, open_bundle
from avguard.scan.find import is_address
from avguard.scan.row import Failure, Found, Row, from_error, from_verdict

BLOCK_BYTES = 1 << 20

Look = Callable[[str], str]
"""Content credentials of a file in one word: see ``avguard.provenance``."""


@dataclass(frozen=True)
class Settings:
    """What every worker of a scan is given. ``bundle``: folder of the model, None for the one in use there.

    ``model``: what the scan's rows are keyed by; a worker that finds another bundle refuses. ``look``: asks for content
    credentials. ``whole``: rows carry the whole verdict.
    """

    model: str
    bundle: str | None = None
    precision: str = "auto"
    whole: bool = False
    look: Look | None = None


@dataclass(frozen=True)
class Identity:
    """What a file's content is, before it is judged."""

    found: Found
    sha256: str


Request = Found | Identity
Answer = Identity | Row


def model_key(bundle: str | None, precision: str) -> str:
    """What verdicts depend on besides the content. Raises ModelError when the bundle is not sound."""
    folder = Path(bundle) if bundle else bundle_in_use()[0]
    name = open_bundle(folder).manifest.id
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:12]
    return f"{name}#{digest}" + ("" if precision == "auto" else f"/{precision}")


class Worker:
    """Answers requests one at a time: a file with its identity, an identity with its row. Never raises for a file.

    Raises ModelError or EngineError when built where the scan's model is missing.
    """

    def __init__(self, settings: Settings) -> None:
        here = model_key(settings.bundle, settings.precision)
        if here != settings.model:
            raise ModelError(f"this worker has model {here}, the scan is of {settings.model}. Install the same bundle.")
        self._settings = settings
        self._checker = Checker(settings.bundle, engine=settings.precision)
        self._fetched: Path | None = None

    def answer(self, request: Request) -> Answer:
        """An ``Identity`` for a ``Found``, a ``Row`` for an ``Identity``; a ``Row`` whenever something goes wrong."""
        began_s = time.monotonic()
        found, sha256 = (request, "") if isinstance(request, Found) else (request.found, request.sha256)
        try:
            return self._identify(found) if isinstance(request, Found) else self._judge(request, began_s)
        except Exception as error:  # one bad file must not end a scan of millions
            failure = Failure.of(error)
        return from_error(found, sha256, self._settings.model, failure, time.monotonic() - began_s)

    def _identify(self, found: Found) -> Identity:
        self._forget()
        path = found.path
        if is_address(path):
            path = str(self._fetch(path))
        return Identity(found, _digest(path))

    def _judge(self, identity: Identity, began_s: float) -> Row:
        path = identity.found.path
        if is_address(path):
            # Another worker may have fetched it: then that one died.
            path = str(self._fetched or self._fetch(path))
        try:
            verdict = self._checker.check(path)
            credentials = self._settings.look(path) if self._settings.look else None
        finally:
            self._forget()
        return from_verdict(
            identity.found,
            identity.sha256,
            self._settings.model,
            verdict,
            elapsed_s=time.monotonic() - began_s,
            credentials=credentials,
            whole=self._settings.whole,
        )

    def _fetch(self, address: str) -> Path:
        import fsspec

        handle, name = tempfile.mkstemp(prefix="avguard-")
        self._fetched = Path(name)
        try:
            with os.fdopen(handle, "wb") as copy, fsspec.open(address, "rb") as source:
                _copy(source, copy, Limits().max_file_bytes)
        except AvguardError:
            raise
        except Exception as failure:  # every store has errors of its own
            raise InputNotFoundError(f"{address} cannot be fetched ({type(failure).__name__}: {failure}).") from failure
        return self._fetched

    def _forget(self) -> None:
        if self._fetched is not None:
            with suppress(OSError):
                self._fetched.unlink()
            self._fetched = None


def _copy(source: object, copy: object, most: int) -> None:
    left = most
    while block := source.read(BLOCK_BYTES):  # type: ignore[attr-defined]
        left -= len(block)
        if left < 0:
            raise LimitError(f"the file has more than Limits.max_file_bytes = {most} bytes.")
        copy.write(block)  # type: ignore[attr-defined]


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    try:
        # O_NONBLOCK: opening a pipe nobody writes to must not hang.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputNotFoundError(f"{path!r} is not a plain file. Name a media file.")
            Limits().check_file(status.st_size)
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    except (OSError, ValueError) as failure:
        words = failure.strerror if isinstance(failure, OSError) else str(failure)
        raise InputNotFoundError(f"{path!r} cannot be read ({words}). Check the path.") from None
    return digest.hexdigest()
