# SPDX-License-Identifier: Apache-2.0
"""What a run may see: which sources, generators and forgeries its batches are drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avguard.evaluate.manifest import Row
from avguard.spec import load_spec
from avguard.train.dataset import Sampler
from avguard.train.families import family_of
from avguard.train.splits import part_of
from avguard.train.store import Pool
from avguard.train.views import PIXELS, Pixels

if TYPE_CHECKING:
    from avguard.train.loop import Settings

SPEC = load_spec()
ALWAYS = "real_splice"
"""A bona fide control among the forge's families: it stays however few of these there are."""


def _names(joined: str) -> set[str]:
    return set(joined.split(",")) - {""}


def some(names: Iterable[str], share: float, seed: int) -> set[str]:
    """``share`` of the names, at least one if any; a smaller share of the same seed is part of a larger one."""
    order = sorted(set(names))
    shuffled = [order[i] for i in np.random.default_rng(seed).permutation(len(order))]
    return set(shuffled[: max(1, round(share * len(order))) if share else 0])


def hidden_clips(settings: Settings, rows: Sequence[Row]) -> set[str]:
    """Clips that training must not see, by the name that they have in the store."""
    parts, held = _names(settings.without_parts), _names(settings.hold_out)
    away = _names(settings.without_sources)
    hidden = {r for r in rows if r.source in away or part_of(r) in parts or family_of(r.generator) in held}
    left = [r for r in rows if r not in hidden]
    sources = some({r.source for r in left if r.kind == "real"}, settings.share_sources, settings.seed)
    generators = some({r.generator for r in left if r.kind == "fake"}, settings.share_generators, settings.seed)
    hidden |= {r for r in left if not (r.source in sources if r.kind == "real" else r.generator in generators)}
    return {Path(r.path).stem for r in hidden}


def make_sampler(settings: Settings, video: Pool, audio: Pool, rows: list[Row], views: Pixels = PIXELS) -> Sampler:
    """Batches from what ``settings`` lets training see."""
    names = {Path(r.path).stem: r for r in rows}
    sources = {n: r.source if r.kind == "real" else f"{r.source}/{r.generator}" for n, r in names.items()}
    hidden = hidden_clips(settings, rows)
    forgeries = tuple(_names(settings.without))
    known = {"", ALWAYS} if settings.share_forgeries else {""}
    for pool in (video, audio):
        made = {str(family).removeprefix("partial_") for family in np.unique(pool.column("family"))}
        known |= some(made - known, settings.share_forgeries, settings.seed)

    def wanted(clip: str, family: str) -> bool:
        kind = family.removeprefix("partial_")
        return clip not in hidden and kind in known and not (kind and kind.startswith(forgeries))

    kinds = {n: r.kind for n, r in names.items()}
    return Sampler(
        video, audio, sources, kinds, wanted, bool(settings.teachers), views, settings.moved_share,
        [SPEC.heads.index(head) for head in _names(settings.mismatch_heads)],
    )  # fmt: skip
