# SPDX-License-Identifier: Apache-2.0
"""The numbers of the line, read from ``spec.json``; every artefact carries them and their hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class AudioSpec:
    """Log-mel and linear-band features of 16 kHz mono PCM."""

    sample_rate_hz: int
    window_samples: int
    hop_samples: int
    fft_size: int
    mel_bands: int
    mel_low_hz: float
    mel_high_hz: float
    linear_bands: int
    log_floor: float
    scale: float
    frames_per_video_frame: int
    frame_offset: int


@dataclass(frozen=True)
class VideoSpec:
    """The frame grid and the aligned face canvas."""

    period_us: int
    max_hold_us: int
    canvas_px: int
    canvas_eye_y_px: float
    canvas_eye_distance_px: float
    canvas_nose_drop: float
    anchor_smoothing: float
    mouth_px: int
    mouth_left_px: int
    mouth_top_px: int
    face_every: int
    pixel_mean: float
    pixel_scale: float
    difference_scale: float


@dataclass(frozen=True)
class MotionSpec:
    """Face-mesh motion features."""

    scale: float
    pose_scale: float
    lip_points: tuple[int, ...]
    right_eye_lids: tuple[int, ...]
    left_eye_lids: tuple[int, ...]
    brow_points: tuple[int, ...]
    dims: int


@dataclass(frozen=True)
class WindowSpec:
    """What the model sees at once, in grid frames, and how many time steps it answers."""

    frames: int
    stride_frames: int
    steps: int
    minimum_frames: int
    stream_lag_frames: int


@dataclass(frozen=True)
class FaceSpec:
    """Face detection, mesh and tracking."""

    detector_px: int
    detector_every: int
    detector_threshold: float
    detector_overlap: float
    mesh_px: int
    mesh_every: int
    mesh_margin: float
    mesh_threshold: float
    track_overlap: float
    track_lost_frames: int
    max_tracks: int
    minimum_eye_distance_px: float


@dataclass(frozen=True)
class Spec:
    """All numbers. ``hash`` is the sha256 of ``text``, the canonical JSON (sorted keys, no spaces)."""

    format: int
    audio: AudioSpec
    video: VideoSpec
    motion: MotionSpec
    window: WindowSpec
    face: FaceSpec
    heads: tuple[str, ...]
    embedding_dims: int
    text: str
    hash: str


def parse_spec(raw: dict[str, Any]) -> Spec:
    """Build a Spec from parsed JSON. Raises TypeError on a missing or unknown key."""
    text = json.dumps(raw, sort_keys=True, separators=(",", ":"))
    motion: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in raw["motion"].items()
    }
    rooms = {
        "audio": AudioSpec(**raw["audio"]),
        "video": VideoSpec(**raw["video"]),
        "motion": MotionSpec(**motion),
        "window": WindowSpec(**raw["window"]),
        "face": FaceSpec(**raw["face"]),
        "heads": tuple(raw["heads"]),
    }
    return Spec(**{**raw, **rooms}, text=text, hash=hashlib.sha256(text.encode()).hexdigest())


@cache
def load_spec() -> Spec:
    """The spec this build of avguard was made with."""
    return parse_spec(json.loads(files("avguard").joinpath("spec.json").read_text(encoding="utf-8")))
