# SPDX-License-Identifier: Apache-2.0
"""The door of this room: open a file, take frames and PCM, close."""

from __future__ import annotations

import errno
import io
import os
import stat
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType

from avguard.errors import AvguardError, InputNotFoundError, LimitError, MediaError, UsageError
from avguard.media import wire
from avguard.media.forkserver import ForkServer
from avguard.media.info import MediaInfo
from avguard.media.items import Frame, Pcm
from avguard.media.limits import Limits
from avguard.media.process import DecoderProcess
from avguard.media.ring import Ring, create_file

CHILD = "avguard.media.child"
# A hostile file that leaps through time must not earn waiting time by it.
MAX_CREDIT_PER_FRAME_US = 1_000_000
RAISED_BY_CHILD = {"MediaError": MediaError, "LimitError": LimitError}


class MediaReader:
    """Frames and PCM of one file, decoded by a child process as they are taken.

    Items come in the order the decoder delivers them: each stream by itself strictly increasing in ``t_us``, the two
    interleaved as in the file (pictures trail by the codec's reordering, at most 16 frames, sound by the 160 ms that
    it is joined to). ``t_us`` is the container's clock: streams keep their own start offset, and the first item may lie
    before or after 0. Memory does not depend on the length of the file. For one thread at a time.

    The constructor returns while the child is still starting; the first use of ``info`` or of an item waits for it, and
    raises what opening the file can raise.
    """

    def __init__(
        self, path: str | os.PathLike[str], limits: Limits, child: str = CHILD, forks: ForkServer | None = None
    ) -> None:
        self._limits = limits
        self._ring: Ring | None = None
        self._held: int | None = None
        self._sound_us = 0
        self._film_us = 0
        self._last_frame_us: int | None = None
        self._ended = False
        self._info: MediaInfo | None = None
        media_fd = _open_file(path, limits)
        self._ring_file = io.FileIO(create_file(), "r+b")
        try:
            self._process = DecoderProcess(child, media_fd, self._ring_file.fileno(), limits, forks)
            self._kill = weakref.finalize(self, _end, self._process, self._ring_file)
        except BaseException:
            self._ring_file.close()
            raise
        finally:
            os.close(media_fd)

    @property
    def info(self) -> MediaInfo:
        """What is in the file; its ``warnings`` are complete once iteration has ended.

        Raises MediaError, LimitError, DecodeTimeoutError or DecoderCrashError (the reader is closed then), and
        UsageError when the reader was closed before this was known.
        """
        if self._info is None:
            self._check_open()
            try:
                self._info = self._begin()
            except BaseException:
                self.close()
                raise
        return self._info

    def __iter__(self) -> Iterator[Frame | Pcm]:
        return self

    def __next__(self) -> Frame | Pcm:
        """The next item; the planes of the frame before it are no longer valid.

        Raises MediaError, LimitError, DecodeTimeoutError or DecoderCrashError (the reader is closed then), and
        UsageError when the reader was closed before the end.
        """
        if self._ended:
            raise StopIteration
        self._check_open()
        info = self.info
        assert self._ring is not None
        try:
            item = self._next_item(self._ring, info)
        except BaseException:
            self.close()
            raise
        if item is None:
            self._ended = True
            # Its memory goes while the caller makes something of what was read.
            self._process.dismiss()
            self._free_ring()
            raise StopIteration
        return item

    def keep(self) -> Callable[[], None]:
        """Keep the frame that was taken last beyond the next item: its planes stay valid until what this returns is
        called, once. Few frames can be kept (see ``Ring``); the decoder waits for memory to decode into.
        """
        ring, slot = self._ring, self._held
        self._held = None
        if ring is None or slot is None:
            raise UsageError("no frame was taken just before: call keep() once, right after taking a frame.")
        return partial(self._hand_back, ring, slot)

    def close(self) -> None:
        """Stop decoding: kills the child and frees its memory. May be called again."""
        self._kill()
        self._free_ring()

    def _free_ring(self) -> None:
        if self._ring is not None:
            self._ring.close()
            self._ring = None

    def _check_open(self) -> None:
        if not self._kill.alive:
            raise UsageError("this MediaReader is closed. Open the file again.")

    def __enter__(self) -> MediaReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> MediaInfo:
        kind, payload = self._process.receive(0)
        if kind == wire.KIND_ERROR:
            raise _raised(payload)
        if kind != wire.KIND_INFO:
            raise wire.garbled()
        info = wire.parse_info(payload)
        if info.video:
            self._limits.check_picture(info.video.width, info.video.height)
        if info.audio:
            self._limits.check_sound(info.audio.sample_rate_hz, info.audio.channels)
        self._ring = Ring(self._ring_file.fileno(), info)
        self._ring_file.close()
        self._process.send(wire.RING.pack(self._ring.slots, self._ring.slot_bytes))
        return info

    def _next_item(self, ring: Ring, info: MediaInfo) -> Frame | Pcm | None:
        if self._held is not None:
            self._hand_back(ring, self._held)
            self._held = None
        kind, payload = self._process.receive(max(self._sound_us, self._film_us) / 1e6)
        if kind == wire.KIND_FRAME:
            return self._frame(ring, wire.parse_frame(payload))
        if kind == wire.KIND_PCM:
            return self._pcm(ring, info, wire.parse_pcm(payload))
        if kind == wire.KIND_ERROR:
            raise _raised(payload)
        if kind != wire.KIND_END:
            raise wire.garbled()
        warnings = wire.parse_texts(wire.parse_json(payload).get("warnings"))
        self._info = info._replace(warnings=warnings)
        return None

    def _frame(self, ring: Ring, head: wire.FrameHead) -> Frame:
        self._limits.check_picture(head.width, head.height)
        frame = ring.frame(head)
        self._held = head.slot
        if self._last_frame_us is not None:
            step_us = head.t_us - self._last_frame_us
            self._film_us += min(max(step_us, 0), MAX_CREDIT_PER_FRAME_US)
        self._last_frame_us = head.t_us
        return frame

    def _pcm(self, ring: Ring, info: MediaInfo, head: wire.PcmHead) -> Pcm:
        self._limits.check_sound(head.sample_rate_hz, head.channels)
        samples = ring.samples(head)
        self._hand_back(ring, head.slot)
        if not self._sound_us and info.audio:
            self._info = info._replace(audio=info.audio._replace(start_us=head.t_us))
        self._sound_us += len(samples) * 1_000_000 // head.sample_rate_hz
        return Pcm(head.t_us, head.sample_rate_hz, samples)

    def _hand_back(self, ring: Ring, slot: int) -> None:
        if self._ended or not self._kill.alive:
            return  # the child is gone, and its pipe with it
        ring.give_back(slot)
        self._process.send(bytes([slot]))


