# SPDX-License-Identifier: Apache-2.0
"""The video augmentation: the same door for both classes, points stay on the picture, a flip is its own undo."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from avguard.errors import UsageError
from avguard.spec import load_spec
from avguard.train import augment_video as augment
from avguard.train import mesh, pixels
from avguard.train.augment_video import augment_video, flip
from avguard.train.video_codec import round_trip
from tests.train.synthetic_face import resting_mesh, talking_face

FACE = talking_face(16, 1)
RECIPES = ("_colour", "_blur", "_noise", "_rescale", "_sharpen", "_jpeg", "_codec", "_cutout")


@pytest.mark.parametrize("frames", [1, 12, 31])
def test_shapes_types_and_the_source_left_alone(frames: int) -> None:
    canvases, points = talking_face(frames, 2)
    before = canvases.copy(), points.copy()
    for seed in range(25):
        pictures, moved = augment_video(canvases, points, np.random.default_rng(seed))
        assert pictures.dtype == np.uint8
        assert pictures.shape == canvases.shape
        assert pictures.flags.c_contiguous
        assert moved.dtype == np.float32
        assert moved.shape == points.shape
        assert np.isfinite(moved).all()
    assert (canvases == before[0]).all()
    assert (points == before[1]).all()


def test_seed_decides() -> None:
    for seed in range(12):
        one, same = (augment_video(*FACE, np.random.default_rng(seed)) for _ in range(2))
        assert (one[0] == same[0]).all()
        assert (one[1] == same[1]).all()
    one, other = (augment_video(*FACE, np.random.default_rng(seed)) for seed in (1, 2))
    assert (one[0] != other[0]).any()


def test_strength_zero_changes_nothing() -> None:
    for seed in range(5):
        pictures, points = augment_video(*FACE, np.random.default_rng(seed), 0.0)
        assert (pictures == FACE[0]).all()
        assert (points == FACE[1]).all()


def test_stronger_changes_more() -> None:
    def change(strength: float) -> float:
        seeds = (np.random.default_rng(s) for s in range(24))
        gaps = [augment_video(*FACE, rng, strength)[0].astype(int).mean((1, 2)) - FACE[0].mean((1, 2)) for rng in seeds]
        return float(np.abs(gaps).mean())

    assert change(0.2) < change(1.0) < change(1.8)


def test_mirror_is_an_involution_and_knows_left_from_right() -> None:
    assert (mesh.MIRROR[mesh.MIRROR] == np.arange(mesh.POINTS)).all()
    known = {33: 263, 133: 362, 159: 386, 145: 374, 105: 334, 1: 1, 168: 168, 152: 152, 61: 291, 40: 270, 37: 267, 0: 0,
             91: 321, 78: 308, 81: 311, 13: 13, 178: 402, 234: 454, 127: 356, 50: 280, 98: 327}  # fmt: skip
    for one, other in known.items():
        assert mesh.MIRROR[one] == other
    for table in (mesh.FACE_OVAL, mesh.OUTER_LIPS, mesh.INNER_LIPS, load_spec().motion.lip_points):
        assert set(mesh.MIRROR[list(table)]) == set(table)
    ring = list(mesh.FACE_OVAL)
    assert list(mesh.MIRROR[ring]) == [ring[0], *ring[:0:-1]]


def test_flip_twice_is_nothing_and_once_keeps_names() -> None:
    pictures, points = flip(*FACE)
    assert (pictures == FACE[0][:, :, ::-1]).all()
    assert (points[:, 33, 0] < points[:, 263, 0]).all()
    again = flip(pictures, points)
    assert (again[0] == FACE[0]).all()
    assert np.allclose(again[1], FACE[1], atol=1e-4)
    symmetric = resting_mesh(6)[None]
    assert np.allclose(mesh.mirror_points(symmetric), symmetric, atol=1e-4)


def test_points_move_with_the_picture() -> None:
    points = np.full((3, mesh.POINTS, 2), 56, np.float32)
    spots = [(30, 40), (80, 50), (56, 90)]
    points[:, [33, 263, 152]] = spots
    canvases = np.zeros((3, 112, 112, 3), np.uint8)
    for x, y in spots:
        canvases[:, y - 2 : y + 3, x - 2 : x + 3] = 255
    moved = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        matrices = augment._placement(rng, 3, 1.0)
        pictures, there = pixels.affine(canvases, matrices), pixels.move_points(points, matrices)
        for picture, (x, y) in zip(pictures[[0, 1, 2]], there[[0, 1, 2], [33, 263, 152]], strict=True):
            rows, columns = np.mgrid[:112, :112]
            near = picture[..., 0] * ((rows - y) ** 2 + (columns - x) ** 2 < 36)
            assert abs((near * columns).sum() / near.sum() - x) < 0.25
            assert abs((near * rows).sum() / near.sum() - y) < 0.25
        moved += bool(np.abs(there - points).max() > 1)
    assert moved > 10


def test_the_augmentation_cannot_know_the_class() -> None:
    assert list(inspect.signature(augment_video).parameters) == ["canvases", "points", "rng", "strength"]
    real, other = FACE, talking_face(16, 7)
    for seed in range(30):
        one, two = np.random.default_rng(seed), np.random.default_rng(seed)
        augment_video(*real, one)
        augment_video(*other, two)
        assert one.bit_generator.state == two.bit_generator.state


@pytest.mark.parametrize("name", [n for n in RECIPES if n not in ("_codec", "_jpeg")])
def test_equal_pixels_far_from_a_forgery_stay_equal(name: str) -> None:
    real, fake = FACE[0], FACE[0].copy()
    fake[:, 80:, 80:] = 255 - fake[:, 80:, 80:]
    for seed in range(6):
        one, two = (getattr(augment, name)(np.random.default_rng(seed), 1.0)(frames) for frames in (real, fake))
        # A hidden patch may take its colour from under itself; every other step works on a small neighbourhood.
        same = (one == two).all(-1)[:, :48, :48]
        assert same.all()


@pytest.mark.parametrize("name", RECIPES)
def test_one_recipe_for_the_whole_window(name: str) -> None:
    still = np.repeat(FACE[0][:1], 10, 0)
    for seed in range(6):
        result = getattr(augment, name)(np.random.default_rng(seed), 1.0)(still).astype(int)
        assert result.shape == still.shape
        spread = np.abs(result - result[0]).max()
        if name == "_noise":
            assert spread > 0, "noise must differ from frame to frame"
        elif name != "_codec":
            assert spread == 0
        assert np.abs(result - still).mean() < 60


def test_frame_rate_holds_past_frames_only() -> None:
    held = 0
    for seed in range(60):
        when = augment._frame_rate(np.random.default_rng(seed), 49)
        assert when.shape == (49,)
        assert (np.diff(when) >= 0).all()
        assert (when <= np.arange(49)).all()
        assert (np.arange(49) - when).max() <= 5
        held += int((np.diff(when) == 0).sum())
    assert held > 200


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_codec_round_trip_keeps_time_and_loses_detail_by_quality(codec: str) -> None:
    canvases = talking_face(20, 4)[0]
    errors = []
    for quality in (18, 28, 38):
        back = round_trip(canvases, codec, quality)
        assert back.shape == canvases.shape
        shifts = [np.abs(np.roll(back, -s, 0).astype(int) - canvases)[2:-2].mean() for s in (-1, 0, 1)]
        assert shifts[1] == min(shifts)
        errors.append(shifts[1])
    assert errors == sorted(errors)
    assert errors[2] > 1.2 * errors[0]


def test_codec_couples_frames_in_time() -> None:
    canvases = np.repeat(FACE[0][:1], 12, 0)
    noisy = np.clip(canvases + np.random.default_rng(0).normal(0, 6, canvases.shape), 0, 255).astype(np.uint8)
    back = round_trip(noisy, "libx264", 34)
    assert np.diff(back.astype(float), axis=0).std() < 0.6 * np.diff(noisy.astype(float), axis=0).std()


def test_colour_steps_do_what_their_names_say() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None, None], 3, 3)
    identity = pixels.colour(greys, pixels.look_up(np.ones(3), np.zeros(3), 1.0), pixels.hue_saturation(0, 1))
    assert (identity == greys).all()
    turned = pixels.colour(greys, pixels.look_up(np.ones(3), np.zeros(3), 1.0), pixels.hue_saturation(25, 1.5))
    assert np.abs(turned.astype(int) - greys).max() <= 1, "hue and saturation leave greys alone"
    bright = pixels.look_up(np.full(3, 1.2), np.zeros(3), 1.0)
    assert bright[0, 100, 0] == 120
    grey = pixels.colour(FACE[0], pixels.look_up(np.ones(3), np.zeros(3), 1.0), pixels.hue_saturation(0, 0)).astype(int)
    assert np.ptp(grey, axis=-1).max() <= 1


def test_wrong_arguments_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="strength"):
        augment_video(*FACE, rng, 3.0)
    with pytest.raises(UsageError, match="canvases"):
        augment_video(FACE[0].astype(np.float32), FACE[1], rng)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="round_trip"):
        round_trip(FACE[0], "theora")
    with pytest.raises(UsageError, match="round_trip"):
        round_trip(FACE[0][:, :111])
