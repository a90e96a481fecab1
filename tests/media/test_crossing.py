# SPDX-License-Identifier: Apache-2.0
"""What crosses from the decoder process: planes with and without their padding, samples of every format."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avguard.errors import DecoderCrashError, MediaError, UsageError
from avguard.media import Frame, MediaInfo, start_media, wire
from avguard.media.child import Outlet
from avguard.media.mono import DTYPES, to_mono
from avguard.media.picture import Picture, to_picture
from avguard.media.sound import Joiner, Sound, decoded
from tests.make_media import Film, write_clip

SIZE = (162, 122)


def padded_picture() -> Picture:
    """A picture whose rows are longer than its width."""
    rgb = np.random.default_rng(3).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    picture = to_picture(av.VideoFrame.from_ndarray(rgb, "rgb24"))
    assert picture.strides > wire.row_strides(picture.format, picture.width)
    return picture


def planes(memory: bytes, strides: tuple[int, ...]) -> list[NDArray[np.uint8]]:
    found, begin = [], 0
    for (rows, row_bytes), stride in zip(wire.plane_shapes("i420", *SIZE), strides, strict=True):
        found.append(np.frombuffer(memory, np.uint8, rows * stride, begin).reshape(rows, stride)[:, :row_bytes])
        begin += rows * stride
    return found


def test_planes_are_the_same_with_and_without_room_for_their_padding() -> None:
    picture, outlet = padded_picture(), Outlet(-1, -1, -1)
    roomy, tight = bytearray(1 << 18), bytearray(wire.picture_bytes("i420", *SIZE))
    assert outlet.copy(picture, memoryview(roomy)) == picture.strides
    strides = outlet.copy(picture, memoryview(tight))
    assert strides == wire.row_strides("i420", SIZE[0])
    assert len(tight) == wire.padded_bytes("i420", SIZE[1], strides)
    for with_padding, without in zip(planes(roomy, picture.strides), planes(tight, strides), strict=True):
        assert np.ptp(without) > 50
        np.testing.assert_array_equal(with_padding, without)


@pytest.mark.parametrize("strides", [(161, 81, 81), (162, 80, 81), (162, 81, 0)])
def test_rows_that_overlap_are_garbage(strides: tuple[int, ...]) -> None:
    head = wire.FrameHead(0, "i420", "bt601", False, False, 0, *SIZE, 0, strides)
    with pytest.raises(DecoderCrashError):
        wire.parse_frame(wire.pack_frame(head)[wire.HEAD.size :])
    whole = head._replace(strides=(162, 81, 81))
    assert wire.parse_frame(wire.pack_frame(whole)[wire.HEAD.size :]) == whole


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("form", wire.SOUNDS)
def test_every_sample_format_becomes_mono(form: str, planar: bool) -> None:
    wave = np.array([[0.5, -0.25, 0.0, -1.0], [0.25, -0.75, 0.5, 0.0]])
    kind: Any = DTYPES[form]
    full = 1 if form in ("flt", "dbl") else 2 ** (8 * wire.SOUNDS[form] - 1)
    stored = (wave * full + (full if form == "u8" else 0)).astype(kind)
    raw = np.ascontiguousarray(stored if planar else stored.T).view(np.uint8).reshape(-1)
    mono = to_mono(raw, form, planar, 2)
    assert mono.dtype == np.float32
    np.testing.assert_allclose(mono, wave.mean(0), atol=1e-6)


@pytest.mark.parametrize("form", ["u8", "u8p", "s16", "s16p", "s32", "s32p", "flt", "fltp", "dbl", "dblp"])
def test_decoded_sound_holds_the_samples_that_were_there(form: str) -> None:
    kind: Any = DTYPES[form.removesuffix("p")]
    values = np.arange(2 * 1000).astype(kind)
    frame = av.AudioFrame.from_ndarray(values.reshape((2, -1) if form.endswith("p") else (1, -1)), form, "stereo")
    frame.sample_rate = 16000
    sound = decoded(frame)
    assert (sound.rate_hz, sound.samples, sound.channels) == (16000, 1000, 2)
    held = b"".join(plane[: sound.size() // len(sound.planes)] for plane in sound.planes)
    assert held == values.tobytes()


def test_sound_longer_than_a_slot_is_cut_between_samples() -> None:
    outlet = Outlet(-1, -1, -1)
    sent: list[bytes] = []
    outlet._send = sent.append  # type: ignore[method-assign]
    slots = [bytearray(64) for _ in range(3)]
    outlet._slots, outlet._free = [memoryview(slot) for slot in slots], [2, 1, 0]
    values = np.arange(40, dtype=np.int16).reshape(2, 20)
    frame = av.AudioFrame.from_ndarray(values, "s16p", "stereo")
    frame.sample_rate = 8000
    outlet.pcm(1_000_000, decoded(frame))
    outlet.flush()
    heads = [wire.parse_pcm(message[wire.HEAD.size :]) for message in sent]
    assert [(head.slot, head.samples, head.t_us) for head in heads] == [(0, 16, 1_000_000), (1, 4, 1_002_000)]
    parts = [np.frombuffer(slots[h.slot], np.int16, 2 * h.samples).reshape(2, -1) for h in heads]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), values)


def test_the_slot_that_came_back_last_is_filled_first() -> None:
    down_fd, parents_fd = os.pipe()
    with tempfile.TemporaryFile() as ring:
        ring.truncate(4 * 4096)
        outlet = Outlet(-1, down_fd, ring.fileno())
        outlet._send = lambda message: None  # type: ignore[method-assign]
        os.write(parents_fd, wire.RING.pack(4, 4096))
        outlet.begin(MediaInfo("fake", None, None, None))
        first, second, third = (outlet._take_slot() for _ in range(3))
        os.write(parents_fd, bytes([second, first]))
        taken = [outlet._take_slot() for _ in range(3)]
        assert taken[:2] == [first, second]
        assert sorted([*taken, third]) == [0, 1, 2, 3]
        os.close(parents_fd)
        with pytest.raises(BrokenPipeError):
            outlet._take_slot()
    os.close(down_fd)


def cut(values: NDArray[np.int16], rate_hz: int, planar: bool) -> list[Sound]:
    """(2, n) as blocks of 100 samples of both channels, each plane longer than its samples as FFmpeg's are."""
    blocks = []
    for begin in range(0, values.shape[1], 100):
        block = values[:, begin : begin + 100]
        rows = [*block] if planar else [np.ascontiguousarray(block.T).reshape(-1)]
        padded = tuple(memoryview(row.tobytes() + bytes(32)) for row in rows)
        blocks.append(Sound(rate_hz, block.shape[1], "s16", planar, 2, padded))
    return blocks