def _end(process: DecoderProcess, ring_file: io.FileIO) -> None:
    process.kill()
    ring_file.close()


def open_media(path: str | os.PathLike[str], limits: Limits | None = None) -> MediaReader:
    """Open a video or audio file for decoding; use as a context manager.

    Raises InputNotFoundError (missing, a directory, not readable), MediaError (empty, text, a still image, a playlist,
    an unknown container, nothing decodable), LimitError, DecodeTimeoutError, DecoderCrashError, and UsageError for
    arguments of the wrong type.
    """
    reader = start_media(path, limits)
    _ = reader.info  # waits
    return reader


def start_media(
    path: str | os.PathLike[str], limits: Limits | None = None, forks: ForkServer | None = None
) -> MediaReader:
    """``open_media`` that does not wait for the decoder process, for callers that have something to do meanwhile.

    ``forks``: where the process comes from, for callers that read many files.

    Raises InputNotFoundError, MediaError for an empty file, LimitError for one that is too large, and UsageError; the
    rest comes with the first use of ``info``.
    """
    if limits is not None and not isinstance(limits, Limits):
        raise UsageError(f"limits is a {type(limits).__name__}: give an avguard.media.Limits or None.")
    return MediaReader(path, limits or Limits(), forks=forks)


def _open_file(path: str | os.PathLike[str], limits: Limits) -> int:
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise UsageError(f"path is a {type(path).__name__}: give a str or a pathlib.Path.")
    shown = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
    try:
        # O_NONBLOCK: opening a pipe nobody writes to must not hang.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError:
        raise InputNotFoundError(f"{shown!r} cannot be a file name: it holds a NUL. Check the path.") from None
    except OSError as failure:
        raise InputNotFoundError(f"{shown!r} {_cause(failure)}") from None
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise InputNotFoundError(f"{shown!r} is a directory, not a file. Give one media file.")
        if not stat.S_ISREG(status.st_mode):
            raise InputNotFoundError(f"{shown!r} is a pipe or a device, not a file. Save its content to a file first.")
        if status.st_size == 0:
            raise MediaError(f"{shown!r} is empty (0 bytes). Copy or download it again.")
        limits.check_file(status.st_size)
    except AvguardError:
        os.close(fd)
        raise
    return fd


def _cause(failure: OSError) -> str:
    if failure.errno in (errno.ENOENT, errno.ENOTDIR):
        return "does not exist. Check the path."
    if failure.errno in (errno.EACCES, errno.EPERM):
        return "may not be read by this user. Change its permissions."
    return f"cannot be opened: {failure.strerror}. Check the path."


def _raised(payload: bytes) -> AvguardError:
    value = wire.parse_json(payload)
    kind = RAISED_BY_CHILD.get(str(value.get("error")))
    (text,) = wire.parse_texts([value.get("text")])
    if kind is None:
        raise wire.garbled()
    return kind(text)
