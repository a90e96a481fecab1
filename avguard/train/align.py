# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.align OUT``: lips and voice first, before any head (contrastive pretraining).

Only what feeds the two embeddings learns: mouths, motion, the first taps of both streams. The sound of each bona fide
window is moved by a number of frames that only the loss knows: without that the embeddings learn where in its window
a step lies, which zero padding tells both streams, and answer lag zero to every question. The checkpoint is for ``fit
--start-from OUT``; ``--start-from`` here goes on from another one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from avguard.errors import UsageError
from avguard.evaluate.manifest import read_manifest
from avguard.spec import load_spec
from avguard.train.checkpoint import load_checkpoint
from avguard.train.dataset import Sampler
from avguard.train.loop import Settings, learning_rate, make_sampler
from avguard.train.losses import alignment_loss
from avguard.train.model import JointModel, pretrained_trunks
from avguard.train.store import Pool
from avguard.train.validation import Validation, load_validation, natural_inputs

SPEC = load_spec()
PARTS = (
    "video.mouth", "video.motion", "video.tap1", "audio.mel", "audio.trunk", "audio.tap1", "audio.join",
    "embed_video", "embed_audio",
)  # fmt: skip
FARTHEST = 15  # frames to either side, as the core searches
NEAR = 1
PROBED_LAGS = (0, -6, 8)


def embeddings(model: JointModel, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Both embeddings (N, E, 1, T), without what they do not need. Raises UsageError on a model that lacks a stream."""
    if model.video is None or model.audio is None or model.embed_video is None or model.embed_audio is None:
        raise UsageError("alignment needs a model with a video, an audio and a sync-stream")
    _, mouth, motion, mel, linear = inputs
    video = model.video.tap1(torch.cat([model.video.mouth(mouth), model.video.motion(motion)], 1))
    fine = model.audio.trunk(linear)[0]
    audio = model.audio.join(torch.cat([model.audio.tap1(fine), model.audio.mel(mel)], 1))
    return model.embed_video(video), model.embed_audio(audio)


def align(model: JointModel, sampler: Sampler, settings: Settings, seconds: float = float("inf")) -> int:
    """Train PARTS of ``model`` in place for ``settings.steps`` steps or ``seconds``; returns the steps done."""
    parameters = [p for part in PARTS for p in model.get_submodule(part).parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    rng, began, step = np.random.default_rng(settings.seed), time.monotonic(), 0
    while step < settings.steps and time.monotonic() - began < seconds:
        progress = max(step / settings.steps, (time.monotonic() - began) / seconds)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, progress)
        batch = sampler.draw_bona_fide(settings.batch, rng)
        model.train()
        video, audio = embeddings(model, [torch.from_numpy(x) for x in batch.inputs])
        in_sync, lags = torch.from_numpy(batch.in_sync), torch.from_numpy(batch.lags)
        loss = alignment_loss(video, audio, in_sync, lags=lags, own_window=True)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        if step % 20 == 0:
            print(f"\rstep {step} alignment {float(loss.detach()):.3f} ", end="", file=sys.stderr, flush=True)
    return step


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
        inputs = natural_inputs(windows.video, windows.audio, [windows.pairs[i] for i in chosen[at : at + 32]])
        moved = [np.roll(x, lag * SPEC.audio.frames_per_video_frame, -1) for x in inputs[3:]]
        both = embeddings(model, [torch.from_numpy(x) for x in (*inputs[:3], *moved)])
        video, audio = (functional.normalize(x[:, :, 0], dim=1).numpy() for x in both)
        curves.append(lag_curves(video, audio))
    all_curves, names = np.concatenate(curves), np.array([windows.clips[i] for i in chosen])
    by_clip = np.stack([all_curves[names == name].mean(0) for name in sorted(set(names))])
    shares = [np.abs(x.argmax(1) - FARTHEST - lag) <= NEAR for x in (all_curves, by_clip)]
    return float(shares[0].mean()), float(shares[1].mean())


def main() -> int:
    """Train, write, and print how often the lag of held-out clips is found; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.align", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start-from", type=Path, help="a checkpoint; by default ImageNet's trunks")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AVGUARD_SHARED", "../shared")) / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/store"), help="folder of windows")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    settings = Settings(
        steps=1_000_000, batch=args.batch, learning_rate=1e-3, warmup=0.05, weight_decay=0.05, seed=args.seed,
        without_parts="validation,test",
    )  # fmt: skip
    rows = list(read_manifest(args.data))
    pools = [Pool(args.work / "windows/train" / kind) for kind in ("video", "audio")]
    for pool in pools:
        pool.refresh()
    if args.start_from:
        model = load_checkpoint(args.start_from)
    else:
        model = JointModel(settings.width, settings.dropout)
        pretrained_trunks(model)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    align(model, make_sampler(settings, *pools, rows), settings, 60 * args.minutes)
    torch.save({"model": model.state_dict(), "config": model.config, "spec_hash": SPEC.hash}, args.out)
    windows = load_validation(args.work / "windows", rows)
    honest = {Path(row.path).stem for row in rows if row.kind == "real"}
    for lag in PROBED_LAGS:
        of_windows, of_clips = found(model, windows, honest, lag)
        print(f"sound {lag:+d} frames late: found in {of_windows:.0%} of windows, {of_clips:.0%} of clips")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
