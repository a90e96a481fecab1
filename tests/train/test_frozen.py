# SPDX-License-Identifier: Apache-2.0
"""Features of trunks that are not trained: what they would say, and a model that goes on from there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avguard.spec import load_spec
from avguard.train.checkpoint import load_checkpoint
from avguard.train.frozen import TAPS, load_trunks, make_features, trunks_of
from avguard.train.loop import Settings, Trainer
from avguard.train.model import JointModel
from avguard.train.store import encode_audio, encode_video, map_shard, write_shard
from avguard.train.views import PIXELS, Frozen, tensors
from avguard.train.windows import AudioWindow, VideoWindow
from tests.train.manifests import write_clips
from tests.train.test_dataset import audio, video

SPEC = load_spec()
NAMES = {"real1": ("real", 0), "real2": ("real", 0), "fake1": ("fake", 1), "fake2": ("fake", 1)}
TINY = Settings(steps=2, batch=4, width=0.25, validate_steps=10, frozen_trunks=1)
EVERY_FACE = slice(None)


def busy_video(clip: str, label: float, rng: np.random.Generator, family: str = "") -> VideoWindow:
    """Smooth random pictures, in the values that pixels can have."""
    coarse = rng.integers(0, 256, (12, 4, 14, 14)).repeat(8, 2).repeat(8, 3)
    face = ((coarse - SPEC.video.pixel_mean) * SPEC.video.pixel_scale).astype(np.float32)
    face[:, 3:] = ((coarse[:, 3:] // 4 - 32) * SPEC.video.difference_scale).astype(np.float32)
    mouth = ((rng.integers(0, 256, (48, 1, 48, 48)) - SPEC.video.pixel_mean) * SPEC.video.pixel_scale).astype(
        np.float32
    )
    motion = rng.standard_normal((SPEC.motion.dims, 1, 48)).astype(np.float32)
    return replace(video(clip, 0, label, family), face=face, mouth=mouth, motion=motion)


def busy_audio(clip: str, label: float, rng: np.random.Generator, family: str = "") -> AudioWindow:
    mel, linear = (
        rng.standard_normal((bands, 192)).astype(np.float32)
        for bands in (SPEC.audio.mel_bands, SPEC.audio.linear_bands)
    )
    return replace(audio(clip, 0, label, family), mel=mel, linear=linear)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("frozen")
    data, store = root / "data", root / "windows"
    write_clips(data, {n: (kind, flag, "g" * flag) for n, (kind, flag) in NAMES.items()})
    rng = np.random.default_rng(0)
    videos = [busy_video(name, flag, rng) for name, (_, flag) in NAMES.items()]
    sounds = [busy_audio(name, flag, rng) for name, (_, flag) in NAMES.items()]
    forged = [busy_video("real1", 1, rng, "self_blend")], [busy_audio("real1", 1, rng, "world")]
    for part in ("train", "validation", "natural"):
        more = forged if part == "train" else ([], [])
        write_shard(store / part / "video", "a", encode_video(videos + more[0]))
        write_shard(store / part / "audio", "a", encode_audio(sounds + more[1]))
    make_features(data, store)
    return data, store


@pytest.fixture(scope="module")
def model(folders: tuple[Path, Path]) -> JointModel:
    torch.manual_seed(0)
    made = JointModel()
    load_trunks(made, folders[1].with_name("windows-frozen"))
    return made.eval()


def test_a_model_goes_on_from_features_as_it_would_from_pixels(folders: tuple[Path, Path], model: JointModel) -> None:
    store, ids = folders[1], np.array([0, 2, -1, 3])
    sounds = np.array([0, -1, 1, 3])
    frozen = Frozen(store, ("video", "audio", "sync"), EVERY_FACE)
    whole = PIXELS.pack(*PIXELS.pools(store / "train"), ids, sounds)
    parts = frozen.pack(*frozen.pools(store / "train"), ids, sounds)
    with torch.no_grad():
        wanted, found = model(*tensors(whole, "cpu")), frozen.net(model)(*tensors(parts, "cpu"))
    for one, other in zip(wanted, found, strict=True):
        assert one.std() > 0.01
        assert torch.allclose(one[ids >= 0], other[ids >= 0], atol=1e-2), (one - other).abs().max()
    # Without a picture only what is said of the sound counts.
    for one, other in ((wanted[0][:, 1], found[0][:, 1]), (wanted[1][:, 1], found[1][:, 1]), (wanted[3], found[3])):
        assert torch.allclose(one, other, atol=1e-2)


def test_windows_of_sound_alone_are_answered_alone(folders: tuple[Path, Path], model: JointModel) -> None:
    frozen = Frozen(folders[1], ("video", "audio", "sync"))
    parts = frozen.pack(*frozen.pools(folders[1] / "train"), np.array([-1, -1]), np.array([0, 1]))
    with torch.no_grad():
        window, *_ = frozen.net(model)(*tensors(parts, "cpu"))
    assert window.shape == (2, 4)
    assert window[0, 1] != window[1, 1]


def test_features_are_what_the_trunks_say(folders: tuple[Path, Path], model: JointModel) -> None:
    store = folders[1]
    shard = map_shard(store / "train/audio/a.npz")
    made = map_shard(store.with_name("windows-frozen") / "train/audio/a.npz")
    with torch.no_grad():
        fine, middle, _, coarse = model.audio.trunk(torch.from_numpy(np.array(shard["linear"])).float()[:, None])
    for name, tap in zip(TAPS, (fine, middle, coarse), strict=True):
        assert made[name].dtype == np.float16
        np.testing.assert_allclose(made[name].astype(np.float32), tap.numpy(), rtol=1e-2, atol=1e-2)


def test_the_statistics_are_those_of_the_windows(model: JointModel, folders: tuple[Path, Path]) -> None:
    stem = trunks_of(model)["audio"].stem[1]
    linear = np.concatenate([map_shard(folders[1] / "train/audio/a.npz")["linear"][i : i + 1] for i in (0, 1, 4)])
    out = trunks_of(model)["audio"].stem[0](torch.from_numpy(linear.astype(np.float32))[:, None])
    assert torch.allclose(out.mean((0, 2, 3)), stem.running_mean, atol=1e-4)
    # Of bona fide clips: a given fake among them would show.
    fake = map_shard(folders[1] / "train/audio/a.npz")["linear"].astype(np.float32)[:, None]
    all_of_them = trunks_of(model)["audio"].stem[0](torch.from_numpy(fake))
    assert not torch.allclose(all_of_them.mean((0, 2, 3)), stem.running_mean, atol=1e-4)


def test_features_that_are_there_are_not_made_again(folders: tuple[Path, Path]) -> None:
    data, store = folders
    features = store.with_name("windows-frozen")
    kept = features / "train/video/a.npz"
    before = kept.stat().st_mtime_ns
    (features / "validation/audio/a.npz").unlink()
    make_features(data, store)
    assert kept.stat().st_mtime_ns == before
    assert (features / "validation/audio/a.npz").exists()


def test_a_run_trains_all_but_the_trunks_and_leaves_a_whole_checkpoint(
    folders: tuple[Path, Path], model: JointModel, tmp_path: Path
) -> None:
    trainer = Trainer(TINY, *folders, tmp_path / "run")
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run()
    moved = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in moved if ".trunk." in name}
    assert {"video.face.look.0.weight", "video.face.light.0.0.weight", "audio.tap3.net.0.weight"} <= moved
    whole = load_checkpoint(tmp_path / "run/checkpoint.pt")
    for name, trunk in trunks_of(whole).items():
        for key, value in trunk.state_dict().items():
            assert torch.equal(value, trunks_of(model)[name].state_dict()[key]), key


@pytest.mark.parametrize(("streams", "unread"), [("video", "audio"), ("audio", "video")])
def test_what_a_run_does_not_need_is_not_read(
    folders: tuple[Path, Path], tmp_path: Path, streams: str, unread: str
) -> None:
    trainer = Trainer(replace(TINY, streams=streams), *folders, tmp_path / "run")
    batch = trainer.sampler.draw(8, np.random.default_rng(0))
    face, mouth, motion, looks, mel, *taps = batch.inputs
    zero = trainer.views.zero
    there = {
        "video": [face, mouth, motion, looks - zero["looks"]],
        "audio": [mel, *(tap - zero[name] for name, tap in zip(TAPS, taps, strict=True))],
    }
    assert not any(values.any() for values in there[unread])
    assert all(values.any() for values in there[streams])
    trainer.run()
    assert trainer.step == TINY.steps
