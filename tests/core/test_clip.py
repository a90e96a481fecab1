# SPDX-License-Identifier: Apache-2.0
"""Frames on the clip's grid, and canvases as model inputs, against references from the spec's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avguard import _core
from avguard.errors import UsageError
from avguard.spec import load_spec
from tests.core import reference_video as reference

SPEC = load_spec()
PERIOD_US = SPEC.video.period_us
HOLD_US = SPEC.video.max_hold_us
FRAMES = SPEC.window.frames
Times = list[int]


def place(times_us: Times) -> list[tuple[int, int]]:
    return [(int(index), int(frame)) for index, frame in _core.place_frames(times_us)]


def own_cell(t_us: int) -> int:
    """The cell nearest to a time; of two the later."""
    return (t_us + PERIOD_US // 2) // PERIOD_US


def repaired(times_us: Times) -> Times:
    """Times that do not move forward come one microsecond after their predecessor."""
    result = times_us[:1]
    for t_us in times_us[1:]:
        result.append(max(t_us, result[-1] + 1))
    return result


def constant(fps: float, seconds: float, start_us: int = 0) -> Times:
    return [start_us + round(k * 1e6 / fps) for k in range(round(fps * seconds))]


def check_all_rules(times_us: Times) -> None:
    true_us = np.array(repaired(times_us), dtype=np.int64)
    cells = place(times_us)
    indices = [index for index, _ in cells]
    assert indices == list(range(own_cell(int(true_us[0])), own_cell(int(true_us[-1])) + 1))
    shown = [frame for _, frame in cells if frame >= 0]
    assert shown == sorted(shown)
    for index, frame in cells:
        distances = np.abs(true_us - index * PERIOD_US)
        if distances.min() > HOLD_US:
            assert frame == -1
        else:
            assert frame >= 0
            assert distances[frame] == distances.min()


@pytest.mark.parametrize("start_us", [0, 7, 19_999, 20_000, 20_001, -1, -20_000, -20_001, -3_000_000, 10**12])
@pytest.mark.parametrize("fps", [8.0, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0, 120.0])
def test_constant_rates(fps: float, start_us: int) -> None:
    check_all_rules(constant(fps, 3.0, start_us))


def test_twenty_five_frames_are_taken_as_they_are() -> None:
    assert place(constant(25.0, 2.0)) == [(k, k) for k in range(50)]
    assert place(constant(25.0, 2.0, 40_000 * 7 + 11)) == [(k + 7, k) for k in range(50)]


def test_thirty_frames_lose_every_sixth() -> None:
    frames = [frame for _, frame in place(constant(30.0, 10.0))]
    assert len(set(frames)) == len(frames) == 250
    assert np.diff(frames).max() == 2


def test_slow_films_repeat_frames() -> None:
    frames = [frame for _, frame in place(constant(12.5, 4.0))]
    assert set(frames) == set(range(50))
    assert all(frames.count(k) == 2 for k in range(1, 49))


@settings(max_examples=150, deadline=None)
@given(st.integers(-(10**9), 10**9), st.lists(st.integers(1, 1_500_000), max_size=60))
def test_variable_rates(start_us: int, steps_us: list[int]) -> None:
    check_all_rules([start_us, *(start_us + np.cumsum(steps_us, dtype=np.int64)).tolist()])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-2_000_000, 2_000_000), min_size=1, max_size=40))
def test_any_order_of_times(times_us: Times) -> None:
    check_all_rules(times_us)


def test_repeated_and_backward_times_are_moved_on() -> None:
    times_us = [0, 40_000, 40_000, 40_000, 20_000, 80_000]
    check_all_rules(times_us)
    assert place(times_us) == place([0, 40_000, 40_001, 40_002, 40_003, 80_000])


def test_long_gaps_show_nothing() -> None:
    cells = place([0, 40_000, 4_000_000])
    held = HOLD_US // PERIOD_US + 1
    assert [frame for _, frame in cells] == [0, *[1] * held, *[-1] * (100 - 2 * held), *[2] * held]


def test_no_frames_and_one_frame() -> None:
    assert place([]) == []
    assert place([123_456_789]) == [(own_cell(123_456_789), 0)]


def canvases(seed: int) -> NDArray[np.uint8]:
    side = SPEC.video.canvas_px
    return np.random.default_rng(seed).integers(0, 256, (FRAMES, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("seed", [0, 1])
def test_pixels_match_reference(seed: int) -> None:
    given = canvases(seed)
    face, mouth = _core.pack_pixels(given)
    expected_face, expected_mouth = reference.pack_pixels(given)
    assert face.dtype == mouth.dtype == np.float32
    assert face.shape == (12, 4, 112, 112)
    assert mouth.shape == (48, 1, 48, 48)
    np.testing.assert_allclose(face, expected_face, rtol=0, atol=1e-6)
    np.testing.assert_allclose(mouth, expected_mouth, rtol=0, atol=1e-6)


def test_pixels_lie_where_the_design_says() -> None:
    dark = np.zeros((FRAMES, 112, 112, 3), np.uint8)
    dark[:, 57:105, 32:80] = 255
    face, mouth = _core.pack_pixels(dark)
    assert mouth.min() == mouth.max() == 1
    assert face[:, :3].min() == -1
    assert np.abs(face[:, 3]).max() == 0
    dark[5::4] = 0
    face, _ = _core.pack_pixels(dark)
    np.testing.assert_allclose(face[1:, 3].min(), -255 / 32, rtol=1e-6)
    assert np.abs(face[0, 3]).max() == 0


def motion_inputs(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    generator = np.random.default_rng(seed)
    points = generator.uniform(0, 112, (FRAMES, 468, 2)).astype(np.float32)
    return points, generator.normal(0, 2, (FRAMES, 4)).astype(np.float32)


@pytest.mark.parametrize("seed", [0, 1])
def test_motion_matches_reference(seed: int) -> None:
    points, poses = motion_inputs(seed)
    motion = _core.pack_motion(points, poses)
    assert motion.shape == (SPEC.motion.dims, 1, FRAMES)
    assert motion.dtype == np.float32
    np.testing.assert_allclose(motion, reference.pack_motion(points, poses), rtol=0, atol=2e-5)


def test_motion_is_of_the_named_points_and_has_no_mean() -> None:
    points, poses = motion_inputs(2)
    motion = _core.pack_motion(points, poses)
    assert np.abs(motion.mean(-1)).max() < 1e-5
    named = {*SPEC.motion.lip_points, *SPEC.motion.right_eye_lids, *SPEC.motion.left_eye_lids, *SPEC.motion.brow_points}
    others = points.copy()
    others[:, [k for k in range(468) if k not in named]] = 0
    np.testing.assert_array_equal(_core.pack_motion(others, poses), motion)
    for k in sorted(named):
        moved = points.copy()
        moved[10, k] += 5
        assert np.abs(_core.pack_motion(moved, poses) - motion).max() > 0.05, k
    still = _core.pack_motion(np.repeat(points[:1], FRAMES, 0), np.repeat(poses[:1], FRAMES, 0))
    assert np.abs(still).max() < 1e-4


def test_wrong_inputs_are_refused() -> None:
    points, poses = motion_inputs(0)
    with pytest.raises(UsageError, match="canvases has the wrong shape"):
        _core.pack_pixels(np.zeros((47, 112, 112, 3), np.uint8))
    with pytest.raises(TypeError):
        _core.pack_pixels(np.zeros((48, 112, 112, 3), np.float32))
    with pytest.raises(UsageError, match="points has the wrong shape"):
        _core.pack_motion(points[:, :467].copy(), poses)
    with pytest.raises(UsageError, match="poses has the wrong shape"):
        _core.pack_motion(points, poses[:, :3].copy())