@pytest.mark.parametrize("planar", [False, True])
def test_short_blocks_are_joined_to_the_samples_that_they_held(planar: bool) -> None:
    values = np.arange(2 * 14350, dtype=np.int16).reshape(2, -1)
    joiner, joined, t_us = Joiner(), [], 500_000
    for k, block in enumerate(cut(values, 44100, planar)):
        joined += joiner.add(t_us + round(k * 100 * 1e6 / 44100), block)
    joined += joiner.rest()
    assert [sound.samples for _, sound in joined] == [7100, 7100, 150]
    begins = np.cumsum([0, 7100, 7100])
    assert [at for at, _ in joined] == [t_us + round(begin * 1e6 / 44100) for begin in begins]
    for begin, (_, sound) in zip(begins, joined, strict=True):
        raw = np.concatenate([np.frombuffer(plane, np.int16, sound.samples * (2 - planar)) for plane in sound.planes])
        channels = raw.reshape(2, -1) if planar else raw.reshape(-1, 2).T
        np.testing.assert_array_equal(channels, values[:, begin : begin + sound.samples])
    assert [*joiner.rest()] == []


@pytest.mark.parametrize(
    ("late_us", "rate_hz", "count"), [(0, 48000, 1), (1, 48000, 1), (2, 48000, 2), (-2, 48000, 2), (0, 44100, 2)]
)
def test_only_what_follows_on_is_joined(late_us: int, rate_hz: int, count: int) -> None:
    first, second = cut(np.zeros((2, 200), np.int16), 48000, planar=True)
    joiner, joined = Joiner(), []
    joined += joiner.add(0, first)
    joined += joiner.add(100 * 1_000_000 // 48000 + late_us, second._replace(rate_hz=rate_hz))
    joined += joiner.rest()
    assert len(joined) == count
    assert sum(sound.samples for _, sound in joined) == 200


def test_the_decoder_process_starts_without_numpy() -> None:
    # It would take a third of the time until the first picture.
    script = "import sys; sys.path[:] = eval(sys.argv[1]); import avguard.media.child; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-I", "-S", "-c", script, repr(sys.path)], check=False).returncode == 0


def test_a_started_reader_tells_later_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("no clip")
    reader = start_media(path)
    with pytest.raises(MediaError, match="text"):
        _ = reader.info
    with pytest.raises(UsageError, match="closed"):
        next(reader)


def test_a_started_reader_that_is_dropped_leaves_nothing(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", Film(seconds=0.2), None)
    before = len(list(Path("/proc/self/fd").iterdir()))
    start_media(path)
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_started_reader_can_be_closed_before_it_knows(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", Film(seconds=0.2), None)
    with start_media(path) as reader:
        pass
    with pytest.raises(UsageError, match="closed"):
        _ = reader.info
    with start_media(path) as reader:
        assert next(reader).t_us == 0


def test_kept_pictures_stay_until_they_are_given_back(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", Film(seconds=1.2), None)
    with start_media(path) as reader:
        plain = [item.planes[0].copy() for item in reader if isinstance(item, Frame)]
    assert len({plane.tobytes() for plane in plain}) > 20
    held: list[tuple[int, Frame, Callable[[], None]]] = []
    with start_media(path) as reader:
        for number, item in enumerate(reader):
            assert isinstance(item, Frame)
            held.append((number, item, reader.keep()))
            with pytest.raises(UsageError, match="keep"):
                reader.keep()
            for index, frame, _ in held:
                np.testing.assert_array_equal(frame.planes[0], plain[index])
            if len(held) > 3:
                held.pop(number % 3)[2]()
    # The decoder is gone, the pictures are not.
    for index, frame, give_back in held:
        np.testing.assert_array_equal(frame.planes[0], plain[index])
        give_back()
