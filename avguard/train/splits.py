# SPDX-License-Identifier: Apache-2.0
"""Which sources are held out of training for choosing and calibrating a model.

Whole source repositories, so that no source video, speaker or generator page is on both sides; none of them is in the
``test`` split, which is only ever measured.
"""

from __future__ import annotations

from avguard.evaluate.manifest import Row

VALIDATION_SOURCES = frozenset(
    {
        "opendemo-mm/AlignDiT",
        "romajaku/mcgurk",
        "tencent-ailab/V-Express",
        "OpenTalker/SadTalker",
        "GalaxyCong/EmoDub",
        "loopyavatar/loopyavatar.github.io",
        "choijeongsoo/utut",
    }
)


def part_of(row: Row) -> str:
    """``train``, ``validation`` or ``test``."""
    if row.split != "train":
        return row.split
    return "validation" if row.source in VALIDATION_SOURCES else "train"
