# SPDX-License-Identifier: Apache-2.0
"""The decoder process: reads one file descriptor, fills ring slots, writes messages. Started by process.py."""

from __future__ import annotations

import mmap
import os
import select
from collections.abc import Iterable
from typing import Any

import av

# PyAV loads these only when it meets subtitles, and then no file can be opened any more.
import av.subtitles.codeccontext
import av.subtitles.stream

from avguard.errors import LimitError, MediaError
from avguard.media import jail, wire
from avguard.media.bounds import Bounds
from avguard.media.decode import FilmSource, Item
from avguard.media.info import AudioInfo, MediaInfo
from avguard.media.picture import Picture
from avguard.media.probe import HEAD_BYTES, refuse
from avguard.media.sound import Joiner, Sound, SoundFile, missing_bytes, plain_audio

CPU_SLACK_S = 5
MOST_SLOTS = 256


class Outlet:
    """The child's side of the line: waits for a free slot, fills it, announces it."""

    def __init__(self, up_fd: int, down_fd: int, ring_fd: int) -> None:
        self._up_fd = up_fd
        self._down_fd = down_fd
        self._ring_fd = ring_fd
        self._slots: list[memoryview] = []
        self._free: list[int] = []
        self._given_back = select.poll()
        self._joiner = Joiner()
        self.sent = 0

    def begin(self, info: MediaInfo) -> None:
        """Announce the media and map the ring the parent makes for it."""
        self._send(wire.pack_info(info))
        count, size = wire.RING.unpack(self._receive(wire.RING.size))
        memory = memoryview(mmap.mmap(self._ring_fd, count * size))
        self._slots = [memory[begin : begin + size] for begin in range(0, count * size, size)]
        self._free = list(range(count))
        self._given_back.register(self._down_fd, select.POLLIN)

    def fits(self, width: int, height: int) -> bool:
        """Whether a picture of this size has room in a slot."""
        return wire.picture_bytes("i420", width, height) <= len(self._slots[0])

    def picture(self, t_us: int, picture: Picture, orientation: tuple[int, bool]) -> None:
        """Send one picture."""
        slot = self._take_slot()
        strides = self.copy(picture, self._slots[slot])
        colour = picture.matrix, picture.full_range
        size = picture.width, picture.height
        head = wire.FrameHead(slot, picture.format, *colour, orientation[1], orientation[0], *size, t_us, strides)
        self._send(wire.pack_frame(head))

    def copy(self, picture: Picture, memory: memoryview) -> tuple[int, ...]:
        """Fill a slot; returns the strides there. Rows keep their padding where it fits, for that is one copy."""
        shapes = wire.plane_shapes(picture.format, picture.width, picture.height)
        padded = wire.padded_bytes(picture.format, picture.height, picture.strides) <= len(memory)
        begin = 0
        for plane, stride, (rows, row_bytes) in zip(picture.planes, picture.strides, shapes, strict=True):
            if padded:
                memory[begin : begin + rows * stride] = plane[: rows * stride]
                begin += rows * stride
                continue
            for at in range(0, rows * stride, stride):
                memory[begin : begin + row_bytes] = plane[at : at + row_bytes]
                begin += row_bytes
        return picture.strides if padded else wire.row_strides(picture.format, picture.width)

    def pcm(self, t_us: int, sound: Sound) -> None:
        """Send samples, the last few with those that follow: call ``flush`` behind the last ones."""
        for begin_us, joined in self._joiner.add(t_us, sound):
            self._pcm(begin_us, joined)

    def flush(self) -> None:
        """Send the samples that were kept back."""
        for begin_us, joined in self._joiner.rest():
            self._pcm(begin_us, joined)

    def _pcm(self, t_us: int, sound: Sound) -> None:
        """In as many slots as they need."""
        frame_bytes = sound.channels * wire.SOUNDS[sound.form]
        step = frame_bytes // len(sound.planes)
        most = len(self._slots[0]) // frame_bytes
        for first in range(0, sound.samples, most):
            count = min(most, sound.samples - first)
            slot = self._take_slot()
            for i, plane in enumerate(sound.planes):
                self._slots[slot][i * count * step : (i + 1) * count * step] = plane[
                    first * step : (first + count) * step
                ]
            at_us = t_us + first * 1_000_000 // sound.rate_hz
            layout = sound.form, sound.planar, sound.channels
            self._send(wire.pack_pcm(wire.PcmHead(slot, *layout, sound.rate_hz, count, at_us)))

    def end(self, warnings: Iterable[str]) -> None:
        """Send the complete list of warnings; nothing follows."""
        bounded = [text[: wire.MAX_TEXT] for text in warnings][: wire.MAX_WARNINGS]
        self._send(wire.pack_json(wire.KIND_END, {"warnings": bounded}))

    def fail(self, failure: Exception) -> None:
        """Send an error that the parent raises in its own process."""
        value = {"error": type(failure).__name__, "text": str(failure)[: wire.MAX_TEXT]}
        self._send(wire.pack_json(wire.KIND_ERROR, value))

    def _take_slot(self) -> int:
        self.sent += 1
        # The one that came back last: its memory is there and in the cache, that of a new one is neither.
        if not self._free or self._given_back.poll(0):
            self._free += self._read(MOST_SLOTS)
        return self._free.pop()

    def _send(self, message: bytes) -> None:
        view = memoryview(message)
        while view:
            view = view[os.write(self._up_fd, view) :]

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._read(size - len(data))
        return data

    def _read(self, most: int) -> bytes:
        data = os.read(self._down_fd, most)
        if not data:
            raise BrokenPipeError
        return data


