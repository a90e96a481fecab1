# SPDX-License-Identifier: Apache-2.0
"""Messages between the decoder process and its parent.

Up, on a pipe: 8 bytes (magic, kind, payload length) and a payload, fixed for a frame and for PCM, JSON for the rest.
Pixels and samples lie in a slot of the shared ring. Down, on another pipe: the shape of the ring once, then one byte,
the slot's number, for each slot handed back. The parent trusts nothing of this: every field is checked on arrival.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, cast

from avguard.errors import DecoderCrashError
from avguard.media.info import AudioInfo, MediaInfo, VideoInfo

HEAD = struct.Struct("<2sBxI")
FRAME = struct.Struct("<BBBBHIIqIII")
PCM = struct.Struct("<BBBBIIq")
RING = struct.Struct("<IQ")
MAGIC = b"av"
KIND_INFO, KIND_FRAME, KIND_PCM, KIND_END, KIND_ERROR = 1, 2, 3, 4, 5
KINDS = (KIND_INFO, KIND_FRAME, KIND_PCM, KIND_END, KIND_ERROR)
FORMATS = ("i420", "nv12", "gray8")
MATRICES = ("bt601", "bt709", "bt2020")
# Bytes per sample of FFmpeg's sample formats.
SOUNDS = {"u8": 1, "s16": 2, "s32": 4, "s64": 8, "flt": 4, "dbl": 8}
MAX_PAYLOAD_BYTES = 65536
MAX_WARNINGS = 64
MAX_TEXT = 500
MAX_TIME_US = 1 << 53


class FrameHead(NamedTuple):
    """A picture in a ring slot: planes follow each other without gaps, rows ``strides`` bytes apart in each."""

    slot: int
    format: str
    matrix: str
    full_range: bool
    mirrored: bool
    rotation_deg: int
    width: int
    height: int
    t_us: int
    strides: tuple[int, ...]


class PcmHead(NamedTuple):
    """``samples`` samples of each channel in a ring slot, one of SOUNDS: channel after channel when ``planar``."""

    slot: int
    form: str
    planar: bool
    channels: int
    sample_rate_hz: int
    samples: int
    t_us: int


@lru_cache(64)
def plane_shapes(format: str, width: int, height: int) -> tuple[tuple[int, int], ...]:
    """Rows and bytes per row of each plane of an 8-bit picture; ``format`` is one of FORMATS."""
    half_width, half_height = (width + 1) // 2, (height + 1) // 2
    if format == "i420":
        return (height, width), (half_height, half_width), (half_height, half_width)
    if format == "nv12":
        return (height, width), (half_height, 2 * half_width)
    return ((height, width),)


def picture_bytes(format: str, width: int, height: int) -> int:
    """Bytes of all planes of a picture."""
    return sum(rows * row_bytes for rows, row_bytes in plane_shapes(format, width, height))


def row_strides(format: str, width: int) -> tuple[int, ...]:
    """Bytes from row to row in each plane of a picture without padding."""
    return tuple(row_bytes for _, row_bytes in plane_shapes(format, width, 1))


@lru_cache(64)
def padded_bytes(format: str, height: int, strides: tuple[int, ...]) -> int:
    """Bytes of all planes of a picture whose rows are ``strides`` bytes apart."""
    return sum(rows * stride for (rows, _), stride in zip(plane_shapes(format, 1, height), strides, strict=True))


def pack(kind: int, payload: bytes) -> bytes:
    """One message."""
    return HEAD.pack(MAGIC, kind, len(payload)) + payload


def pack_frame(head: FrameHead) -> bytes:
    """The message that announces a picture."""
    flags = int(head.full_range) | int(head.mirrored) << 1
    codes = FORMATS.index(head.format), MATRICES.index(head.matrix), flags
    fields = head.slot, *codes, head.rotation_deg, head.width, head.height, head.t_us
    return pack(KIND_FRAME, FRAME.pack(*fields, *head.strides, *(0,) * (3 - len(head.strides))))


def pack_pcm(head: PcmHead) -> bytes:
    """The message that announces samples."""
    codes = list(SOUNDS).index(head.form), int(head.planar), head.channels
    return pack(KIND_PCM, PCM.pack(head.slot, *codes, head.sample_rate_hz, head.samples, head.t_us))


def pack_json(kind: int, value: Mapping[str, object]) -> bytes:
    """A message with a JSON payload."""
    return pack(kind, json.dumps(value).encode())


def pack_info(info: MediaInfo) -> bytes:
    """The message that says what is in the file."""
    streams = {"video": info.video and info.video._asdict(), "audio": info.audio and info.audio._asdict()}
    return pack_json(KIND_INFO, info._asdict() | streams)


def take_message(buffer: bytearray) -> tuple[int, bytes] | None:
    """Remove one (kind, payload) from the front of ``buffer``; None when it is incomplete.

    Raises DecoderCrashError when the bytes cannot be a message.
    """
    if len(buffer) < HEAD.size:
        return None
    magic, kind, size = HEAD.unpack_from(buffer)
    if magic != MAGIC or kind not in KINDS or size > MAX_PAYLOAD_BYTES:
        raise garbled()
    end = HEAD.size + size
    if len(buffer) < end:
        return None
    payload = bytes(buffer[HEAD.size : end])
    del buffer[:end]
    return kind, payload


def parse_frame(payload: bytes) -> FrameHead:
    """Raises DecoderCrashError when a field is out of range (sizes are checked against the ring by its owner)."""
    if len(payload) != FRAME.size:
        raise garbled()
    slot, form, matrix, flags, rotation_deg, width, height, t_us, *strides = FRAME.unpack(payload)
    if form >= len(FORMATS) or matrix >= len(MATRICES) or flags > 3 or rotation_deg not in (0, 90, 180, 270):
        raise garbled()
    if width < 1 or height < 1 or abs(t_us) > MAX_TIME_US:
        raise garbled()
    shapes = plane_shapes(FORMATS[form], width, height)
    if any(stride < row_bytes for stride, (_, row_bytes) in zip(strides, shapes, strict=False)):
        raise garbled()
    flagged = bool(flags & 1), bool(flags & 2)
    known = tuple(strides[: len(shapes)])
    return FrameHead(slot, FORMATS[form], MATRICES[matrix], *flagged, rotation_deg, width, height, t_us, known)


def parse_pcm(payload: bytes) -> PcmHead:
    """Raises DecoderCrashError when a field is out of range."""
    if len(payload) != PCM.size:
        raise garbled()
    slot, form, planar, channels, rate_hz, samples, t_us = PCM.unpack(payload)
    if form >= len(SOUNDS) or planar > 1 or channels < 1 or rate_hz < 1 or samples < 1 or abs(t_us) > MAX_TIME_US:
        raise garbled()
    return PcmHead(slot, list(SOUNDS)[form], bool(planar), channels, rate_hz, samples, t_us)


def parse_json(payload: bytes) -> dict[str, object]:
    """Raises DecoderCrashError when the payload is not a JSON object."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        raise garbled() from None
    if not isinstance(value, dict):
        raise garbled()
    return cast("dict[str, object]", value)


