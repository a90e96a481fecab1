# SPDX-License-Identifier: Apache-2.0
"""Opens an untrusted container: by its first bytes, by an allow-list of containers, and within limits."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import islice
from typing import TypeVar

import av
from av.container import InputContainer
from av.stream import Disposition

from avguard.errors import LimitError, MediaError
from avguard.media.bounds import Bounds
from avguard.media.info import AudioInfo, VideoInfo

HEAD_BYTES = 4096
CONTAINERS = "mov,mp4,m4a,3gp,3g2,matroska,webm,avi,mpegts,mpeg,wav,mp3,flac,ogg,aac,amr,flv,asf"
# Transport and program streams count from an arbitrary origin; players show their first stamp as zero, and so do we.
FREE_ORIGIN = ("mpegts", "mpeg")
STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
STILLS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ")
PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<MPD", b"<ASX", b"<asx", b"<smil")
KNOWN = "mp4, mov, m4a, 3gp, mkv, webm, avi, mpegts, mpeg, flv, asf, wav, mp3, flac, ogg, aac, amr"

# Samples that a codec's usual encoder (FFmpeg's, LAME) and its decoder put before the first one: AVI cannot say it.
PRIMING = {"aac": 1024, "mp3": 1105, "mp3float": 1105, "mp2": 481, "mp2float": 481, "ac3": 256}

Stream = TypeVar("Stream", av.VideoStream, av.AudioStream)


def refuse(head: bytes) -> None:
    """Raises MediaError for what is no clip by its first bytes: empty, still image, playlist, text."""
    if not head:
        raise MediaError("the file is empty (0 bytes). Copy or download it again.")
    if head.startswith(STILLS) or _bmp(head) or _riff_or_ftyp_still(head):
        raise MediaError("a still image, no clip: it has no motion and no sound. Give a video or an audio file.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(PLAYLISTS) or (start.startswith(b"<?xml") and any(mark in head for mark in PLAYLISTS[3:])):
        raise MediaError("a playlist, which only points at other files or servers. Give the media file itself.")
    if _text(head):
        raise MediaError("the file is text, not media. Give a video or an audio file.")


def open_container(fd: int, limits: Bounds) -> InputContainer:
    """Open the file behind ``fd``; no other file or address can be reached from it.

    Raises MediaError when no allowed container fits, LimitError when it has too many streams or needs too much memory.
    """
    try:
        container = _open(fd, limits)
    except MemoryError:
        raise LimitError(
            f"opening the file takes more than Limits.memory_bytes = {limits.memory_bytes} or it has more than "
            f"Limits.max_streams = {limits.max_streams} streams. Raise these limits only if you trust the file."
        ) from None
    except (av.FFmpegError, ValueError, OSError) as failure:
        raise MediaError(
            f"no readable media: {reason(failure)}. The file is damaged, cut off before its index, or not one of "
            f"{KNOWN}. Copy it again or re-encode it to mp4."
        ) from None
    limits.check_streams(len(container.streams))
    if any(not s.codec_context.width for s in container.streams.video if s.codec_context):
        _check_declared(fd, limits)
    if container.duration is not None:
        limits.check_duration(container.duration / 1e6)
    return container


def _open(fd: int, limits: Bounds, **more: str) -> InputContainer:
    options = {
        "fd": str(fd),
        "protocol_whitelist": "fd",
        "format_whitelist": CONTAINERS,
        "max_streams": str(limits.max_streams),
        "max_pixels": str(limits.max_pixels),
        "threads": "1",
    }
    return av.open("fd:", options=options | more, metadata_errors="replace")


def _check_declared(fd: int, limits: Bounds) -> None:
    """A size beyond max_pixels is forgotten where FFmpeg tries its decoders: read the header again without them."""
    position = os.lseek(fd, 0, os.SEEK_CUR)
    os.lseek(fd, 0, os.SEEK_SET)
    with _open(fd, limits, codec_whitelist="none") as header:
        for stream in header.streams.video:
            if stream.codec_context and stream.codec_context.width and stream.codec_context.height:
                limits.check_picture(stream.codec_context.width, stream.codec_context.height)
    os.lseek(fd, position, os.SEEK_SET)


def pick_video(container: InputContainer, limits: Bounds) -> av.VideoStream | None:
    """The default (or first) real video stream, decoder options set; None when there is none.

    Raises LimitError when it declares more than ``limits`` allow.
    """
    real = [s for s in container.streams.video if not _is_picture(s)]
    chosen = _default(real)
    if chosen is None or chosen.codec_context is None:
        return None
    context = chosen.codec_context
    # A size of 0 means that only the decoder will tell; what it tells is checked then.
    if context.width and context.height:
        limits.check_picture(context.width, context.height)
    limits.check_rate(float(chosen.average_rate or 0))
    context.thread_count = 1
    context.options = {"max_pixels": str(limits.max_pixels)}
    return chosen


def pick_audio(container: InputContainer, limits: Bounds) -> av.AudioStream | None:
    """The default (or first) audio stream; None when there is none. Raises LimitError."""
    chosen = _default(list(container.streams.audio))
    if chosen is None or chosen.codec_context is None:
        return None
    if chosen.codec_context.sample_rate:
        limits.check_sound(chosen.codec_context.sample_rate, chosen.codec_context.channels)
    chosen.codec_context.thread_count = 1
    return chosen


def notes(container: InputContainer, video: object, audio: object) -> list[str]:
    """Warnings about streams that are there and are not read."""
    found: list[str] = []
    pictures = [s for s in container.streams.video if not _is_picture(s)]
    for kind, streams, chosen in (("video", pictures, video), ("audio", list(container.streams.audio), audio)):
        if streams and chosen is None:
            found.append(f"the {kind} stream has a codec this build cannot decode; it is ignored")
        elif len(streams) > 1:
            found.append(f"{len(streams)} {kind} streams; only the default one is read")
    return found


def origin_us(container: InputContainer) -> int:
    """The container time that becomes 0, in microseconds."""
    return (container.start_time or 0) if container.format.name in FREE_ORIGIN else 0


def avi_sound_us(video: av.VideoStream | None, audio: av.AudioStream | None) -> int:
    """What to add to the times of an AVI's sound, microseconds.

    The codec's priming comes first in the stream and is heard as lateness. FFmpeg's own muxer moves both streams to
    make room for it, the pictures by whole frames: the hole behind the first one in the index tells by how many.
    """
    if video is None or audio is None or not audio.codec_context.sample_rate:
        return 0
    priming_us = PRIMING.get(audio.codec_context.name, 0) * 1_000_000 // audio.codec_context.sample_rate
    period_us = round(1e6 / video.average_rate) if video.average_rate else 0
    stamps = [entry.timestamp for entry in islice(video.index_entries, 2)]
    moved_us = (stamps[1] - stamps[0] - 1) * period_us if len(stamps) == 2 else 0
    return (moved_us if 0 <= moved_us < priming_us + period_us else 0) - priming_us


def video_info(stream: av.VideoStream, orientation: tuple[int, bool], start_us: int) -> VideoInfo:
    """What the header says of a video stream."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    rate = stream.average_rate
    return VideoInfo(
        codec=stream.codec_context.name,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        rotation_deg=orientation[0],
        mirrored=orientation[1],
        sample_aspect=(aspect.numerator, aspect.denominator) if aspect > 0 else (1, 1),
        start_us=start_us,
        fps=float(rate) if rate else None,
    )


def audio_info(stream: av.AudioStream, start_us: int) -> AudioInfo:
    """What the header says of an audio stream."""
    context = stream.codec_context
    return AudioInfo(context.name, context.sample_rate, context.channels, start_us)


def reason(failure: Exception) -> str:
    """FFmpeg's own words for a failure, without file names."""
    return str(getattr(failure, "strerror", None) or failure)[:200]


def _default(streams: list[Stream]) -> Stream | None:
    ranked = sorted(streams, key=lambda s: (s.codec_context is None, not s.disposition & Disposition.default, s.index))
    return ranked[0] if ranked else None


def _is_picture(stream: av.VideoStream) -> bool:
    return bool(
        stream.disposition & (Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails)
    )


def _bmp(head: bytes) -> bool:
    return head[:2] == b"BM" and len(head) > 14 and head[6:10] == b"\0\0\0\0"


def _riff_or_ftyp_still(head: bytes) -> bool:
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return webp or (head[4:8] == b"ftyp" and head[8:12] in STILL_BRANDS)


def _text(head: bytes) -> bool:
    controls = sum(byte < 9 or 13 < byte < 32 or byte == 127 for byte in head)
    return controls == 0 or head.startswith((b"\xff\xfe", b"\xfe\xff"))
