# SPDX-License-Identifier: Apache-2.0
"""What a baseline is given: the draws and labels of the joint model, decoded only as far as the baseline reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avguard.errors import UsageError
from avguard.evaluate.manifest import Row
from avguard.spec import load_spec
from avguard.train.dataset import Sampler
from avguard.train.experiments.run import NATURAL, by_clip
from avguard.train.loop import Settings, make_sampler
from avguard.train.model import INPUT_SHAPES
from avguard.train.store import DIFFERENCE, PIXEL_MEAN, PIXEL_SCALE, Pool
from avguard.train.validation import Validation, load_validation, load_windows

SPEC = load_spec()
Floats = NDArray[np.float32]
BATCH = 32


class Judge(Protocol):
    """What answers in the joint model's place: ``reads`` says which inputs it needs, ``heads`` which it answers for."""

    reads: Collection[str]
    heads: Collection[str]

    def answer(self, inputs: tuple[Tensor, ...]) -> Tensor: ...


def head_column(logit: Tensor, *heads: str) -> Tensor:
    """(N, 1) -> (N, 4): the logit at each of ``heads``, zero elsewhere."""
    zero = torch.zeros_like(logit)
    return torch.cat([logit if head in heads else zero for head in SPEC.heads], 1)


def pack(reads: Collection[str], video: Pool, audio: Pool, videos: NDArray, audios: NDArray) -> tuple[Floats, ...]:
    """As ``Sampler.pack``, with zeros for every input that is not one of ``reads``. "difference": the face's fourth."""
    made = {name: np.zeros((len(videos), *shape), np.float32) for name, shape in INPUT_SHAPES.items()}
    seen, heard = np.flatnonzero(videos >= 0), np.flatnonzero(audios >= 0)
    if len(seen):
        if "face" in reads:
            made["face"][seen, :, :3] = _pixels(video.take("rgb", videos[seen]))
        if "difference" in reads:
            made["face"][seen, :, 3:] = video.take("difference", videos[seen]) * np.float32(DIFFERENCE)
        if "mouth" in reads:
            made["mouth"][seen] = _pixels(video.take("mouth", videos[seen]))
        if "motion" in reads:
            made["motion"][seen] = video.take("motion", videos[seen])
    for name in {"mel", "linear"} & set(reads) if len(heard) else ():
        made[name][heard, 0] = audio.take(name, audios[heard])
    return tuple(made.values())


def _pixels(values: NDArray[np.uint8]) -> Floats:
    return (values.astype(np.float32) - np.float32(PIXEL_MEAN)) * np.float32(PIXEL_SCALE)


def training_draws(settings: Settings, store: Path, rows: Sequence[Row], reads: Collection[str]) -> Sampler:
    """A sampler over the training windows of ``store`` whose batches hold ``reads`` alone."""
    pools = [Pool(store / "train" / kind) for kind in ("video", "audio")]
    for pool in pools:
        pool.refresh()
    sampler = make_sampler(settings, *pools, list(rows))
    sampler.pack = partial(pack, reads)  # type: ignore[method-assign]
    return sampler


def judged_parts(store: Path, rows: Sequence[Row]) -> dict[str, Validation]:
    """The windows that results are about: ``validation``, and ``test``, whose clips are in the store as they are.

    Raises UsageError when the store has no window of one of the two.
    """
    test = {name for name, row in by_clip(rows).items() if row.split == "test"}
    natural = load_windows(store / NATURAL, list(rows)).only(test)
    parts = {"validation": load_validation(store, list(rows)), "test": natural}
    for part, windows in parts.items():
        if not windows.pairs:
            raise UsageError(
                f"{store} has no windows of {part} clips: cache them (avguard.train.cache) and have "
                "avguard.train.produce write them (produce_validation, produce_natural)"
            )
    return parts


def batches(windows: Validation, reads: Collection[str]) -> Iterator[tuple[Tensor, ...]]:
    """Inputs of all windows, as they are, in order."""
    for at in range(0, len(windows.pairs), BATCH):
        pairs = np.array(windows.pairs[at : at + BATCH])
        yield tuple(torch.from_numpy(x) for x in pack(reads, windows.video, windows.audio, pairs[:, 0], pairs[:, 1]))


def what_is_judged(windows: Validation) -> dict[str, NDArray[np.bool_]]:
    """By head, (n,): the windows that have what it judges."""
    video, audio = (np.array(windows.pairs) >= 0).T
    return {"video": video, "audio": audio, "sync": video & audio, "desync": video & audio}


@torch.no_grad()
def window_scores(model: Judge, windows: Validation) -> dict[str, dict[str, float]]:
    """Mean window logit by clip and head, of what stands in the joint model's place."""
    seen = what_is_judged(windows)
    kept = np.flatnonzero(np.any([seen[head] for head in model.heads], 0))
    windows = chosen(windows, kept)
    logits = np.concatenate([model.answer(inputs).numpy() for inputs in batches(windows, model.reads)])
    clips, result = np.array(windows.clips), {}
    for clip in sorted(set(windows.clips)):
        own = clips == clip
        found = {h: logits[own & seen[h][kept], n] for n, h in enumerate(SPEC.heads) if h in model.heads}
        result[clip] = {head: round(float(values.mean()), 5) for head, values in found.items() if len(values)}
    return result


def chosen(windows: Validation, kept: NDArray[np.int64]) -> Validation:
    """Some windows of ``windows``, by number."""
    return replace(windows, clips=[windows.clips[i] for i in kept], pairs=[windows.pairs[i] for i in kept])
