# SPDX-License-Identifier: Apache-2.0
"""The shipped face programs against outputs of the original TFLite models (``tests/golden/faces.npz``).

The pictures in the golden file are crops of scikit-image's astronaut (NASA, public domain).
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from executorch.runtime import Method, Program, Runtime, Verification

from avguard.spec import load_spec
from export import faces_reference
from export.faces import SOURCES, Source, read_tflite
from export.tflite_port import Add, Flat, Pad, Reshape

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "avguard" / "models" / "default"
GOLDEN = ROOT / "tests" / "golden" / "faces.npz"

Arrays = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def golden() -> Arrays:
    with np.load(GOLDEN) as stored:
        return {name: stored[name] for name in stored.files}


def load(name: str) -> Program:
    return Runtime.get().load_program(MODELS / f"{name}.pte", verification=Verification.Minimal)


def forward(name: str) -> Method:
    method = load(name).load_method("forward")
    assert method is not None
    return method


def run(name: str, picture: npt.NDArray[np.uint8], low: float) -> list[npt.NDArray[np.float32]]:
    image = faces_reference.as_input(faces_reference.planes(picture, low))
    return [output.numpy().copy() for output in forward(name).execute([image])]


def detect(golden: Arrays) -> list[npt.NDArray[np.float32]]:
    return run("face_detector", golden["detector_picture"].astype(np.uint8), -1.0)


def mesh(golden: Arrays) -> list[npt.NDArray[np.float32]]:
    return run("face_mesh", golden["mesh_picture"].astype(np.uint8), 0.0)


def sigmoid(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100))))


def test_detector_answers_like_the_original(golden: Arrays) -> None:
    regressors, scores = detect(golden)
    assert regressors.shape == (1, 896, 16)
    assert scores.shape == (1, 896)
    np.testing.assert_allclose(sigmoid(scores[0]), sigmoid(golden["detector_scores"]), rtol=0, atol=1e-3)
    np.testing.assert_allclose(scores[0], golden["detector_scores"], rtol=1e-4, atol=1e-3)
    chosen = golden["detector_anchors"].astype(np.int64)
    np.testing.assert_allclose(regressors[0, chosen], golden["detector_regressors"], rtol=0, atol=0.01)


def test_golden_anchors_hold_the_best_and_every_kind(golden: Arrays) -> None:
    chosen = golden["detector_anchors"].astype(np.int64)
    best = np.argsort(-golden["detector_scores"])[: faces_reference.TOP_ANCHORS]
    assert set(best) <= set(chosen)
    assert {a % 2 for a in chosen if a < 512} == set(range(2))
    assert {(a - 512) % 6 for a in chosen if a >= 512} == set(range(6))


def test_mesh_answers_like_the_original(golden: Arrays) -> None:
    landmarks, flag = mesh(golden)
    assert landmarks.shape == (1, 468, 3)
    assert flag.shape == (1, 1)
    np.testing.assert_allclose(landmarks[0], golden["mesh_landmarks"], rtol=0, atol=0.005)
    np.testing.assert_allclose(sigmoid(flag), sigmoid(golden["mesh_flag"]), rtol=0, atol=1e-3)
    assert sigmoid(flag)[0, 0] > load_spec().face.mesh_threshold


def test_one_face_decodes_to_the_golden_square(golden: Arrays) -> None:
    faces = faces_reference.detections(*detect(golden))
    assert len(faces) == 1
    roi = faces_reference.mesh_roi(faces[0] * 512)
    np.testing.assert_allclose([roi.x, roi.y, roi.side, roi.angle], golden["roi"], rtol=0, atol=0.02)


def test_mesh_stands_on_the_detected_keypoints(golden: Arrays) -> None:
    face = faces_reference.detections(*detect(golden))[0] * 512
    roi = faces_reference.Roi(*golden["roi"].tolist())
    points = roi.to_picture(golden["mesh_landmarks"][:, :2].astype(np.float64) / load_spec().face.mesh_px)
    right_eye, left_eye, nose = points[[33, 133]].mean(0), points[[263, 362]].mean(0), points[1]
    eyes_px = float(np.linalg.norm(right_eye - left_eye))
    for ours, theirs in zip((right_eye, left_eye, nose), face[2:5], strict=True):
        assert np.linalg.norm(ours - theirs) < 0.2 * eyes_px
    again = faces_reference.roi_from_landmarks(points)
    assert math.hypot(again.x - roi.x, again.y - roi.y) < 0.1 * roi.side
    assert abs(again.side / roi.side - 1) < 0.2
    # The detector's eyes are coarse (its pixel is four of the photo's, the eyes are 44 apart): 0.11 rad here.
    assert abs(again.angle - roi.angle) < 0.2


def test_square_turns_clockwise_with_the_eyes() -> None:
    face = np.array([[0, 0], [20, 10], [4, 2], [8, 6], [0, 0], [0, 0], [0, 0], [0, 0]], dtype=np.float64)
    roi = faces_reference.mesh_roi(face)
    assert (roi.x, roi.y, roi.side) == (10.0, 5.0, 20 * load_spec().face.mesh_margin)
    assert roi.angle == pytest.approx(math.pi / 4)
    right_middle = roi.to_picture(np.array([1.0, 0.5]))
    reach = roi.side / 2 / math.sqrt(2)
    np.testing.assert_allclose(right_middle, [10 + reach, 5 + reach])


def test_a_grey_picture_has_no_face() -> None:
    side_px = load_spec().face.detector_px
    grey = np.full((side_px, side_px, 3), 128, np.uint8)
    assert faces_reference.detections(*run("face_detector", grey, -1.0)) == []
    _, flag = run("face_mesh", np.full((192, 192, 3), 128, np.uint8), 0.0)
    assert sigmoid(flag)[0, 0] < load_spec().face.mesh_threshold


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_program_says_where_it_comes_from(source: Source) -> None:
    program = load(source.name)
    said = {}
    for name in ("spec_hash", "spec_json", "source"):
        method = program.load_method(name)
        assert method is not None
        said[name] = method.execute([])[0]
    assert said["spec_hash"] == load_spec().hash
    assert said["spec_json"] == load_spec().text
    origin = json.loads(said["source"])
    assert origin["sha256"] == source.sha256
    assert origin["file"] == source.path.rsplit("/", 1)[1]
    assert source.sha256 in (MODELS / "NOTICE.md").read_text(encoding="utf-8")


def test_the_two_programs_stay_small() -> None:
    assert sum((MODELS / f"{source.name}.pte").stat().st_size for source in SOURCES) < 3_000_000
    assert GOLDEN.stat().st_size < 200_000


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "mediapipe.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(SOURCES[0].path, b"not the model")
    found = hashlib.sha256(b"not the model").hexdigest()
    with pytest.raises(ValueError, match=found):
        read_tflite(wheel, SOURCES[0])


def test_ported_operators_keep_tflite_order() -> None:
    maps = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(1, 2, 3, 4)
    channels_last = maps.permute(0, 2, 3, 1)
    assert torch.equal(Reshape((1, 24, 1), 2)(maps).flatten(), channels_last.flatten())
    assert torch.equal(Reshape((1, 12, 1), 1)(maps).flatten(), channels_last[..., 0].flatten())
    assert torch.equal(Flat()(maps).flatten(), channels_last.flatten())
    padded = Pad((0, 0, 0, 0, 0, 3))(maps)
    assert padded.shape == (1, 5, 3, 4)
    assert torch.equal(Add()(padded[:, :2], maps), 2 * maps)
    assert float(padded[:, 2:].abs().max()) == 0.0
