# SPDX-License-Identifier: Apache-2.0
"""One clip stored in many ways is one clip: the same verdict, its score within 0.01, through decoder, core and model.

A single head's score is held to 0.02: half a level of luma moves the video head by up to 0.2 logits, which is 0.019
where this clip lies on its curve.

Every variant is stored without loss, so that what differs is how it is stored: turned with a tag that turns it back,
squeezed with an aspect ratio that widens it, in another range, matrix or depth. Mirroring shows another face, so a
mirrored clip with its tag is held against the clip that was mirrored by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avguard import Checker, Verdict
from tests import make_demo

SECONDS, FPS = 2.4, 25
MOST, MOST_OF_A_HEAD = 0.01, 0.02
Pictures = list[NDArray[np.uint8]]


@pytest.fixture(scope="module", params=["float", "int8"])
def checker(request: pytest.FixtureRequest) -> Checker:
    return Checker(engine=request.param)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return make_demo.pictures(SECONDS)


def store(
    path: Path,
    pictures: Pictures,
    *,
    turn_deg: int = 0,
    mirror: bool = False,
    pixel_format: str = "yuv420p",
    full_range: bool = False,
    bt709: bool = False,
    aspect: str = "1:1",
) -> Path:
    """H.264 without loss, and the voice; ``turn_deg`` and ``mirror`` are tags only."""
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=FPS, options={"qp": "0", "preset": "ultrafast", "aspect": aspect})
        film.height, film.width = pictures[0].shape[:2]
        film.pix_fmt = pixel_format
        context = film.codec_context
        context.color_range, context.colorspace = 2 if full_range else 1, 1 if bt709 else 5
        if turn_deg or mirror:
            film.set_display_rotation(-turn_deg, hflip=mirror)
        sound = container.add_stream("aac", rate=make_demo.RATE_HZ, layout="mono")
        for k, picture in enumerate(pictures):
            colours = {"dst_colorspace": 1 if bt709 else 5, "dst_color_range": 2 if full_range else 1}
            image = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixel_format, **colours)
            image.pts, image.time_base = k, Fraction(1, FPS)
            container.mux(film.encode(image))
        container.mux(film.encode(None))
        samples = make_demo.voice(SECONDS)
        for begin in range(0, len(samples), 1024):
            block = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = make_demo.RATE_HZ, begin, Fraction(1, make_demo.RATE_HZ)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def each(pictures: Pictures, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Pictures:
    return [np.ascontiguousarray(change(picture)) for picture in pictures]


def scores(verdict: Verdict) -> list[float]:
    found = [verdict.score.overall, verdict.score.video, verdict.score.audio, verdict.score.sync]
    assert None not in found
    return [float(score or 0.0) for score in found]


def hold_together(one: Verdict, other: Verdict) -> None:
    assert one.label == other.label
    np.testing.assert_allclose(scores(one), scores(other), atol=MOST_OF_A_HEAD)
    np.testing.assert_allclose(scores(one)[0], scores(other)[0], atol=MOST)


@pytest.fixture(scope="module")
def plain(checker: Checker, pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    return checker.check(store(tmp_path_factory.mktemp("plain") / "a.mp4", pictures))


@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_turned(checker: Checker, pictures: Pictures, plain: Verdict, turn_deg: int, tmp_path: Path) -> None:
    """Stored lying on its side or head; the tag turns it clockwise, back to upright."""
    lying = each(pictures, lambda picture: np.rot90(picture, turn_deg // 90))
    hold_together(checker.check(store(tmp_path / "a.mp4", lying, turn_deg=turn_deg)), plain)


def test_mirrored(checker: Checker, pictures: Pictures, tmp_path: Path) -> None:
    by_hand = checker.check(store(tmp_path / "a.mp4", each(pictures, lambda picture: picture[:, ::-1])))
    hold_together(checker.check(store(tmp_path / "b.mp4", pictures, mirror=True)), by_hand)


def test_pixels_that_are_not_square(checker: Checker, pictures: Pictures, tmp_path: Path) -> None:
    """Half as wide with pixels twice as wide: against the same loss of detail in square pixels."""
    narrow = each(pictures, lambda p: p.reshape(512, 256, 2, 3).mean(2).round().astype(np.uint8))
    wide = each(narrow, _widened)
    square = checker.check(store(tmp_path / "a.mp4", wide))
    hold_together(checker.check(store(tmp_path / "c.mp4", narrow, aspect="2:1")), square)


def _widened(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    frame = av.VideoFrame.from_ndarray(picture, "rgb24")
    return frame.reformat(width=512, height=512, interpolation="BICUBIC").to_ndarray(format="rgb24")


VARIANTS = [
    (layout, full, bt709) for layout in ("yuv420p", "yuv420p10le") for full in (False, True) for bt709 in (0, 1)
]


@pytest.mark.parametrize(("pixel_format", "full_range", "bt709"), VARIANTS[1:])
def test_range_matrix_and_depth(
    checker: Checker,
    pictures: Pictures,
    plain: Verdict,
    pixel_format: str,
    full_range: bool,
    bt709: int,
    tmp_path: Path,
) -> None:
    path = store(tmp_path / "a.mp4", pictures, pixel_format=pixel_format, full_range=full_range, bt709=bool(bt709))
    hold_together(checker.check(path), plain)