def parse_info(payload: bytes) -> MediaInfo:
    """Raises DecoderCrashError when a field is missing or of the wrong kind."""
    raw = parse_json(payload)
    duration = raw.get("duration_us")
    return MediaInfo(
        container=_text(raw.get("container")),
        duration_us=None if duration is None else _integer(duration),
        video=None if raw.get("video") is None else _video(raw["video"]),
        audio=None if raw.get("audio") is None else _audio(raw["audio"]),
        warnings=parse_texts(raw.get("warnings")),
    )


def parse_texts(value: object) -> tuple[str, ...]:
    """A bounded list of bounded sentences. Raises DecoderCrashError when it is anything else."""
    if not isinstance(value, list) or len(value) > MAX_WARNINGS:
        raise garbled()
    return tuple(_text(item) for item in value)


def garbled() -> DecoderCrashError:
    """The error for anything that a sane decoder process would not have sent."""
    return DecoderCrashError(
        "the decoder process sent garbage: hostile data may have taken it over, so it was stopped. "
        "Do not trust this file; re-encode it with another tool if you must read it."
    )


def _video(raw: object) -> VideoInfo:
    fields = _object(raw)
    aspect = fields.get("sample_aspect")
    rotation_deg = _integer(fields.get("rotation_deg"))
    if not isinstance(aspect, list) or len(aspect) != 2 or rotation_deg not in (0, 90, 180, 270):
        raise garbled()
    fps = fields.get("fps")
    if fps is not None and (not isinstance(fps, float) or not 0 < fps < MAX_TIME_US):
        raise garbled()
    return VideoInfo(
        codec=_text(fields.get("codec")),
        width=_integer(fields.get("width")),
        height=_integer(fields.get("height")),
        rotation_deg=rotation_deg,
        mirrored=fields.get("mirrored") is True,
        sample_aspect=(_integer(aspect[0]), _integer(aspect[1])),
        start_us=_integer(fields.get("start_us")),
        fps=fps,
    )


def _audio(raw: object) -> AudioInfo:
    fields = _object(raw)
    return AudioInfo(
        codec=_text(fields.get("codec")),
        sample_rate_hz=_integer(fields.get("sample_rate_hz")),
        channels=_integer(fields.get("channels")),
        start_us=_integer(fields.get("start_us")),
    )


def _object(raw: object) -> dict[str, object]:
    if not isinstance(raw, dict):
        raise garbled()
    return cast("dict[str, object]", raw)


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_TIME_US:
        raise garbled()
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise garbled()
    return value
