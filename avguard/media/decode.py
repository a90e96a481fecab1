# SPDX-License-Identifier: Apache-2.0
"""FFmpeg's streams as timestamped pictures and mono blocks; damage is skipped and counted (runs in the child)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import av
from av.stream import Stream

from avguard.errors import MediaError
from avguard.media import probe
from avguard.media.bounds import Bounds
from avguard.media.clock import MAX_US, DecodeOrder, Epochs, SampleClock, StreamClock, to_us
from avguard.media.info import AudioInfo, MediaInfo, VideoInfo
from avguard.media.picture import Picture, is_hdr, orientation, square, to_picture
from avguard.media.sound import OneRate, Sound, decoded

MAX_DEMUX_FAILURES = 16
MAX_BACKLOG_BYTES = 32 << 20
FALLBACK_PERIOD_US = 40_000
TRUNCATED_FROM_US = 250_000
# These containers do not store a duration: FFmpeg estimates it, so a shorter film proves nothing.
ESTIMATED = ("mpegts", "mpeg", "mp3", "aac", "amr", "flv")


class Item(NamedTuple):
    """A picture (``frame``) or a block of samples (``sound``) at ``t_us``."""

    t_us: int
    frame: av.VideoFrame | None
    orientation: tuple[int, bool]
    sound: Sound | None


FilmPacket: TypeAlias = "av.Packet[Stream]"


class FilmSource:
    """A container being decoded: ``begin`` once, then ``items`` once, then ``warnings``.

    Raises MediaError or LimitError, also while items are taken.
    """

    def __init__(self, fd: int, limits: Bounds) -> None:
        self._limits = limits
        self._container = probe.open_container(fd, limits)
        self._video = probe.pick_video(self._container, limits)
        self._audio = probe.pick_audio(self._container, limits)
        self._notes = probe.notes(self._container, self._video, self._audio)
        if self._video is None and self._audio is None:
            raise MediaError(
                "no decodable stream: the file has neither video nor audio this build can decode. "
                "Re-encode it to mp4 (H.264 and AAC)."
            )
        is_avi = self._container.format.name == "avi"
        self._by_decode_order = DecodeOrder() if is_avi else None
        self._counts: Counter[str] = Counter()
        self._origin_us = probe.origin_us(self._container)
        epochs = Epochs()
        self._video_clock = StreamClock(epochs, self._origin_us, self._start_us(self._video))
        sound_origin_us = self._origin_us - (probe.avi_sound_us(self._video, self._audio) if is_avi else 0)
        self._audio_clock = SampleClock(StreamClock(epochs, sound_origin_us, self._start_us(self._audio)))
        self._one_rate = OneRate()
        self._first_us: int | None = None
        self._end_us = -MAX_US
        self._size = (0, 0)
        self._aspect = (self._video and self._video.sample_aspect_ratio) or Fraction(1)
        self._pictures = 0
        self._exhausted = False
        self._pending = self._generate()

    def begin(self) -> tuple[MediaInfo, list[Item]]:
        """Decode up to the first picture (or the first sound, where there is no video): what is in the file, and what
        was decoded to learn it. Raises MediaError when nothing at all can be decoded.
        """
        backlog: list[Item] = []
        size = 0
        for item in self._pending:
            backlog.append(item)
            size += item.sound.size() if item.sound else 0
            if item.frame is not None or self._video is None or size > MAX_BACKLOG_BYTES:
                break
        if not backlog:
            raise MediaError(
                "nothing in the file can be decoded: it is damaged or cut off after its header. "
                "Copy or download it again."
            )
        video = self._video_info(backlog[-1])
        audio = self._audio_info(backlog)
        duration_us = self._container.duration
        if duration_us is not None and not 0 <= duration_us < MAX_US:
            duration_us = None
        name = self._container.format.name
        return MediaInfo(name, duration_us, video, audio, tuple(self.warnings())), backlog

    def items(self) -> Iterator[Item]:
        """What follows the backlog."""
        return self._pending

    def picture(self, frame: av.VideoFrame, fits: Callable[[int, int], bool]) -> Picture | None:
        """8-bit planes of ``frame`` in square pixels, rescaled to the first picture's size when those do not fit; None
        if that fails.
        """
        shown = self._shown(frame)
        fitting = fits(*shown)
        wanted = shown if fitting else self._size
        try:
            picture = to_picture(frame, None if wanted == (frame.width, frame.height) else wanted)
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):
            self._counts["pictures in a layout that cannot be converted were skipped"] += 1
            return None
        if not fitting:
            self._counts["pictures larger than the first one were scaled down to it"] += 1
        return picture

    def warnings(self) -> list[str]:
        """Sentences about everything repaired or skipped so far."""
        clocks = (("video", self._video_clock), ("audio", self._audio_clock.clock))
        for kind, clock in clocks:
            self._counts[f"{kind} timestamps were missing and were continued"] = clock.missing
            self._counts[f"{kind} timestamps did not advance and were repaired"] = clock.repaired
            self._counts[f"{kind} timestamps jumped back and were rejoined"] = clock.jumps
        self._counts["blocks of sound with another sample rate were resampled"] = self._one_rate.changed
        return [*self._notes, *(f"{count} {what}" for what, count in self._counts.items() if count)]

    def _generate(self) -> Iterator[Item]:
        for packet in self._packets():
            yield from self._place(self._decode(packet, packet.stream is self._video))
        for stream in (self._video, self._audio):
            if stream is not None:
                yield from self._place(self._flush(stream))
        self._exhausted = True
        self._note_truncation()

    def _packets(self) -> Iterator[FilmPacket]:
        streams = [s for s in (self._video, self._audio) if s is not None]
        for _ in range(MAX_DEMUX_FAILURES):
            try:
                for packet in self._container.demux(*streams):
                    # An empty packet would make the decoder flush: AVI stores "same picture again" like that.
                    if packet.size:
                        yield packet
                return
            except MemoryError:
                raise
            except (av.FFmpegError, IndexError):
                # IndexError: damaged MPEG-TS announces a stream in mid-file, which PyAV takes for one it knows; the
                # next demux knows how many there are.
                self._counts["damaged places in the container were skipped"] += 1

    def _decode(self, packet: FilmPacket, is_video: bool) -> list[av.VideoFrame | av.AudioFrame]:
        order = self._by_decode_order if is_video else None
        if order is not None:
            order.packet(packet.dts)
        try:
            return [frame for frame in packet.decode() if isinstance(frame, (av.VideoFrame, av.AudioFrame))]
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):
            self._counts["damaged packets were skipped"] += 1
            if order is not None:
                order.picture()
            return []

    def _flush(self, stream: av.VideoStream | av.AudioStream) -> list[av.VideoFrame | av.AudioFrame]:
        try:
            return list(stream.codec_context.decode(None))
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):
            return []

    def _place(self, frames: list[av.VideoFrame | av.AudioFrame]) -> Iterator[Item]:
        for frame in frames:
            if isinstance(frame, av.AudioFrame):
                yield from self._sounds(frame)
            else:
                yield self._film(frame)

    def _film(self, frame: av.VideoFrame) -> Item:
        self._limits.check_picture(frame.width, frame.height)
        order = self._by_decode_order
        # A frame flushed out of the decoder carries no time base of its own.
        time_base = frame.time_base or (self._video.time_base if self._video else None)
        t_us = self._video_clock.place(frame.pts if order is None else order.picture(), time_base)
        lasts_us = to_us(frame.duration, time_base) if frame.duration and time_base else self._period_us()
        self._video_clock.hold(t_us + lasts_us)
        self._pictures += 1
        self._account(t_us, t_us + lasts_us)
        span_s = (self._end_us - (self._first_us or 0)) / 1e6
        self._limits.check_rate(self._pictures / (span_s + 1))
        self._inspect(frame)
        return Item(t_us, frame, orientation(frame), None)

    def _sounds(self, frame: av.AudioFrame) -> Iterator[Item]:
        if self._audio is None or frame.samples < 1:
            return
        self._limits.check_sound(frame.sample_rate, len(frame.layout.channels))
        try:
            converted = self._one_rate.convert(frame)
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):
            self._counts["damaged packets were skipped"] += 1
            return
        for part in converted:
            if part.samples:
                yield self._sound(part)

    def _sound(self, frame: av.AudioFrame) -> Item:
        time_base = frame.time_base or (self._audio.time_base if self._audio else None)
        t_us = self._audio_clock.place(frame.pts, time_base, frame.samples, frame.sample_rate)
        self._account(t_us, t_us + frame.samples * 1_000_000 // frame.sample_rate)
        return Item(t_us, None, (0, False), decoded(frame))

    def _account(self, begin_us: int, end_us: int) -> None:
        self._first_us = begin_us if self._first_us is None else min(begin_us, self._first_us)
        self._end_us = max(end_us, self._end_us)
        self._limits.check_duration((self._end_us - self._first_us) / 1e6)

    def _inspect(self, frame: av.VideoFrame) -> None:
        self._size = self._size if self._size[0] else self._shown(frame)
        self._counts["pictures are damaged"] += frame.is_corrupt
        self._counts["pictures are interlaced; fields are not separated"] += frame.interlaced_frame
        self._counts["pictures are HDR (PQ or HLG); brightness is not mapped"] += is_hdr(frame)

    def _shown(self, frame: av.VideoFrame) -> tuple[int, int]:
        return square(frame.width, frame.height, self._aspect, self._limits)

    def _period_us(self) -> int:
        rate = self._video.average_rate if self._video else None
        return round(1e6 / rate) if rate else FALLBACK_PERIOD_US

    def _start_us(self, stream: av.VideoStream | av.AudioStream | None) -> int:
        if stream is None or stream.start_time is None or not stream.time_base:
            return 0
        start_us = to_us(stream.start_time, stream.time_base) - self._origin_us
        return start_us if abs(start_us) < MAX_US else 0

    def _video_info(self, last: Item) -> VideoInfo | None:
        if self._video is None:
            return None
        if last.frame is not None:
            info = probe.video_info(self._video, last.orientation, last.t_us)
            return info._replace(width=self._size[0], height=self._size[1])
        context = self._video.codec_context
        if context.width and context.height and not self._exhausted:
            self._size = square(context.width, context.height, self._aspect, self._limits)
            info = probe.video_info(self._video, (0, False), self._start_us(self._video))
            return info._replace(width=self._size[0], height=self._size[1])
        self._notes.append("no picture of the video stream could be decoded; it is ignored")
        return None

    def _audio_info(self, backlog: list[Item]) -> AudioInfo | None:
        if self._audio is None:
            return None
        first = next((item for item in backlog if item.sound), None)
        if first is None and not self._audio.codec_context.sample_rate:
            self._notes.append("no sound of the audio stream could be decoded; it is ignored")
            self._audio = None
            return None
        info = probe.audio_info(self._audio, first.t_us if first else self._start_us(self._audio))
        return info._replace(sample_rate_hz=first.sound.rate_hz) if first and first.sound else info

    def _note_truncation(self) -> None:
        ends: list[int] = []
        for stream in (self._video, self._audio):
            if stream is not None and stream.duration and stream.time_base:
                ends.append(self._start_us(stream) + to_us(stream.duration, Fraction(stream.time_base)))
        if not ends and self._container.duration and len(self._container.streams) <= 2:
            ends.append((self._container.start_time or 0) - self._origin_us + self._container.duration)
        promised_us = max(ends, default=0)
        if self._container.format.name in ESTIMATED or promised_us - self._end_us < TRUNCATED_FROM_US:
            return
        self._notes.append(
            f"truncated or damaged: the header promises {promised_us / 1e6:.2f} s, "
            f"what can be decoded ends at {self._end_us / 1e6:.2f} s"
        )
