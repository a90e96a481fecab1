# SPDX-License-Identifier: Apache-2.0
"""Reference for the face programs: the original TFLite models, MediaPipe's decoding rules in numpy, golden values.

Rules as documented by MediaPipe (face_detection_short_range and face_landmark_front graphs, Apache-2.0).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from executorch.runtime import Method, Runtime, Verification

from avguard.spec import load_spec

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

TOP_ANCHORS = 8
# Coprime to 2 and 6, the anchors per cell: every one of the eight anchor kinds gets into the sample.
ANCHOR_STEP = 13
LANDMARK_TOLERANCE_PX = 0.05
SCORE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Roi:
    """A rotated square in picture pixels; ``angle`` in radians, clockwise as seen."""

    x: float
    y: float
    side: float
    angle: float

    def to_picture(self, unit: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(...,2) points in 0..1 of the square to picture pixels."""
        offset = (unit - 0.5) * self.side
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turned = offset @ np.array([[cos, sin], [-sin, cos]])
        return np.asarray(turned + np.array([self.x, self.y]))


def letterbox(picture: ByteArray) -> Roi:
    """The smallest centred square that holds the whole picture."""
    height, width = picture.shape[:2]
    return Roi(width / 2, height / 2, float(max(width, height)), 0.0)


def crop(picture: ByteArray, roi: Roi, side_px: int, replicate: bool) -> ByteArray:
    """(side_px,side_px,3) uint8: ``roi`` of (H,W,3), bilinear, averaged over sub-samples when it shrinks."""
    fine = max(1, math.ceil(roi.side / side_px))
    centres = (np.arange(side_px * fine) + 0.5) / (side_px * fine)
    points = roi.to_picture(np.stack(np.meshgrid(centres, centres), axis=-1)) - 0.5
    height, width = picture.shape[:2]
    limit = np.array([width - 1, height - 1])
    inside = np.all((points > -1) & (points < limit + 1), axis=-1, keepdims=True)
    points = np.clip(points, 0, limit)
    low = np.minimum(points.astype(np.int64), limit - 1)
    part = points - low
    x, y = low[..., 0], low[..., 1]
    px, py = part[..., :1], part[..., 1:]
    rows = picture.astype(np.float64)
    top = rows[y, x] * (1 - px) + rows[y, x + 1] * px
    bottom = rows[y + 1, x] * (1 - px) + rows[y + 1, x + 1] * px
    values = top * (1 - py) + bottom * py
    if not replicate:
        values = values * inside
    values = values.reshape(side_px, fine, side_px, fine, 3).mean((1, 3))
    return np.asarray(np.rint(values), dtype=np.uint8)


def planes(picture: ByteArray, low: float) -> FloatArray:
    """(1,3,H,W) float32 in [low,1] of (H,W,3) uint8."""
    scaled = picture.astype(np.float32) / 255 * (1 - low) + low
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32)


def anchors() -> npt.NDArray[np.float64]:
    """(896,2) anchor centres in 0..1: two per cell of a 16x16 map, then six per cell of an 8x8 map."""
    maps = []
    for cells, each in ((16, 2), (8, 6)):
        centre = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(centre, centre), axis=-1).reshape(-1, 2)
        maps.append(np.repeat(grid, each, axis=0))
    return np.concatenate(maps)


