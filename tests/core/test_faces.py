# SPDX-License-Identifier: Apache-2.0
"""Decoding, aligning and following faces on pictures made from a public-domain photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avguard import _core
from avguard.errors import UsageError
from avguard.spec import load_spec
from tests.core import faces, reference_video

SPEC = load_spec()
GOLDEN = Path(__file__).parents[1] / "golden" / "faces.npz"
Real = NDArray[np.float64]


def anchor_centres() -> Real:
    """(896, 2) in detector pixels: two anchors a cell on 16 x 16, then six a cell on 8 x 8."""
    rows = []
    for cells, each in ((16, 2), (8, 6)):
        for k in range(cells * cells * each):
            cell = k // each
            rows.append([(cell % cells + 0.5) / cells, (cell // cells + 0.5) / cells])
    return np.array(rows) * SPEC.face.detector_px


def candidates(regressors: NDArray[np.float32], logits: NDArray[np.float32]) -> list[tuple[float, Real]]:
    """(score, (8, 2) corner, corner, six keypoints), best first, in detector pixels."""
    found = []
    for raw, logit, centre in zip(regressors.astype(np.float64), logits, anchor_centres(), strict=True):
        score = 1 / (1 + np.exp(-float(np.clip(logit, -100, 100))))
        if score >= SPEC.face.detector_threshold:
            middle, half = raw[:2] + centre, raw[2:4] / 2
            found.append((score, np.stack([middle - half, middle + half, *(raw[4:].reshape(6, 2) + centre)])))
    return sorted(found, key=lambda pair: -pair[0])


def iou(one: Real, two: Real) -> float:
    sides = np.minimum(one[1], two[1]) - np.maximum(one[0], two[0])
    if (sides <= 0).any():
        return 0.0
    areas = [np.prod(box[1] - box[0]) for box in (one, two)]
    return float(np.prod(sides) / (sum(areas) - np.prod(sides)))


def reference_faces(
    regressors: NDArray[np.float32], logits: NDArray[np.float32], width: int, height: int
) -> list[tuple[float, Real]]:
    left = candidates(regressors, logits)
    found = []
    side = max(width, height)
    while left:
        best = left[0]
        near = [k for k, other in enumerate(left) if k == 0 or iou(best[1], other[1]) > SPEC.face.detector_overlap]
        blend = np.average([left[k][1] for k in near], axis=0, weights=[left[k][0] for k in near])
        left = [other for k, other in enumerate(left) if k not in near]
        found.append((best[0], blend * side / SPEC.face.detector_px - (np.array([side - width, side - height]) / 2)))
    return found


def golden_outputs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The stored detector outputs for the photo; anchors that were not stored are out of the way."""
    with np.load(GOLDEN) as stored:
        regressors = np.zeros((896, 16), np.float32)
        regressors[stored["detector_anchors"]] = stored["detector_regressors"]
        logits = np.full(896, -50, np.float32)
        logits[stored["detector_anchors"]] = stored["detector_scores"][stored["detector_anchors"]]
    return regressors, logits


def check_decoding(regressors: NDArray[np.float32], logits: NDArray[np.float32], width: int, height: int) -> int:
    got = _core.decode_faces(regressors, logits, width, height)
    expected = reference_faces(regressors, logits, width, height)
    assert len(got) == len(expected)
    for (box, score, keypoints), (expected_score, points) in zip(got, expected, strict=True):
        assert score == pytest.approx(expected_score, abs=1e-6)
        np.testing.assert_allclose(np.reshape(box, (2, 2)), points[:2], rtol=1e-5, atol=0.02)
        np.testing.assert_allclose(keypoints, points[2:], rtol=1e-5, atol=0.02)
    return len(got)


@pytest.mark.parametrize(("width", "height"), [(512, 512), (1920, 1080), (720, 1280)])
def test_golden_outputs_decode_like_the_reference(width: int, height: int) -> None:
    assert check_decoding(*golden_outputs(), width, height) == 1


@pytest.mark.parametrize("seed", range(4))
def test_crowds_decode_like_the_reference(seed: int) -> None:
    generator = np.random.default_rng(seed)
    regressors = generator.normal(0, 6, (896, 16)).astype(np.float32)
    regressors[:, 2:4] = generator.uniform(15, 50, (896, 2))
    logits = generator.normal(-3, 2, 896).astype(np.float32)
    assert check_decoding(regressors, logits, 640, 480) > 3


