# SPDX-License-Identifier: Apache-2.0
"""Warping and canvas fitting of the core against float64 references."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avguard import _core
from avguard.errors import LimitError, UsageError
from tests.core import reference_video as reference
from tests.core.reference_video import Bytes, smooth_picture, smooth_planes

FORMATS = ("i420", "nv12", "nv21", "rgb24", "bgra", "rgba", "gray8")
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
# A turn of 20 degrees at 0.8 of the size, a magnification, a shrinking by 2.6, and one that runs off the picture.
MAPS = {
    "same": IDENTITY,
    "turned": (1.175, -0.428, 9.3, 0.428, 1.175, -6.1),
    "larger": (0.31, 0.02, 11.4, -0.02, 0.31, 13.7),
    "smaller": (2.6, 0.1, -3.0, -0.1, 2.6, 2.0),
    "beyond": (1.5, 0.0, -30.0, 0.0, 1.5, -25.0),
}


def levels(planes: NDArray[np.uint16]) -> NDArray[np.float64]:
    """What the core gives, as pictures are written: (height, width, 3), 0 to 255."""
    return planes.transpose(1, 2, 0) / 256


def size_of(planes: list[Bytes]) -> tuple[int, int]:
    return planes[0].shape[1], planes[0].shape[0]


def warp(
    planes: list[Bytes], form: str, affine: tuple[float, ...], out: tuple[int, int], **options: Any
) -> NDArray[np.float64]:
    """(height, width, 3) levels."""
    width, height = size_of(planes)
    return levels(_core.warp(planes, form, width, height, affine, *out, **options))


def apart(planes: list[Bytes], form: str, affine: tuple[float, ...], **options: Any) -> NDArray[np.float64]:
    """Levels between the core and the reference for a 40 x 30 output."""
    expected = reference.warp(planes, form, affine, 40, 30, **options)
    return np.abs(warp(planes, form, affine, (40, 30), **options) - expected)


def padded(plane: Bytes, bytes_more: int) -> Bytes:
    rows = plane.reshape(len(plane), -1)
    wide = np.full((len(rows), rows.shape[1] + bytes_more), 0xA5, np.uint8)
    wide[:, : rows.shape[1]] = rows
    return wide[:, : rows.shape[1]].reshape(plane.shape) if plane.ndim == 2 else wide


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("form", FORMATS)
def test_warp_matches_reference(form: str, name: str) -> None:
    difference = apart(smooth_planes(form, 47, 61, 3), form, MAPS[name])
    assert difference.mean() <= 0.01
    assert difference.max() <= 0.03


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", reference.WEIGHTS)
def test_colours_match_the_standards(matrix: str, full_range: bool) -> None:
    difference = apart(smooth_planes("i420", 48, 64, 5), "i420", MAPS["turned"], matrix=matrix, full_range=full_range)
    assert difference.mean() <= 0.01
    assert difference.max() <= 0.03


@pytest.mark.parametrize(
    ("yuv", "matrix", "full_range", "rgb"),
    [
        ((16, 128, 128), "bt601", False, (0, 0, 0)),
        ((235, 128, 128), "bt709", False, (255, 255, 255)),
        ((81, 90, 240), "bt601", False, (255, 0, 0)),
        ((173, 42, 26), "bt709", False, (0, 255, 0)),
        ((29, 255, 107), "bt601", True, (0, 0, 254)),
        ((255, 128, 128), "bt2020", True, (255, 255, 255)),
    ],
)
def test_known_colours(yuv: tuple[int, ...], matrix: str, full_range: bool, rgb: tuple[int, ...]) -> None:
    planes = [np.full(shape, level, np.uint8) for shape, level in zip(((8, 8), (4, 4), (4, 4)), yuv, strict=True)]
    picture = warp(planes, "i420", IDENTITY, (8, 8), matrix=matrix, full_range=full_range)
    assert np.abs(picture - np.array(rgb)).max() <= 2


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
@pytest.mark.parametrize("form", ["i420", "nv12", "rgb24"])
def test_orientation_matches_reference(form: str, turn_deg: int, mirrored: bool) -> None:
    options = {"rotation_deg": turn_deg, "mirrored": mirrored}
    assert apart(smooth_planes(form, 47, 61, 7), form, MAPS["turned"], **options).max() <= 0.03


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
def test_upright_is_flip_then_clockwise_turn(turn_deg: int, mirrored: bool) -> None:
    stored = smooth_picture(20, 34, 1)
    flipped = stored[:, ::-1] if mirrored else stored
    upright = np.rot90(flipped, -turn_deg // 90)
    height, width = upright.shape[:2]
    got = warp([stored], "rgb24", IDENTITY, (width, height), rotation_deg=turn_deg, mirrored=mirrored)
    np.testing.assert_array_equal(got, upright)


@pytest.mark.parametrize("turn_deg", [90, 270])
def test_four_turns_are_none(turn_deg: int) -> None:
    picture = start = smooth_picture(23, 31, 2)
    for _ in range(4):
        height, width = picture.shape[:2]
        turned = warp([picture], "rgb24", IDENTITY, (height, width), rotation_deg=turn_deg)
        picture = turned.astype(np.uint8, order="C")
    np.testing.assert_array_equal(picture, start)


@pytest.mark.parametrize("form", FORMATS)
def test_padding_between_rows_changes_nothing(form: str) -> None:
    planes = smooth_planes(form, 47, 61, 9)
    strided = [padded(plane, 13) for plane in planes]
    assert any(plane.strides[0] != wide.strides[0] for plane, wide in zip(planes, strided, strict=True))
    for affine in MAPS.values():
        tight = warp(planes, form, affine, (40, 30))
        np.testing.assert_array_equal(levels(_core.warp(strided, form, 61, 47, affine, 40, 30)), tight)


def test_nv21_is_nv12_with_swapped_chroma() -> None:
    luma, chroma = smooth_planes("nv12", 47, 61, 4)
    swapped = np.ascontiguousarray(chroma.reshape(24, 31, 2)[:, :, ::-1]).reshape(24, 62)
    planar = [luma, np.ascontiguousarray(chroma[:, 0::2]), np.ascontiguousarray(chroma[:, 1::2])]
    for affine in MAPS.values():
        picture = warp([luma, chroma], "nv12", affine, (40, 30))
        np.testing.assert_array_equal(picture, warp([luma, swapped], "nv21", affine, (40, 30)))
        np.testing.assert_array_equal(picture, warp(planar, "i420", affine, (40, 30)))


def test_channel_order() -> None:
    rgb = smooth_picture(21, 33, 6)
    alpha = np.full((21, 33, 1), 9, np.uint8)
    expected = warp([rgb], "rgb24", MAPS["turned"], (20, 20))
    rgba = np.concatenate([rgb, alpha], axis=-1)
    bgra = np.concatenate([rgb[:, :, ::-1], alpha], axis=-1)
    np.testing.assert_array_equal(warp([rgba], "rgba", MAPS["turned"], (20, 20)), expected)
    np.testing.assert_array_equal(warp([bgra], "bgra", MAPS["turned"], (20, 20)), expected)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 7), (7, 1), (2, 3), (3, 2), (33, 17)])
@pytest.mark.parametrize("form", FORMATS)
def test_odd_and_tiny_pictures(form: str, width: int, height: int) -> None:
    planes = smooth_planes(form, height, width, 8)
    for turn_deg in (0, 90):
        options = {"rotation_deg": turn_deg, "mirrored": True}
        expected = reference.warp(planes, form, MAPS["larger"], 12, 9, **options)
        got = warp(planes, form, MAPS["larger"], (12, 9), **options)
        assert np.abs(got - expected).max() <= 0.03


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 40),
    st.integers(2, 40),
    st.floats(0.05, 5),
    st.floats(-math.pi, math.pi),
    st.floats(-30, 60),
    st.floats(-30, 60),
    st.sampled_from(FORMATS),
)
def test_any_similarity(w: int, h: int, scale: float, angle: float, dx: float, dy: float, form: str) -> None:
    a, b = scale * math.cos(angle), scale * math.sin(angle)
    difference = apart(smooth_planes(form, h, w, 1), form, (a, -b, dx, b, a, dy))
    columns, rows = np.meshgrid(np.arange(40) + 0.5, np.arange(30) + 0.5)
    x, y = a * columns - b * rows + dx, b * columns + a * rows + dy
    # Beyond the picture the core keeps to its edge, whatever the taps.
    inside = (x > 0) & (y > 0) & (x < w) & (y < h)
    assert difference[inside].max(initial=0) <= 0.03


@pytest.mark.parametrize("scale", [2.0, 3.0, 4.0])
def test_shrinking_averages(scale: float) -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    affine = (scale, 0.0, 0.0, 0.0, scale, 0.0)
    grey = warp([board], "gray8", affine, (12, 12))[1:-1, 1:-1]
    assert np.abs(grey - 127).max() <= 30
    assert np.ptp(warp([board], "gray8", IDENTITY, (12, 12))) == 255


def test_borders_are_black_or_repeated() -> None:
    white = np.full((10, 20, 3), 255, np.uint8)
    affine = (1.0, 0.0, -5.0, 0.0, 1.0, -5.0)
    black = warp([white], "rgb24", affine, (30, 20), black_border=True)
    np.testing.assert_array_equal(black[5:15, 5:25], 255)
    assert black.sum() == 255 * 3 * 10 * 20
    assert warp([white], "rgb24", affine, (30, 20)).min() == 255
    for form in FORMATS:
        difference = apart(smooth_planes(form, 17, 23, 2), form, MAPS["beyond"], black_border=True)
        assert difference.max() <= 0.03


@pytest.mark.parametrize("scale", [1e3, 262144.0, 524288.0, 1e12])
@pytest.mark.parametrize("black_border", [False, True])
def test_absurd_maps_are_harmless(scale: float, black_border: bool) -> None:
    planes = smooth_planes("i420", 64, 64, 1)
    affine = (scale, 0.0, 32.0 - scale / 2, 0.0, scale, 32.0 - scale / 2)
    assert warp(planes, "i420", affine, (3, 3), black_border=black_border).shape == (3, 3, 3)


def test_maps_without_meaning_are_harmless() -> None:
    planes = smooth_planes("i420", 16, 16, 1)
    for value in (math.nan, math.inf, 0.0):
        assert warp(planes, "i420", (value,) * 6, (4, 4)).shape == (4, 4, 3)


def wrong_planes() -> dict[str, tuple[list[Any], str, str]]:
    luma, u, v = smooth_planes("i420", 16, 16)
    return {
        "too few": ([luma], "i420", "i420 has 3 planes, got 1"),
        "too many": ([luma, u, v], "gray8", "gray8 has 1 planes, got 3"),
        "float": ([luma, u.astype(np.float32), v], "i420", "plane 1 is not a uint8 array"),
        "signed": ([luma.astype(np.int8), u, v], "i420", "plane 0 is not a uint8 array"),
        "list": ([luma, u, [[1]]], "i420", "plane 2 is not a uint8 array"),
        "none": ([None, u, v], "i420", "plane 0 is not a uint8 array"),
        "flat": ([luma, u.ravel(), v], "i420", "plane 1 needs at least 2 dimensions"),
        "short": ([luma, u, v[:7]], "i420", "plane 2 is smaller than a 16x16 i420 frame"),
        "narrow": ([luma[:, :15], u, v], "i420", "plane 0 is smaller"),
        "stepped": ([luma[:, ::2], u, v], "i420", "pixels of plane 0 are not contiguous"),
        "flipped": ([luma[:, ::-1], u, v], "i420", "pixels of plane 0 are not contiguous"),
        "upside down": ([luma[::-1], u, v], "i420", "strides"),
        "two channels": ([np.zeros((16, 16, 2), np.uint8)], "rgb24", "plane 0 is smaller"),
        "format": ([luma], "yuv9", "pixel format 'yuv9' is not one of"),
    }


@pytest.mark.parametrize("name", wrong_planes())
def test_wrong_planes_are_named(name: str) -> None:
    planes, form, message = wrong_planes()[name]
    with pytest.raises(UsageError, match=message):
        _core.warp(planes, form, 16, 16, IDENTITY, 4, 4)


def test_wrong_numbers_are_refused() -> None:
    grey = np.zeros((8, 8), np.uint8)
    for width, height in ((0, 8), (8, 0), (-3, 8)):
        with pytest.raises(UsageError, match="positive"):
            _core.warp([grey], "gray8", width, height, IDENTITY, 4, 4)
    for turn_deg in (45, -90, 360):
        with pytest.raises(UsageError, match="rotation"):
            _core.warp([grey], "gray8", 8, 8, IDENTITY, 4, 4, rotation_deg=turn_deg)
    with pytest.raises(UsageError, match="matrix"):
        _core.warp([grey], "gray8", 8, 8, IDENTITY, 4, 4, matrix="bt470")
    with pytest.raises(UsageError, match="output size"):
        _core.warp([grey], "gray8", 8, 8, IDENTITY, 0, 4)
    with pytest.raises((UsageError, LimitError), match="impossible"):
        _core.warp([np.zeros((1, 20000), np.uint8)], "gray8", 20000, 1, IDENTITY, 4, 4)


def mesh_with(anchors: NDArray[np.float64]) -> NDArray[np.float32]:
    """A mesh of noise whose eye centres and nose base lie at ``anchors`` (3, 2)."""
    points = np.random.default_rng(3).uniform(0, 500, (468, 2))
    eyes = (anchors[1] - anchors[0]) / 5
    points[[33, 133]] = anchors[0] - eyes, anchors[0] + eyes
    points[[362, 263]] = anchors[1] - eyes, anchors[1] + eyes
    points[2] = anchors[2]
    return points.astype(np.float32)


def test_template_is_where_the_design_says() -> None:
    np.testing.assert_allclose(reference.template()[:2], [[38, 40], [74, 40]])
    a, b, tx, ty = _core.fit_canvas(mesh_with(reference.template()))
    np.testing.assert_allclose([a, b, tx, ty], [1, 0, 0, 0], atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.2, 12),
    st.floats(-math.pi, math.pi),
    st.tuples(st.floats(0, 4000), st.floats(0, 4000)),
    st.lists(st.floats(-4, 4), min_size=6, max_size=6),
)
def test_fit_is_umeyama(scale: float, angle: float, shift: tuple[float, float], bend: list[float]) -> None:
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    shape = reference.template() + np.array(bend).reshape(3, 2)
    mesh = mesh_with(shape @ turn.T + np.array(shift))
    a, b, tx, ty = _core.fit_canvas(mesh)
    expected = reference.umeyama(reference.anchors(mesh), reference.template())
    # Near the face: far from it the float32 of the mesh is drawn out.
    homogeneous = np.column_stack([reference.anchors(mesh), np.ones(3)])
    got = homogeneous @ np.array([[a, -b, tx], [b, a, ty]]).T
    np.testing.assert_allclose(got, homogeneous @ expected.T, rtol=0, atol=2e-3)


def test_the_mouth_takes_no_part_in_the_fit() -> None:
    mesh = mesh_with(reference.template() * 3 + 20)
    opened = mesh.copy()
    opened[[13, 14, 17, 152, 61, 291]] += 25
    assert _core.fit_canvas(mesh) == _core.fit_canvas(opened)


def test_a_mesh_without_extent_does_no_harm() -> None:
    assert len(_core.fit_canvas(np.zeros((468, 2), np.float32))) == 4


def test_wrong_meshes_are_refused() -> None:
    with pytest.raises(UsageError, match="points has the wrong shape"):
        _core.fit_canvas(np.zeros((467, 2), np.float32))
    with pytest.raises(TypeError):
        _core.fit_canvas(np.zeros((468, 2), np.float64))
