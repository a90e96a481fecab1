# SPDX-License-Identifier: Apache-2.0
"""What any detector could score without looking: a logistic regression on facts of the file.

Length, leading silence, picture size, bandwidth, container and rates, as ``avguard.evaluate.trivial`` measures them;
what it sees of the picture's border is left out here. One answer for each clip, not for each window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from avguard.evaluate.manifest import Head, Row
from avguard.evaluate.probes import fit_logistic
from avguard.evaluate.trivial import FAMILIES, Trivial
from avguard.train.experiments.run import DECIMALS, by_clip
from avguard.train.splits import part_of

FACTS = tuple(name for family, names in FAMILIES.items() if not family.startswith("border") for name in names)
HEADS: tuple[Head, ...] = ("video", "audio", "sync")


def facts(trivial: Trivial) -> NDArray[np.float64]:
    """(len(FACTS),) of one file; NaN where it has nothing of the kind."""
    return np.array([trivial.values.get(name, np.nan) for name in FACTS])


def clip_scores(rows: Sequence[Row], measured: Mapping[str, Trivial], head: Head, part: str) -> dict[str, float]:
    """Log odds by clip of ``part`` that ``head`` would call it manipulated, fitted on the train part.

    ``measured``: by path. Clips without what the head judges are left out.
    """
    known = [r for r in rows if r.truth(head) is not None and part_of(r) == "train"]
    truth = np.array([r.truth(head) for r in known])
    fitted = fit_logistic(np.stack([facts(measured[r.path]) for r in known]), truth)
    judged = {n: r for n, r in by_clip(rows).items() if part_of(r) == part and (r.media == "clips" or head == "audio")}
    chance = fitted.score(np.stack([facts(measured[r.path]) for r in judged.values()]))
    return dict(zip(judged, np.round(np.log(chance / (1 - chance)), DECIMALS).tolist(), strict=True))