def test_the_detected_eyes_are_the_photos() -> None:
    ((_, _, keypoints),) = _core.decode_faces(*golden_outputs(), 512, 512)
    assert np.abs(np.array(keypoints[:2]) - faces.EYES).max() < 8


def test_nothing_and_nonsense_decode_to_nothing() -> None:
    regressors = np.zeros((896, 16), np.float32)
    assert _core.decode_faces(regressors, np.full(896, -9, np.float32), 64, 64) == []
    assert _core.decode_faces(regressors, np.full(896, np.nan, np.float32), 64, 64) == []
    with pytest.raises(UsageError, match="regressors"):
        _core.decode_faces(regressors[:895].copy(), np.zeros(896, np.float32), 64, 64)
    with pytest.raises(UsageError, match="logits"):
        _core.decode_faces(regressors, np.zeros(895, np.float32), 64, 64)


def eye_errors(track: dict[str, NDArray[np.float32]]) -> Real:
    """Distances of the mesh's eyes from the template, canvas pixels."""
    eyes = [reference_video.anchors(points)[:2] for points in track["points"]]
    return np.asarray(np.linalg.norm(np.array(eyes) - reference_video.template()[:2], axis=-1))


MOVES: dict[str, list[dict[str, Any]]] = {
    "still": [{}] * 3,
    "turning": [{"angle_deg": angle} for angle in np.linspace(-24, 24, 17)],
    "nearing": [{"scale": scale} for scale in np.linspace(0.75, 1.5, 20)],
    "passing": [{"shift": (x, x / 3)} for x in np.linspace(-20, 30, 26)],
}


@pytest.mark.parametrize("name", MOVES)
def test_canvases_hold_the_eyes_on_the_template(name: str) -> None:
    pictures, eyes = zip(*(faces.moved(**move) for move in MOVES[name]), strict=True)
    (track,) = faces.extract(pictures)
    assert track["indices"].tolist() == list(range(len(pictures)))
    assert eye_errors(track).max() < 3
    # The mesh could be wrong together with the canvas: the photo's own eyes tell.
    true_px = [np.linalg.norm(pair[1] - pair[0]) for pair in eyes]
    np.testing.assert_allclose(track["eye_distance_px"], true_px, rtol=0.12)


def test_the_canvas_shows_the_photos_pixels() -> None:
    picture, eyes = faces.moved(angle_deg=12)
    (track,) = faces.extract([picture] * 2)
    # The same canvas, cut out by the eyes alone. The photo is turned about its eyes, so the nose agrees.
    a, d = (eyes[1] - eyes[0]) / SPEC.video.canvas_eye_distance_px
    x, y = eyes.mean(0) - np.array([[a, -d], [d, a]]) @ reference_video.template()[:2].mean(0)
    side = SPEC.video.canvas_px
    expected = _core.warp([picture], "rgb24", 512, 512, (a, -d, x, d, a, y), side, side).transpose(1, 2, 0) / 256
    got = track["canvases"][-1].astype(float)

    def apart(dx: int, dy: int) -> float:
        return float(np.abs(np.roll(got, (dy, dx), (0, 1)) - expected)[8:-8, 8:-8].mean())

    near = [(dx, dy) for dx in range(-4, 5) for dy in range(-4, 5)]
    assert min(apart(*shift) for shift in near) < 16
    assert min(apart(dx + 20, dy) for dx, dy in near) > 25


def test_a_track_survives_three_lost_frames() -> None:
    picture = faces.astronaut()
    grey = np.full_like(picture, 128)
    (track,) = faces.extract([picture] * 3 + [grey] * 3 + [picture] * 3)
    assert track["indices"].tolist() == [0, 1, 2, 6, 7, 8]


def test_a_track_ends_when_the_face_stays_away() -> None:
    picture = faces.astronaut()
    grey = np.full_like(picture, 128)
    away = SPEC.face.track_lost_frames + 2
    first, second = faces.extract([picture] * 2 + [grey] * away + [picture] * 2)
    assert first["id"] != second["id"]
    assert first["indices"].tolist() == [0, 1]
    assert second["indices"].tolist() == [2 + away, 3 + away]