def decode(regressors: FloatArray, scores: FloatArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Boxes with keypoints (896,8,2) in 0..1 (rows: corner, corner, six keypoints) and scores (896,) in 0..1."""
    side_px = load_spec().face.detector_px
    points = regressors.reshape(896, 8, 2).astype(np.float64) / side_px
    half = points[:, 1] / 2
    points = points + anchors()[:, None]
    centre = points[:, 0].copy()
    points[:, 0], points[:, 1] = centre - half, centre + half
    return points, 1 / (1 + np.exp(-np.clip(scores.reshape(896).astype(np.float64), -100, 100)))


def _overlap(one: npt.NDArray[np.float64], many: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, high = np.maximum(one[0], many[:, 0]), np.minimum(one[1], many[:, 1])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    whole = np.prod(one[1] - one[0]) + np.prod(many[:, 1] - many[:, 0], axis=-1)
    return np.asarray(shared / (whole - shared))


def detections(regressors: FloatArray, scores: FloatArray) -> list[npt.NDArray[np.float64]]:
    """Faces (8,2) in 0..1, best first, by score-weighted non-maximum suppression."""
    face = load_spec().face
    points, score = decode(regressors, scores)
    kept = np.flatnonzero(score >= face.detector_threshold)
    kept = kept[np.argsort(-score[kept], kind="stable")]
    found = []
    while kept.size:
        near = _overlap(points[kept[0]], points[kept]) > face.detector_overlap
        near[0] = True
        found.append(np.average(points[kept[near]], axis=0, weights=score[kept[near]]))
        kept = kept[~near]
    return found


def mesh_roi(face: npt.NDArray[np.float64]) -> Roi:
    """The mesh's square from a detection (8,2) in picture pixels: turned by the eyes, 1.5 times the box."""
    box, right_eye, left_eye = face[:2], face[2], face[3]
    centre, size, eyes = box.mean(0), box[1] - box[0], left_eye - right_eye
    side = float(size.max()) * load_spec().face.mesh_margin
    return Roi(float(centre[0]), float(centre[1]), side, math.atan2(eyes[1], eyes[0]))


def roi_from_landmarks(points: npt.NDArray[np.float64]) -> Roi:
    """The next frame's square from (468,2) landmarks in picture pixels."""
    box = np.stack([points.min(0), points.max(0)])
    return mesh_roi(np.stack([*box, points[33], points[263]]))


def run_original(model: bytes, image: FloatArray) -> list[FloatArray]:
    """Outputs of a TFLite model for (1,3,H,W), by TFLite's own kernels: XNNPACK would only be compared with itself."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter: Any = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image.transpose(0, 2, 3, 1).copy())
    interpreter.invoke()
    return [np.array(interpreter.get_tensor(detail["index"])) for detail in interpreter.get_output_details()]


def as_input(image: FloatArray) -> torch.Tensor:
    """(1,3,H,W) with the channels of a pixel side by side, as the programs take it."""
    return torch.from_numpy(image).contiguous(memory_format=torch.channels_last)


def _method(program: bytes) -> Method:
    return Runtime.get().load_program(program, verification=Verification.Minimal).load_method("forward")


def run_program(program: bytes, image: FloatArray) -> list[FloatArray]:
    """Outputs of a .pte for (1,3,H,W)."""
    return [output.numpy().copy() for output in _method(program).execute([as_input(image)])]


def latency_us(program: bytes, side_px: int, runs: int = 50) -> int:
    """Smallest time of one run on one thread."""
    from executorch.extension.pybindings._C import _unsafe_reset_threadpool

    _unsafe_reset_threadpool(1)
    method, image = _method(program), [as_input(np.zeros((1, 3, side_px, side_px), np.float32))]
    method.execute(image)
    times_ns = []
    for _ in range(runs):
        start_ns = time.perf_counter_ns()
        method.execute(image)
        times_ns.append(time.perf_counter_ns() - start_ns)
    return min(times_ns) // 1000


def _compare(name: str, originals: list[FloatArray], ours: list[FloatArray]) -> str:
    apart = [float(np.abs(a.reshape(b.shape) - b).max()) for a, b in zip(originals, ours, strict=True)]
    if apart[0] > LANDMARK_TOLERANCE_PX or apart[1] > SCORE_TOLERANCE:
        raise ValueError(f"{name}: the program differs from the original by {apart}")
    return f"{name}: max difference {apart[0]:.2e} px, {apart[1]:.2e} logit"


def write_golden(originals: dict[str, bytes], programs: dict[str, bytes], path: Path) -> list[str]:
    """Write the reference values of scikit-image's astronaut (NASA, public domain); returns what was measured.

    Raises ValueError when a program differs from its original on the photo, on a wide part of it, or on noise.
    """
    import skimage.data

    spec = load_spec().face
    photo: ByteArray = skimage.data.astronaut()
    whole = crop(photo, letterbox(photo), spec.detector_px, replicate=False)
    boxes, scores = run_original(originals["face_detector"], planes(whole, -1.0))
    roi = mesh_roi(letterbox(photo).to_picture(detections(boxes, scores)[0]))
    face = crop(photo, roi, spec.mesh_px, replicate=True)
    landmarks, flag = run_original(originals["face_mesh"], planes(face, 0.0))

    wide = photo[:300]
    rng = np.random.default_rng(7)
    noise = rng.integers(0, 256, (spec.mesh_px, spec.mesh_px, 3), dtype=np.uint8)
    pictures = {
        "face_detector": {
            "astronaut": planes(whole, -1.0),
            "astronaut, upper part": planes(crop(wide, letterbox(wide), spec.detector_px, replicate=False), -1.0),
            "noise": planes(noise[: spec.detector_px, : spec.detector_px], -1.0),
        },
        "face_mesh": {"astronaut": planes(face, 0.0), "noise": planes(noise, 0.0)},
    }
    report = [
        _compare(f"{name}, {title}", run_original(originals[name], image), run_program(programs[name], image))
        for name, images in pictures.items()
        for title, image in images.items()
    ]
    flat = scores.reshape(896)
    chosen = np.unique(np.concatenate([np.argsort(-flat)[:TOP_ANCHORS], np.arange(0, 896, ANCHOR_STEP)]))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        detector_picture=whole,
        detector_scores=flat,
        detector_anchors=chosen.astype(np.int32),
        detector_regressors=boxes[0, chosen],
        mesh_picture=face,
        mesh_landmarks=landmarks.reshape(468, 3),
        mesh_flag=flag.reshape(1, 1),
        roi=np.array([roi.x, roi.y, roi.side, roi.angle]),
    )
    return report
