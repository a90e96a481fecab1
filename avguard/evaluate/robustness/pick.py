# SPDX-License-Identifier: Apache-2.0
"""A balanced choice of clips: as many real as fake, spread over sources and generators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

import numpy as np

from avguard.data import Row
from avguard.errors import UsageError


def pick(rows: Sequence[Row], count: int, seed: int = 0) -> tuple[Row, ...]:
    """``count`` clips with picture, real and fake in turn; one more of every source (real) or generator (fake) each
    round. A smaller ``count`` gives the beginning of a larger one. Raises UsageError when a class runs out.
    """
    films = [row for row in rows if row.media == "clips"]
    reals = _spread([row for row in films if row.kind == "real"], lambda row: row.source, seed)
    fakes = _spread([row for row in films if row.kind == "fake"], lambda row: row.generator, seed)
    half = count // 2
    if half < 1 or half > min(len(reals), len(fakes)):
        most = 2 * min(len(reals), len(fakes))
        raise UsageError(f"{count} clips, half of them real, cannot be had: give 2 to {most}")
    return tuple(chain.from_iterable(zip(reals[:half], fakes[:half], strict=True)))


def _spread(rows: Sequence[Row], name: Callable[[Row], str], seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    parts: dict[str, list[Row]] = {}
    for index in rng.permutation(len(rows)):
        parts.setdefault(name(rows[index]), []).append(rows[index])
    ordered = [parts[key] for key in sorted(parts)]
    return [row for batch in zip_longest(*ordered) for row in batch if row is not None]
