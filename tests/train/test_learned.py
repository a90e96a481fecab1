# SPDX-License-Identifier: Apache-2.0
"""The forge's neural families: they learn, keep the forge's contract, and are missed aloud."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from avguard.errors import InputNotFoundError
from avguard.train.forge import audio, face_coder, learned, neural_vocoder, video
from tests.train.synthetic_face import talking_face

CANVASES, POINTS = talking_face(24, 1)


def voice(seconds: float = 2.0) -> np.ndarray:
    t = np.arange(int(16000 * seconds)) / 16000
    pitch = 120 + 20 * np.sin(2 * np.pi * 2 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / 16000
    wave = sum(np.sin(k * phase) / k for k in range(1, 20)) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    return (0.1 * wave).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("generators")
    face_coder.train_coder("nearest4", CANVASES, path / "face_nearest4.pt", 0.15)
    neural_vocoder.train_vocoder("spectral", [voice()], path / "voice_spectral.pt", 0.15)
    torch.save({"kind": "time", "model": neural_vocoder.make("time").state_dict()}, path / "voice_time.pt")
    return path


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(video, "FAMILIES", dict(video.FAMILIES))
    monkeypatch.setattr(video, "WEIGHTS", dict(video.WEIGHTS))
    monkeypatch.setattr(audio, "FAMILIES", dict(audio.FAMILIES))
    return learned.install(folder)


def test_training_brings_the_reconstruction_nearer(folder: Path) -> None:
    def error(model: face_coder.FaceCoder) -> float:
        rebuilt = face_coder.rebuild(model.eval(), CANVASES).astype(float)
        return float(np.abs(rebuilt - CANVASES).mean())

    torch.manual_seed(0)
    trained = face_coder.FaceCoder(face_coder.KINDS["nearest4"])
    before = error(trained)
    trained.load_state_dict(torch.load(folder / "face_nearest4.pt", weights_only=True)["model"])
    assert error(trained) < 0.7 * before


@pytest.mark.parametrize("kind", face_coder.KINDS)
def test_every_coder_keeps_the_shape(kind: str) -> None:
    out = face_coder.rebuild(face_coder.FaceCoder(face_coder.KINDS[kind]).eval(), CANVASES[:2], disturb=0.1)
    assert out.shape == CANVASES[:2].shape
    assert out.dtype == np.uint8


def test_a_rebuilt_face_is_labelled_and_leaves_the_rest_alone(installed: list[str]) -> None:
    forged = video.forge_video(CANVASES, POINTS, np.random.default_rng(0), family="rebuilt_nearest4")
    assert forged.frame_fake.any()
    assert not forged.breaks_sync
    corner = np.s_[:, :6, :6]
    assert np.array_equal(forged.canvases[corner], CANVASES[corner])
    again = video.forge_video(CANVASES, POINTS, np.random.default_rng(0), family="rebuilt_nearest4")
    assert np.array_equal(forged.canvases, again.canvases)


@pytest.mark.parametrize("family", learned.VOICE_FAMILIES)
def test_a_resynthesised_voice_keeps_length_and_silence(installed: list[str], family: str) -> None:
    pcm = voice(1.0)[:15777]
    fake, name = audio.forge_audio(pcm, np.random.default_rng(0), family)
    assert name == family
    assert fake.shape == pcm.shape
    assert fake.dtype == np.float32
    assert not np.allclose(fake, pcm, atol=1e-3)
    silent, _ = audio.forge_audio(np.zeros(8000, np.float32), np.random.default_rng(0), family)
    assert not silent.any()


def test_names_are_those_installed(installed: list[str]) -> None:
    assert installed == ["rebuilt_nearest4", "neural_spectral", "neural_time"]


def test_no_generators_is_said_aloud(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"avguard\.train generators"):
        learned.install(tmp_path)
