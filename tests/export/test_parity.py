# SPDX-License-Identifier: Apache-2.0
"""The programs that ship against the checkpoint they were made from, on windows of a clip and on the self-test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from avguard import _core
from avguard.line import self_test
from avguard.media import open_media
from avguard.models import Bundle, open_bundle
from avguard.train.cache import extract_clip
from avguard.train.checkpoint import load_checkpoint
from avguard.train.graph import deployable
from avguard.train.windows import load_clip, plain_video, sound_windows, window_starts

CHECKPOINT = Path(__file__).resolve().parents[2] / "export/checkpoints/joint.pt"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle()


@pytest.fixture(scope="module")
def windows(demo_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[np.ndarray]]:
    """Model inputs of the demo clip, through the same extract mode and packing as training."""
    folder = tmp_path_factory.mktemp("clip") / "demo"
    extract_clip(demo_clip, folder)
    clip = load_clip(folder)
    inputs = []
    for start in window_starts(clip, None):
        video = plain_video(clip, start, 0.0, None)
        (audio,) = sound_windows(clip, [start], clip.samples, None, 0.0, "")
        assert video is not None
        inputs.append([video.face, video.mouth, video.motion, audio.mel[None], audio.linear[None]])
    return inputs


def logits_of(program: _core.Program, inputs: list[np.ndarray]) -> np.ndarray:
    return program.run([np.ascontiguousarray(x, np.float32) for x in inputs])[0]


def test_float_program_equals_torch(bundle: Bundle, windows: list[list[np.ndarray]]) -> None:
    model = deployable(load_checkpoint(CHECKPOINT))
    program = _core.Program(bundle.program("joint_float"))
    for inputs in windows:
        with torch.no_grad():
            expected = model(*(torch.from_numpy(np.ascontiguousarray(x))[None] for x in inputs))[0][0].numpy()
        assert np.abs(logits_of(program, inputs) - expected).max() < 1e-3


def test_int8_program_stays_near_the_float_one(bundle: Bundle, windows: list[list[np.ndarray]]) -> None:
    programs = [_core.Program(bundle.program(f"joint_{kind}")) for kind in ("float", "int8")]
    gaps = [np.abs(logits_of(programs[0], x) - logits_of(programs[1], x)) for x in windows]
    assert float(np.mean(gaps)) < 0.6


def test_each_program_reproduces_its_own_vectors(bundle: Bundle) -> None:
    assert self_test(bundle, "joint_float") < 1e-3
    assert self_test(bundle, "joint_int8") < 0.3


def test_the_session_sees_what_training_saw(demo_clip: Path, bundle: Bundle, windows: list[list[np.ndarray]]) -> None:
    """The product's window scores are the program's own logits on the training side's tensors.

    But for the fractions of a level, which the core's crops keep and training's bytes do not: up to 0.005 here.
    """
    from avguard.line import feed
    from avguard.train.calibrate import identity_calibration

    model = _core.Model(
        bundle.program("face_detector"),
        bundle.program("face_mesh"),
        bundle.program("joint_float"),
        identity_calibration(),
        {"id": "", "licence": "", "engine": ""},
    )
    session = _core.Session(model)
    with open_media(demo_clip) as reader:
        feed(reader, session)
    session.finish()
    scores = [event["scores"]["video"] for event in session.poll() if event["kind"] == "window"]
    program = _core.Program(bundle.program("joint_float"))
    expected = [1 / (1 + np.exp(-float(logits_of(program, inputs)[0]))) for inputs in windows]
    assert scores[: len(expected)] == pytest.approx(expected, abs=1e-2)
