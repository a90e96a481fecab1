# SPDX-License-Identifier: Apache-2.0
"""A decoded FFmpeg picture as 8-bit planes, with its range, matrix and orientation."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple, cast

import av
from av.buffer import Buffer
from av.sidedata.sidedata import SideDataContainer

from avguard.media.bounds import Bounds
from avguard.media.wire import plane_shapes

DIRECT = {"yuv420p": "i420", "yuvj420p": "i420", "nv12": "nv12", "gray": "gray8"}
FOREIGN = {"i420": "yuv420p", "gray8": "gray"}
SPACES = {"bt601": 5, "bt709": 1, "bt2020": 9}
LIMITED, FULL = 1, 2
HD_HEIGHT_PX = 720
HDR_TRANSFERS = (16, 18)
UPRIGHT = (0, False)
# What is wider or narrower comes from damage: the standards' own ratios lie between 10:33 and 3:1.
MAX_ASPECT = 4


class Picture(NamedTuple):
    """Planes (see wire.plane_shapes) whose rows are ``strides`` bytes apart; they live as long as ``owner``."""

    format: str
    width: int
    height: int
    planes: tuple[memoryview, ...]
    strides: tuple[int, ...]
    full_range: bool
    matrix: str
    owner: av.VideoFrame


def to_picture(frame: av.VideoFrame, fit: tuple[int, int] | None = None) -> Picture:
    """Planes of ``frame``: as they are for 8-bit 4:2:0 and gray, converted in the same matrix and range for the rest
    (RGB becomes limited range). ``fit`` rescales to (width, height) pixels.

    Raises av.FFmpegError when the picture cannot be converted.
    """
    matrix, full_range = colours(frame)
    form = DIRECT.get(frame.format.name)
    if form is None or fit is not None or any(plane.line_size < 0 for plane in frame.planes):
        form = "gray8" if _is_gray(frame) else "i420"
        frame = _convert(frame, FOREIGN[form], matrix, full_range, fit or (frame.width, frame.height))
        full_range = full_range and not _is_rgb(frame)
    planes = frame.planes[: len(plane_shapes(form, frame.width, frame.height))]
    views, strides = tuple(memoryview(plane) for plane in planes), tuple(plane.line_size for plane in planes)
    return Picture(form, frame.width, frame.height, views, strides, full_range, matrix, frame)


def square(width: int, height: int, aspect: Fraction, limits: Bounds) -> tuple[int, int]:
    """The size at which a picture whose pixels are ``aspect`` times as wide as high is shown in square pixels.

    No detail is lost: one side grows. Where that would be beyond ``limits``, the other side shrinks.
    """
    if aspect == 1 or not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        return width, height
    large = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    if max(large) <= limits.max_side_px and large[0] * large[1] <= limits.max_pixels:
        return large
    return (width, max(1, round(height / aspect))) if aspect > 1 else (max(1, round(width * aspect)), height)


def colours(frame: av.VideoFrame) -> tuple[str, bool]:
    """(matrix, full range) of the 8-bit YUV this frame becomes.

    Untagged pictures follow the custom of players: BT.709 from 720 lines up, BT.601 below.
    """
    named = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020", 10: "bt2020"}
    custom = "bt709" if min(frame.width, frame.height) >= HD_HEIGHT_PX else "bt601"
    matrix = named.get(int(frame.colorspace), custom)
    tag = int(frame.color_range)
    # Untagged gray comes from image codecs and is full range, as FFmpeg itself assumes.
    full_range = tag == FULL or frame.format.name.startswith("yuvj") or (_is_gray(frame) and tag != LIMITED)
    return matrix, full_range and not _is_rgb(frame)


def is_hdr(frame: av.VideoFrame) -> bool:
    """Whether the transfer curve is PQ or HLG (ITU-R BT.2100)."""
    return int(frame.color_trc) in HDR_TRANSFERS


def orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """(clockwise degrees, mirrored left-right before the turn) that put the stored picture upright.

    The display matrix (ISO/IEC 14496-12, 8.3.2) maps stored (x, y) to shown (a x + c y, b x + d y), y downwards.
    """
    # Not frame.side_data: the frame keeps what that returns, which keeps the frame, pixels and all, until the cycle
    # collector runs. PyAV's stub does not know the argument.
    side_data = SideDataContainer(frame)  # type: ignore[call-arg]
    try:
        raw = memoryview(cast("Mapping[str, Buffer]", side_data)["DISPLAYMATRIX"])
        a, b, _, c, d = struct.unpack_from("=5i", raw)
    except (KeyError, struct.error):
        return UPRIGHT
    mirrored = a * d - b * c < 0
    turn = math.atan2(-b, -a) if mirrored else math.atan2(b, a)
    return round(math.degrees(turn) / 90) % 4 * 90, mirrored


def _convert(frame: av.VideoFrame, name: str, matrix: str, full_range: bool, size: tuple[int, int]) -> av.VideoFrame:
    if name == frame.format.name and size == (frame.width, frame.height):
        # A bottom-up picture of the wanted format would pass through untouched: go through a deeper one.
        frame = frame.reformat(format="gray16le" if name == "gray" else "yuv444p", threads=1)
    range_out = FULL if full_range else LIMITED
    range_in = FULL if _is_rgb(frame) else range_out
    return frame.reformat(
        width=size[0],
        height=size[1],
        format=name,
        src_colorspace=None if _is_rgb(frame) else SPACES[matrix],
        dst_colorspace=SPACES[matrix],
        src_color_range=range_in,
        dst_color_range=range_out,
        threads=1,
    )


def _is_rgb(frame: av.VideoFrame) -> bool:
    return frame.format.is_rgb or frame.format.has_palette


def _is_gray(frame: av.VideoFrame) -> bool:
    name = frame.format.name
    return name.startswith(("gray", "mono", "ya8", "ya16"))
