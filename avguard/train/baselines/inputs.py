# SPDX-License-Identifier: Apache-2.0
"""What a baseline is given: the draws and labels of the joint model, decoded only as far as the baseline reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
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
from avguard.train.experiments.run import DECIMALS, NATURAL, by_clip
from avguard.train.loop import Settings, make_sampler
from avguard.train.model import INPUT_SHAPES
from avguard.train.store import DIFFERENCE, PIXEL_MEAN, PIXEL_SCALE, Pool
from avguard.train.validation import Validation, load_validation, load_windows, natural_inputs
from avguard.train.views import Inputs, Pixels, tensors

SPEC = load_spec()
Floats = NDArray[np.float32]
BATCH = 32
SMOOTHING = Settings().smoothing  # of labels, as the joint model's


class Judge(Protocol):
    """What answers in the joint model's place: ``reads`` says which inputs it needs, ``heads`` which it answers for."""

    reads: Collection[str]
    heads: Collection[str]

    def answer(self, inputs: tuple[Tensor, ...]) -> Tensor: ...


def head_column(logit: Tensor, *heads: str) -> Tensor:
    """(N, 1) -> (N, 4): the logit at each of ``heads``, zero elsewhere."""
    zero = torch.zeros_like(logit)
    return torch.cat([logit if head in heads else zero for head in SPEC.heads], 1)


class Parts(Pixels):
    """Inputs in the joint model's places, with zeros for every one that is not among ``reads``.

    "difference" is the fourth channel of faces, "face" the other three.
    """

    def __init__(self, reads: Collection[str]) -> None:
        self.reads = reads

    def pack(self, video: Pool, audio: Pool, videos: NDArray[np.int64], audios: NDArray[np.int64]) -> Inputs:
        """Inputs of paired window numbers; -1 leaves a side empty."""
        made = {name: np.zeros((len(videos), *shape), np.float32) for name, shape in INPUT_SHAPES.items()}
        seen, heard = np.flatnonzero(videos >= 0), np.flatnonzero(audios >= 0)
        if len(seen):
            self._see(video, videos[seen], seen, made)
        for name in {"mel", "linear"} & set(self.reads) if len(heard) else ():
            made[name][heard, 0] = audio.take(name, audios[heard])
        return tuple(made.values())

    def _see(self, video: Pool, ids: NDArray[np.int64], seen: NDArray[np.int64], made: dict[str, Floats]) -> None:
        if "face" in self.reads:
            made["face"][seen, :, :3] = _pixels(video.take("rgb", ids))
        if "difference" in self.reads:
            made["face"][seen, :, 3:] = video.take("difference", ids) * np.float32(DIFFERENCE)
        if "mouth" in self.reads:
            made["mouth"][seen] = _pixels(video.take("mouth", ids))
        if "motion" in self.reads:
            made["motion"][seen] = video.take("motion", ids)


def _pixels(values: NDArray[np.uint8]) -> Floats:
    return (values.astype(np.float32) - np.float32(PIXEL_MEAN)) * np.float32(PIXEL_SCALE)


def training_draws(settings: Settings, store: Path, rows: Sequence[Row], reads: Collection[str]) -> Sampler:
    """A sampler over the training windows of ``store`` whose batches hold ``reads`` alone."""
    views = Parts(reads)
    return make_sampler(settings, *views.pools(store / "train"), list(rows), views)


def judged_parts(store: Path, rows: Sequence[Row], reads: Collection[str]) -> dict[str, Validation]:
    """The windows that results are about: ``validation``, and ``test``, whose clips are in the store as they are.

    Raises UsageError when the store has no window of one of the two.
    """
    views, test = Parts(reads), {name for name, row in by_clip(rows).items() if row.split == "test"}
    natural = load_windows(store / NATURAL, list(rows), views).only(test)
    parts = {"validation": load_validation(store, list(rows), views), "test": natural}
    for part, windows in parts.items():
        if not windows.pairs:
            raise UsageError(
                f"{store} has no windows of {part} clips: cache them (avguard.train.cache) and have "
                "avguard.train.produce write them (produce_validation, produce_natural)"
            )
    return parts


def batches(windows: Validation) -> Iterator[tuple[Tensor, ...]]:
    """Inputs of all windows, as they are, in order."""
    for at in range(0, len(windows.pairs), BATCH):
        inputs = natural_inputs(windows.video, windows.audio, windows.pairs[at : at + BATCH], windows.views)
        yield tuple(tensors(inputs, "cpu"))


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
    logits = np.concatenate([model.answer(inputs).numpy() for inputs in batches(windows)])
    clips, result = np.array(windows.clips), {}
    for clip in sorted(set(windows.clips)):
        own = clips == clip
        found = {h: logits[own & seen[h][kept], n] for n, h in enumerate(SPEC.heads) if h in model.heads}
        result[clip] = {head: round(float(values.mean()), DECIMALS) for head, values in found.items() if len(values)}
    return result


def chosen(windows: Validation, kept: NDArray[np.int64]) -> Validation:
    """Some windows of ``windows``, by number."""
    return replace(windows, clips=[windows.clips[i] for i in kept], pairs=[windows.pairs[i] for i in kept])
