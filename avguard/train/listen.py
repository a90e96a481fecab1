# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.listen OUT CHECKPOINT FOLDER...``: go on with the audio stream alone.

The stream and its head learn from sound windows (``produce`` writes them) of the clips and of more voices
(``train.voices``); everything else of the joint CHECKPOINT keeps its weights. Bona fide windows are half of a batch,
forged ones and those of given generators a quarter each. Sources of the validation and test parts are never drawn.

What comes out hears new rooms better and the old ones worse. Half of the way there does both (``train.average OUT
CHECKPOINT LISTENED``; Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022), and the sync-stream, which
reads this stream's features, needs no training anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avguard.errors import UsageError
from avguard.evaluate.manifest import Row, read_manifest
from avguard.spec import load_spec
from avguard.train.backbone import Trunk
from avguard.train.checkpoint import load_checkpoint
from avguard.train.loop import Ema, Settings, learning_rate
from avguard.train.losses import masked_bce
from avguard.train.model import JointModel
from avguard.train.splits import part_of
from avguard.train.store import Pool
from avguard.train.styles import mix_band_styles
from avguard.train.views import VIEW_DROPOUT, mask_sound

SHARES = {"bona_fide": 0.5, "forged": 0.25, "given": 0.25}
# As in ``dataset``: 1 would draw every window alike, 0 every source alike.
EVENNESS = 0.4
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Sounds:
    """A batch of sound windows: ``mel`` and ``linear`` (N, 1, bands, frames), labels (N,) and (N, 12)."""

    mel: Tensor
    linear: Tensor
    window: Tensor
    steps: Tensor


class Listener:
    """Draws sound windows from several pools; groups are a source's bona fide clips, or one generator of it.

    ``sources``: all whose windows may be drawn.
    """

    def __init__(self, folders: Sequence[Path], rows: Sequence[Row], seed: int, away: Collection[str] = ()) -> None:
        """``away``: sources that are not drawn either, to judge by."""
        self.rng = np.random.default_rng(seed)
        self.pools = [Pool(folder) for folder in folders]
        for pool in self.pools:
            pool.refresh()
        self.pools = [pool for pool in self.pools if len(pool)]
        if not self.pools:
            raise UsageError(
                f"no sound windows in {', '.join(map(str, folders))}; make them with avguard.train produce"
            )
        self._place = [(i, j) for i, pool in enumerate(self.pools) for j in range(len(pool))]
        clips, families, self.label, self.steps = (
            np.concatenate([pool.column(key) for pool in self.pools]) for key in ("clip", "family", "label", "steps")
        )
        named = {Path(row.path).stem: row for row in rows}
        owners = [named[str(clip)] for clip in clips]
        usable = np.array([part_of(row) == "train" and row.source not in away for row in owners])
        usable &= ~np.isnan(self.label)
        groups = [row.source if row.kind == "real" else f"{row.source}/{row.generator}" for row in owners]
        self.sources = sorted({row.source for row, wanted in zip(owners, usable, strict=True) if wanted})
        fake = self.label == 1
        self._sets = {
            "bona_fide": self._weighted(usable & ~fake, groups),
            "forged": self._weighted(usable & fake & (families != ""), groups),
            "given": self._weighted(usable & fake & (families == ""), groups),
        }
        if any(not len(ids) for ids, _ in self._sets.values()):
            raise UsageError("bona fide, forged and given sound windows are all needed; produce more rounds")

    @staticmethod
    def _weighted(mask: NDArray[np.bool_], groups: Sequence[str]) -> tuple[Ids, NDArray[np.float64]]:
        ids = np.flatnonzero(mask)
        _, member, count = np.unique([groups[i] for i in ids], return_inverse=True, return_counts=True)
        weight = count[member].astype(np.float64) ** (EVENNESS - 1)
        return ids, weight / weight.sum() if len(ids) else weight

    def draw(self, size: int) -> Sounds:
        """A batch of ``size`` windows, styles mixed and parts hidden blind to the class."""
        kinds = self.rng.choice(list(SHARES), size, p=list(SHARES.values()))
        ids = [int(self.rng.choice(self._sets[str(kind)][0], p=self._sets[str(kind)][1])) for kind in kinds]
        mel, linear = self._take("mel", ids), self._take("linear", ids)
        mix_band_styles(mel, linear, self.rng)
        for i in range(size):
            view = self.rng.random()
            if view < VIEW_DROPOUT:
                mel[i] = 0
            elif view < 2 * VIEW_DROPOUT:
                linear[i] = 0
            mask_sound(mel[i, 0], linear[i, 0], self.rng)
        arrays = (mel, linear, self.label[ids], self.steps[ids])
        return Sounds(*(torch.from_numpy(np.asarray(array, np.float32)) for array in arrays))

    def _take(self, key: str, ids: Sequence[int]) -> NDArray[np.float32]:
        rows = [self.pools[self._place[i][0]].take(key, np.array([self._place[i][1]]))[0] for i in ids]
        return np.stack(rows).astype(np.float32)[:, None]


def listen(model: JointModel, listener: Listener, settings: Settings, show: bool = False) -> JointModel:
    """Train the audio stream and its head for ``settings.steps`` steps; returns the averaged weights."""
    if model.audio is None:
        raise UsageError("this model has no audio stream to train")
    stream, head = model.audio, model.heads["audio"]
    slow = {id(p) for trunk in stream.modules() if isinstance(trunk, Trunk) for p in trunk.parameters()}
    parameters = [*stream.parameters(), *head.parameters()]
    groups = [
        {
            "params": [p for p in parameters if (id(p) in slow) == trunk and (p.ndim > 1) == decayed],
            "weight_decay": settings.weight_decay if decayed else 0.0,
            "rate": settings.trunk_rate if trunk else 1.0,
        }
        for trunk in (False, True)
        for decayed in (True, False)
    ]
    optimizer, ema = torch.optim.AdamW(groups, lr=settings.learning_rate), Ema(model, settings.ema)
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, step / settings.steps) * group["rate"]
        stream.train()
        head.train()
        batch = listener.draw(settings.batch)
        window, steps = head(stream(batch.mel, batch.linear)[2])
        loss = masked_bce(window.flatten()[:, None], batch.window[:, None], smoothing=settings.smoothing)
        loss = loss + settings.steps_weight * masked_bce(
            steps.flatten(1)[:, None], batch.steps[:, None], smoothing=settings.smoothing
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        ema.update(model)
        if show and step % 20 == 0:
            print(
                f"\rstep {step}/{settings.steps} loss {float(loss.detach()):.3f} ", end="", file=sys.stderr, flush=True
            )
    return ema.model.eval()


def main() -> int:
    """Train and write; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.listen", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of sound windows")
    parser.add_argument("--data", type=Path, required=True, help="folder whose lists name the windows' clips")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-sources", default="", help="sources to keep away, joined by commas")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    settings = Settings(steps=args.steps, batch=args.batch, learning_rate=args.learning_rate, ema=0.995)
    model = load_checkpoint(args.checkpoint).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    listener = Listener(args.folders, read_manifest(args.data), args.seed, args.without_sources.split(","))
    listened = listen(model, listener, settings, show=True)
    aside = args.out.with_suffix(".tmp")
    saved = {"model": listened.state_dict(), "config": model.config, "spec_hash": load_spec().hash}
    torch.save(saved | {"trained_on": listener.sources}, aside)
    aside.rename(args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
