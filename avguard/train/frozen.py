# SPDX-License-Identifier: Apache-2.0
"""What trunks that are not trained make of every window, computed once, so that a run costs minutes.

Beside every shard of windows lies a shard of features, float16: ``looks`` (n, 4, C), the pooled taps of the faces that
the trunk looks at; ``fine``, ``middle`` and ``coarse`` (n, C, bands, T), the taps of the sound's trunk that are used.
The trunks have ImageNet's weights. Their batch-norm statistics are those of photographs, which aligned faces and bands
are not: they are estimated anew on training windows of bona fide clips, without labels. ``trunks.pt`` keeps what was
used, ``zero.npz`` the features of a window of nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avguard.evaluate.manifest import read_manifest
from avguard.spec import load_spec
from avguard.train.backbone import Trunk
from avguard.train.model import JointModel, pretrained_trunks
from avguard.train.splits import part_of
from avguard.train.store import Columns, Pool, decode_video, map_shard, write_shard

SPEC = load_spec()
PARTS = ("train", "validation", "natural")
SETTLING_WINDOWS, BATCH = 512, 32
TAPS = ("fine", "middle", "coarse")


def folder_of_features(store: Path) -> Path:
    """Where the features of ``store``, a folder of windows, lie."""
    return store.with_name(f"{store.name}-frozen")


def trunks_of(model: JointModel) -> dict[str, Trunk]:
    """The trunks of ``model`` by stream."""
    streams = {"video": model.video and model.video.face.trunk, "audio": model.audio and model.audio.trunk}
    return {name: trunk for name, trunk in streams.items() if trunk is not None}


def load_trunks(model: JointModel, features: Path) -> None:
    """Give ``model`` the trunks that ``features`` were made with; they are not trained."""
    saved = torch.load(features / "trunks.pt", map_location="cpu", weights_only=True)
    for name, trunk in trunks_of(model).items():
        trunk.load_state_dict(saved[name])
        trunk.freeze(1 + len(trunk.stages))


@torch.no_grad()
def looks_of(model: JointModel, face: Tensor) -> Tensor:
    """Faces (N, 12, 3 or 4, 112, 112) -> (N, 4, C)."""
    assert model.video is not None
    return model.video.face.looks(face).reshape(len(face), -1, sum_of_channels(model))


def sum_of_channels(model: JointModel) -> int:
    """Channels of all taps of the faces' trunk together."""
    assert model.video is not None
    return int(model.video.face.look[0].in_channels)


@torch.no_grad()
def taps_of(model: JointModel, linear: Tensor) -> tuple[Tensor, ...]:
    """Linear bands (N, 1, bands, T) -> the taps that are used."""
    assert model.audio is not None
    fine, middle, _, coarse = model.audio.trunk(linear)
    return fine, middle, coarse


def settle(model: JointModel, faces: Tensor, linear: Tensor) -> None:
    """Estimate the statistics of both trunks anew on faces (N, 12, 3, 112, 112) and bands (N, 1, bands, T)."""
    model.eval()
    norms = [m for trunk in trunks_of(model).values() for m in trunk.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    for at in range(0, len(faces), BATCH):
        looks_of(model, faces[at : at + BATCH])
    for at in range(0, len(linear), BATCH):
        taps_of(model, linear[at : at + BATCH])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def make_features(data: Path, store: Path) -> Path:
    """Write the features that ``store`` lacks; returns their folder."""
    out = folder_of_features(store)
    out.mkdir(parents=True, exist_ok=True)
    model = JointModel().eval().to(memory_format=torch.channels_last)
    if not (out / "trunks.pt").exists():
        pretrained_trunks(model)
        settle(model, *_bona_fide(data, store))
        saved = {name: trunk.state_dict() for name, trunk in trunks_of(model).items()}
        torch.save({**saved, "spec_hash": SPEC.hash}, out / "trunks.pt")
    load_trunks(model, out)
    if not (out / "zero.npz").exists():
        write_shard(out, "zero", _nothing(model))
    for part in PARTS:
        for kind, make in (("video", video_features), ("audio", audio_features)):
            _fill(store / part / kind, out / part / kind, lambda columns, make=make: make(model, columns))  # type: ignore[misc]
    return out


def _bona_fide(data: Path, store: Path) -> tuple[Tensor, Tensor]:
    real = {Path(r.path).stem for r in read_manifest(data) if r.kind == "real" and part_of(r) == "train"}
    rng, chosen = np.random.default_rng(0), []
    for kind in ("video", "audio"):
        pool = Pool(store / "train" / kind)
        pool.refresh()
        ids = np.flatnonzero([str(clip) in real for clip in pool.column("clip")])
        chosen.append((pool, rng.permutation(ids)[:SETTLING_WINDOWS]))
    (video, faces), (audio, sounds) = chosen
    face, *_ = decode_video(video, faces)
    return torch.from_numpy(face[:, :, :3]), torch.from_numpy(audio.take("linear", sounds).astype(np.float32)[:, None])


def _nothing(model: JointModel) -> Columns:
    video, audio = SPEC.video, SPEC.audio
    faces = torch.zeros(1, SPEC.window.frames // video.face_every, 3, video.canvas_px, video.canvas_px)
    linear = torch.zeros(1, 1, audio.linear_bands, SPEC.window.frames * audio.frames_per_video_frame)
    taps = (half(tap)[0] for tap in taps_of(model, linear))
    return {"looks": half(looks_of(model, faces))[0], **dict(zip(TAPS, taps, strict=True))}


def half(values: Tensor) -> NDArray[np.float16]:
    """As it is stored."""
    return values.contiguous().half().numpy()


def video_features(model: JointModel, columns: Columns) -> Columns:
    """``looks`` of a video shard."""
    pixels = torch.from_numpy(np.array(columns["rgb"]))
    out = []
    for at in range(0, len(pixels), BATCH):
        face = (pixels[at : at + BATCH].float() - SPEC.video.pixel_mean) * SPEC.video.pixel_scale
        out.append(half(looks_of(model, face)))
    return {"looks": np.concatenate(out)}


def audio_features(model: JointModel, columns: Columns) -> Columns:
    """Taps of an audio shard."""
    linear = torch.from_numpy(np.array(columns["linear"]))[:, None]
    taps = [
        [half(tap) for tap in taps_of(model, linear[at : at + BATCH].float())] for at in range(0, len(linear), BATCH)
    ]
    return {name: np.concatenate([batch[i] for batch in taps]) for i, name in enumerate(TAPS)}


def _fill(windows: Path, out: Path, make: Callable[[Columns], Columns]) -> None:
    todo = [path for path in sorted(windows.glob("*.npz")) if not (out / path.name).exists()]
    for number, path in enumerate(todo, 1):
        write_shard(out, path.stem, make(map_shard(path)))
        print(f"\rfeatures {out.parent.name}/{out.name} {number}/{len(todo)}", end="", file=sys.stderr, flush=True)