def prepare(media_fd: int) -> bytes:
    """The first bytes of a file; what reading it needs must be loaded before files can no longer be opened."""
    head = os.pread(media_fd, HEAD_BYTES, 0)
    if plain_audio(head):
        # Some releases of soundfile load NumPy on first use.
        import numpy  # noqa: F401
        import soundfile  # noqa: F401
    return head


def main(task: dict[str, Any]) -> None:
    """Decode ``task["media_fd"]``; every way out but a crash is a message."""
    av.logging.set_level(av.logging.PANIC)
    limits = Bounds(**task["limits"])
    outlet = Outlet(task["up_fd"], task["down_fd"], task["ring_fd"])
    head = prepare(task["media_fd"])
    cpu_seconds = limits.wall_seconds + limits.wall_per_media_second * limits.max_duration_s
    try:
        jail.enter(limits.memory_bytes, int(cpu_seconds) + CPU_SLACK_S, task["lifeline_fd"])
        run(task["media_fd"], head, limits, outlet)
    except (MediaError, LimitError) as failure:
        outlet.fail(failure)
    except MemoryError:
        outlet.fail(
            LimitError(
                f"decoding takes more memory than Limits.memory_bytes = {limits.memory_bytes}. "
                "Raise that limit only if you trust the file."
            )
        )
    except BrokenPipeError:
        pass
    # Nothing is left to tidy up, and the parent waits for this process to be gone.
    os._exit(0)


def run(media_fd: int, head: bytes, limits: Bounds, outlet: Outlet) -> None:
    """Decode to the end. Raises MediaError, LimitError, MemoryError, or BrokenPipeError when nobody listens."""
    refuse(head)
    if plain_audio(head) and _plain(media_fd, head, limits, outlet):
        return
    os.lseek(media_fd, 0, os.SEEK_SET)
    source = FilmSource(media_fd, limits)
    info, backlog = source.begin()
    outlet.begin(info)
    for item in backlog:
        _forward(item, source, outlet)
    del backlog
    for item in source.items():
        _forward(item, source, outlet)
    outlet.flush()
    if not outlet.sent:
        raise MediaError("no picture of the video can be converted to 8-bit colour. Re-encode it to mp4 (H.264).")
    outlet.end(source.warnings())


def _forward(item: Item, source: FilmSource, outlet: Outlet) -> None:
    if item.sound is not None:
        outlet.pcm(item.t_us, item.sound)
    if item.frame is None:
        return
    picture = source.picture(item.frame, outlet.fits)
    if picture is not None:
        outlet.picture(item.t_us, picture, item.orientation)


def _plain(media_fd: int, head: bytes, limits: Bounds, outlet: Outlet) -> bool:
    """Read a plain audio file; False, with nothing sent, when libsndfile cannot."""
    try:
        file = SoundFile(media_fd)
    except ValueError:
        return False
    limits.check_sound(file.rate_hz, file.channels)
    limits.check_duration(file.samples / file.rate_hz if file.samples < wire.MAX_TIME_US else 0)
    blocks = file.blocks()
    first = next(blocks, None)
    if first is None:
        return False
    duration_us = file.samples * 1_000_000 // file.rate_hz
    audio = AudioInfo(file.codec, file.rate_hz, file.channels, 0)
    info = MediaInfo(plain_audio(head) or "", duration_us if duration_us < wire.MAX_TIME_US else None, None, audio)
    lost = missing_bytes(head, os.fstat(media_fd).st_size)
    if lost:
        info = info._replace(warnings=(f"truncated: {lost} bytes that the header promises are missing",))
    outlet.begin(info)
    outlet.pcm(0, first[1])
    for position, sound in blocks:
        limits.check_duration(position / file.rate_hz)
        outlet.pcm(position * 1_000_000 // file.rate_hz, sound)
    outlet.flush()
    damage = () if file.complete or lost else ("truncated or damaged: the audio ends before the header says so",)
    outlet.end((*info.warnings, *damage))
    return True
