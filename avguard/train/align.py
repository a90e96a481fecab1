# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.align OUT``: lips and voice, before any head or after (contrastive pretraining).

Only what feeds the two embeddings learns: mouths, motion, the first taps of both streams. The trunks stay, so the audio
head does too. The sound of each window is moved by a number of frames that only the loss knows: without that the
embeddings learn where in its window a step lies, which zero padding tells both streams, and answer lag zero to every
question. The checkpoint is for ``settle`` or ``fit --start-from``; ``--start-from`` here goes on from another one.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from avguard.errors import UsageError
from avguard.evaluate.manifest import read_manifest
from avguard.spec import load_spec
from avguard.train.checkpoint import load_checkpoint, sources_of
from avguard.train.course import Course
from avguard.train.loop import Settings
from avguard.train.losses import alignment_loss
from avguard.train.model import JointModel, pretrained_trunks
from avguard.train.pairs import Pairs, moved, take_lips, take_sound
from avguard.train.splits import part_of
from avguard.train.validation import Validation, load_validation
from avguard.train.views import PIXELS

SPEC = load_spec()
PARTS = (
    "video.mouth", "video.motion", "video.tap1", "audio.mel", "audio.tap1", "audio.join", "embed_video", "embed_audio",
)  # fmt: skip
FARTHEST = 15  # frames to either side, as the core searches
NEAR = 1
PROBED_LAGS = (0, -6, 8)


def embeddings(model: JointModel, mouth: Tensor, motion: Tensor, mel: Tensor, linear: Tensor) -> tuple[Tensor, Tensor]:
    """Both embeddings (N, E, 1, T), without what they do not need. Raises UsageError on a model that lacks a stream."""
    if model.video is None or model.audio is None or model.embed_video is None or model.embed_audio is None:
        raise UsageError("alignment needs a model with a video, an audio and a sync-stream")
    video = model.video.tap1(torch.cat([model.video.mouth(mouth), model.video.motion(motion)], 1))
    fine = model.audio.trunk.first(linear)
    audio = model.audio.join(torch.cat([model.audio.tap1(fine), model.audio.mel(mel)], 1))
    return model.embed_video(video), model.embed_audio(audio)


def align(model: JointModel, pairs: Pairs, settings: Settings, out: Path, sources: Collection[str] = ()) -> JointModel:
    """Train PARTS of ``model`` and write the result to ``out``; returns it. A stopped run goes on where it was.

    ``sources``: that the weights have seen after it, for the checkpoint.
    """
    course = Course(model, PARTS, settings, out.with_suffix(".state"))

    def loss_of(rng: np.random.Generator) -> Tensor:
        lips = pairs.draw(settings.batch, rng)
        video, audio = embeddings(model, lips.mouth, lips.motion, lips.mel, lips.linear)
        together = torch.ones(settings.batch, dtype=torch.bool)
        return alignment_loss(video, audio, together, lags=lips.lags, own_window=True)

    course.run(loss_of)
    course.finish(out, sources)
    return course.ema.model


def lag_curves(video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean cosine at each lag from -FARTHEST to FARTHEST, two (N, E, T) -> (N, 2 * FARTHEST + 1)."""
    steps = video.shape[2]
    columns = []
    for lag in range(-FARTHEST, FARTHEST + 1):
        early, late = video[:, :, max(0, -lag) : steps - max(0, lag)], audio[:, :, max(0, lag) : steps - max(0, -lag)]
        columns.append((early * late).sum(1).mean(1))
    return np.stack(columns, 1)


@torch.no_grad()
def found(model: JointModel, windows: Validation, clips: set[str], lag: int) -> tuple[float, float]:
    """Shares of windows, and of clips by their windows' mean curve, whose lag is found within NEAR frames.

    ``lag``: video frames by which the sound of every window is made late. Of ``clips`` with picture and sound.
    """
    model.eval()
    chosen = [i for i, pair in enumerate(windows.pairs) if min(pair) >= 0 and windows.clips[i] in clips]
    curves = []
    for at in range(0, len(chosen), 32):
        pairs = np.array([windows.pairs[i] for i in chosen[at : at + 32]])
        mel, linear = (moved(x, lag) for x in take_sound(windows.audio, pairs[:, 1]))
        both = embeddings(model, *take_lips(windows.video, pairs[:, 0]), mel, linear)
        video, audio = (functional.normalize(x[:, :, 0], dim=1).numpy() for x in both)
        curves.append(lag_curves(video, audio))
    all_curves, names = np.concatenate(curves), np.array([windows.clips[i] for i in chosen])
    by_clip = np.stack([all_curves[names == name].mean(0) for name in sorted(set(names))])
    shares = [np.abs(x.argmax(1) - FARTHEST - lag) <= NEAR for x in (all_curves, by_clip)]
    return float(shares[0].mean()), float(shares[1].mean())


def main(argv: Sequence[str] | None = None) -> int:
    """Train, write, and print how often the lag of held-out clips is found; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.align", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start-from", type=Path, help="a checkpoint; by default ImageNet's trunks")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AVGUARD_SHARED", "../shared")) / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/store"), help="folder of windows")
    parser.add_argument("--steps", type=int, default=1500, help="about two a second on one core")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    settings = Settings(
        steps=args.steps, batch=args.batch, learning_rate=1e-3, weight_decay=0.05, ema=0.99, seed=args.seed
    )
    rows = list(read_manifest(args.data))
    sources = {row.source for row in rows if part_of(row) == "train"}
    torch.manual_seed(args.seed)
    if args.start_from:
        model = load_checkpoint(args.start_from)
        sources |= set(sources_of(args.start_from))
    else:
        model = JointModel(settings.width, settings.dropout)
        pretrained_trunks(model)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    aligned = align(model, Pairs(*PIXELS.pools(args.work / "windows/train"), rows), settings, args.out, sources)
    windows = load_validation(args.work / "windows", rows)
    honest = {Path(row.path).stem for row in rows if row.kind == "real"}
    for lag in PROBED_LAGS:
        of_windows, of_clips = found(aligned, windows, honest, lag)
        print(f"sound {lag:+d} frames late: found in {of_windows:.0%} of windows, {of_clips:.0%} of clips")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