def test_a_frame_between_two_meshes_keeps_its_own_pixels() -> None:
    picture = faces.astronaut()
    dark = (picture // 2).astype(np.uint8)
    (track,) = faces.extract([picture, dark, picture])
    assert track["indices"].tolist() == [0, 1, 2]
    canvases = track["canvases"].astype(float)
    assert np.abs(canvases[1] - canvases[0] / 2).mean() < 1.0
    assert np.abs(track["points"][1] - track["points"][0]).max() < 0.5


def test_no_points_are_guessed_across_a_cut() -> None:
    here, there = faces.moved()[0], faces.moved(angle_deg=12, shift=(50, 30))[0]
    (track,) = faces.extract([here, here, there, there])
    canvases = track["canvases"].astype(float)
    assert track["indices"].tolist() == [0, 1, 2, 3]
    assert np.abs(canvases[1] - canvases[0]).mean() < 1.0
    assert np.abs(track["points"][1] - track["points"][0]).max() < 0.5


def test_a_face_that_leaves_after_the_frame_in_between_was_still_there() -> None:
    picture = faces.astronaut()
    grey = np.full_like(picture, 128)
    (track,) = faces.extract([picture, picture, grey, grey])
    assert track["indices"].tolist() == [0, 1]


def test_sparse_frames_are_all_meshed() -> None:
    session = _core.Session(faces.extractor(), extract=True)
    for k in range(4):
        faces.push(session, faces.moved(shift=(6.0 * k, 0.0))[0], 2 * k * SPEC.video.period_us)
    session.finish()
    (track,) = session.extracted()["tracks"]
    assert track["indices"].tolist() == list(range(7))
    for k in range(3):
        # Ties between two frames go to the earlier one: each but the last fills two cells.
        assert np.array_equal(track["canvases"][2 * k], track["canvases"][2 * k + 1])


def side_by_side(count: int) -> list[NDArray[np.uint8]]:
    half = faces.astronaut()[:320, 60:380]
    return [np.concatenate([np.roll(half, k, 1), np.roll(half[:, ::-1], -k, 1)], axis=1) for k in range(count)]


def test_two_faces_are_two_tracks() -> None:
    tracks = faces.extract(side_by_side(8))
    assert len(tracks) == 2
    assert {track["id"] for track in tracks} == {0, 1}
    for track in tracks:
        assert track["indices"].tolist() == list(range(8))
        assert eye_errors(track).max() < 3
    poses = [track["poses"][:, 2] * np.exp(track["poses"][:, 1]) for track in tracks]
    assert abs(poses[0].mean() - poses[1].mean()) > 150


def test_two_faces_keep_their_tracks_in_a_session_of_noise() -> None:
    generator = np.random.default_rng(5)
    noisy = [np.clip(p.astype(int) + generator.normal(0, 6, p.shape), 0, 255).astype(np.uint8) for p in side_by_side(8)]
    assert len(faces.extract(noisy)) == 2


def test_nv12_gives_nearly_the_same_canvas() -> None:
    picture = faces.astronaut()
    luma, chroma = faces.nv12_planes(picture)
    session = _core.Session(faces.extractor(), extract=True)
    for k in range(2):
        session.push_frame([luma, chroma], "nv12", 512, 512, k * faces.PERIOD_US)
    session.finish()
    (other,) = session.extracted()["tracks"]
    (track,) = faces.extract([picture] * 2)
    assert np.abs(other["canvases"].astype(int) - track["canvases"].astype(int)).mean() < 3
    assert np.abs(other["points"] - track["points"]).max() < 1.5


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_orientation_metadata_gives_the_upright_canvas(turn_deg: int, mirrored: bool) -> None:
    upright = faces.astronaut()[:400]
    stored = np.rot90(upright, turn_deg // 90)
    stored = np.ascontiguousarray(stored[:, ::-1] if mirrored else stored)
    (plain,) = faces.extract([upright] * 2)
    (turned,) = faces.extract([stored] * 2, rotation_deg=turn_deg, mirrored=mirrored)
    # Fixed-point bilinear sampling truncates towards one side, and that side turns with the picture.
    assert np.abs(turned["canvases"].astype(int) - plain["canvases"].astype(int)).mean() < 1.5
    assert np.abs(turned["points"] - plain["points"]).max() < 0.5


def test_faces_without_enough_pixels_are_not_judged() -> None:
    tiny = np.full((512, 512, 3), 90, np.uint8)
    small, _ = faces.moved(scale=0.24, side_px=512)
    tiny[150:350, 150:350] = small[50:250, 150:350]
    assert faces.extract([tiny] * 3) == []


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_pictures_have_no_face(level: int) -> None:
    assert faces.extract([np.full((240, 320, 3), level, np.uint8)] * 3) == []


def test_noise_has_no_face() -> None:
    generator = np.random.default_rng(1)
    assert faces.extract([generator.integers(0, 256, (240, 320, 3), dtype=np.uint8) for _ in range(4)]) == []
