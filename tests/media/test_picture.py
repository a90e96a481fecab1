# SPDX-License-Identifier: Apache-2.0
"""Pictures keep their values, orientation and colour tags."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avguard.media import Frame, Limits
from avguard.media.picture import orientation, square, to_picture
from tests.make_media import Film, patch_box, picture, write_clip
from tests.media.reading import read

LOSSLESS = {"qp": "0"}


def expected_luma(film: Film, index: int) -> NDArray[np.uint8]:
    frame = av.VideoFrame.from_ndarray(picture(film, index, 0), "rgb24")
    colours = {"dst_color_range": 2 if film.full_range else 1}
    return frame.reformat(format="yuv444p", **colours).to_ndarray()[0]


def rgb(frame: Frame) -> NDArray[np.float64]:
    """BT.601 to RGB, chroma repeated."""
    luma, blue, red = (plane.astype(np.float64) for plane in frame.planes)
    blue, red = (np.kron(c, np.ones((2, 2)))[: frame.height, : frame.width] - 128 for c in (blue, red))
    if not frame.full_range:
        luma, blue, red = (luma - 16) * 255 / 219, blue * 255 / 224, red * 255 / 224
    return np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1)


@pytest.mark.parametrize("size", [(160, 120), (162, 122), (854, 480)])
def test_yuv420p_passes_untouched(tmp_path: Path, size: tuple[int, int]) -> None:
    film = Film(width=size[0], height=size[1], options=LOSSLESS, seconds=0.2)
    path = write_clip(tmp_path / "a.mp4", film, None)
    with av.open(str(path)) as container:
        stored = [frame.to_ndarray() for frame in container.decode(video=0)]
    for frame, planes in zip(read(path).frames, stored, strict=True):
        assert (frame.format, frame.width, frame.height) == ("i420", *size)
        assert np.array_equal(np.concatenate([p.ravel() for p in frame.planes]), planes.ravel())


YUV = ["yuv420p10le", "yuv422p", "yuv444p", "yuv444p10le", "nv12"]


@pytest.mark.parametrize(
    ("layout", "full_range"),
    [*((name, full) for name in YUV for full in (False, True)), ("gray", True), ("gray10le", True)],
)
def test_other_layouts_become_8_bit(tmp_path: Path, layout: str, full_range: bool) -> None:
    film = Film(pixel_format=layout, full_range=full_range, seconds=0.2, codec="ffv1", flash_us=-1)
    film = replace(film, codec="libx264", options=LOSSLESS) if layout in ("nv12", "yuv422p") else film
    frames = read(write_clip(tmp_path / "a.mkv", film, None)).frames
    assert frames[0].format == ("gray8" if layout.startswith("gray") else "i420")
    assert frames[0].full_range == full_range
    assert frames[0].matrix == "bt601"
    for index, frame in enumerate(frames):
        difference = frame.planes[0].astype(int) - expected_luma(film, index)
        assert np.abs(difference).max() <= 1
        if frame.format == "i420":
            assert np.abs(rgb(frame) - picture(film, index, 0))[:, film.width // 2 :].mean() < 4


@pytest.mark.parametrize(
    ("codec", "layout", "suffix"), [("ffv1", "bgr0", "mkv"), ("png", "rgb24", "mov"), ("rawvideo", "bgr24", "avi")]
)
def test_rgb_becomes_limited_yuv(tmp_path: Path, codec: str, layout: str, suffix: str) -> None:
    film = Film(pixel_format=layout, codec=codec, seconds=0.2, flash_us=-1, full_range=True)
    frame = read(write_clip(tmp_path / f"a.{suffix}", film, None)).frames[2]
    assert (frame.format, frame.full_range) == ("i420", False)
    assert np.abs(rgb(frame) - picture(film, 2, 0)).mean() < 3


def test_planes_are_read_only_and_shared(tmp_path: Path) -> None:
    from avguard.media import open_media

    with open_media(write_clip(tmp_path / "a.mp4", Film(), None)) as reader:
        frame = next(reader)
        assert isinstance(frame, Frame)
        assert not frame.planes[0].flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            frame.planes[0][0, 0] = 1
        before = frame.planes[0].copy()
    assert np.array_equal(frame.planes[0], before)  # memory outlives the reader, as long as a plane does


def upright(frame: Frame) -> NDArray[np.uint8]:
    stored = frame.planes[0][:, ::-1] if frame.mirrored else frame.planes[0]
    return np.rot90(stored, -frame.rotation_deg // 90)


def shown(film: Film, matrix: list[int]) -> NDArray[np.uint8]:
    """Where ISO/IEC 14496-12 puts each pixel: (x, y) -> (a x + c y, b x + d y)."""
    a, b, c, d = matrix
    luma = expected_luma(film, 0)
    y, x = np.mgrid[: film.height, : film.width]
    to_x, to_y = a * x + c * y, b * x + d * y
    out = np.zeros(((film.width, film.height) if a == 0 else (film.height, film.width)), np.uint8)
    out[to_y - to_y.min(), to_x - to_x.min()] = luma
    return out


MATRICES = [[1, 0, 0, 1], [0, 1, -1, 0], [-1, 0, 0, -1], [0, -1, 1, 0]]
MATRICES += [[-1, 0, 0, 1], [0, 1, 1, 0], [1, 0, 0, -1], [0, -1, -1, 0]]


@pytest.mark.parametrize("matrix", MATRICES)
def test_orientation_is_that_of_the_track_header(tmp_path: Path, matrix: list[int]) -> None:
    film = Film(seconds=0.12, options=LOSSLESS, flash_us=-1)
    path = write_clip(tmp_path / "a.mp4", film, None)
    a, b, c, d = (value << 16 for value in matrix)
    patch_box(path, b"tkhd", 40, struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30))
    clip = read(path)
    assert clip.info.video is not None
    frame = clip.frames[0]
    assert (clip.info.video.rotation_deg, clip.info.video.mirrored) == (frame.rotation_deg, frame.mirrored)
    assert np.abs(upright(frame).astype(int) - shown(film, matrix)).max() <= 1


def test_a_picture_is_free_as_soon_as_it_is_dropped(tmp_path: Path) -> None:
    # Decoded pictures that wait for the cycle collector made the decoder process three times as large and slow.
    with av.open(str(write_clip(tmp_path / "a.mp4", Film(seconds=0.2), None))) as container:
        frame = next(container.decode(video=0))
        references = sys.getrefcount(frame)
        to_picture(frame)
        orientation(frame)
        assert sys.getrefcount(frame) == references


@pytest.mark.parametrize(("aspect", "size"), [("2:1", (320, 120)), ("1:2", (160, 240)), ("9:1", (160, 120))])
def test_pixels_become_square(tmp_path: Path, aspect: str, size: tuple[int, int]) -> None:
    film = Film(seconds=0.2, options={"aspect": aspect})
    clip = read(write_clip(tmp_path / "a.mp4", film, None))
    assert clip.info.video is not None
    assert clip.info.video.sample_aspect == tuple(map(int, aspect.split(":")))
    assert (clip.info.video.width, clip.info.video.height) == size
    assert {(frame.width, frame.height) for frame in clip.frames} == {size}


def test_square_pixels_stay_within_the_limits() -> None:
    assert square(1440, 1080, Fraction(4, 3), Limits()) == (1920, 1080)
    assert square(1440, 1080, Fraction(4, 3), Limits(max_side_px=1800)) == (1440, 810)
    assert square(720, 576, Fraction(16, 15), Limits(max_pixels=720 * 576)) == (720, 540)
    assert square(480, 640, Fraction(3, 4), Limits(max_pixels=480 * 640)) == (360, 640)


def test_untagged_high_definition_is_bt709(tmp_path: Path) -> None:
    frames = read(write_clip(tmp_path / "a.mp4", Film(width=1280, height=720, seconds=0.08), None)).frames
    assert frames[0].matrix == "bt709"


def test_size_change_keeps_the_ring(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "a.ts", Film(seconds=0.4), None).read_bytes()
    large = write_clip(tmp_path / "b.ts", Film(seconds=0.4, width=800, height=600), None).read_bytes()
    joined = tmp_path / "c.ts"
    joined.write_bytes(small + large)
    clip = read(joined)
    assert {(frame.width, frame.height) for frame in clip.frames} == {(160, 120)}
    assert any("scaled down" in warning for warning in clip.info.warnings)
    assert all(a < b for a, b in zip(clip.times_us(), clip.times_us()[1:], strict=False))
