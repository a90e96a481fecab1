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

# Halves of the test split, whole sources each. What a model that goes on with more sources does on sources that it has
# not seen is measured by training two, each without the validation sources and one half, which it judges; thresholds
# are tried out by leaving one half out. Put together by hand, once, so that each has bona fide clips and fakes of
# several kinds.
FOLDS = (
    frozenset(
        {
            "skymanaditya1/LipReadingQuiz",
            "souvikg544/lip2speech",
            "omnihuman-lab/omnihuman-lab.github.io",
            "X-LANCE/AniTalker",
            "liutaocode/DiffDub",
            "bigvgan-demo/bigvgan-demo.github.io",
        }
    ),
    frozenset(
        {
            "neha-sherin/RobustL2S",
            "looking-to-listen/looking-to-listen.github.io",
            "enriccorona/enriccorona.github.io",
            "cyberhost/cyberhost.github.io",
            "Playmate111/Playmate",
            "davidguzmanr/davidguzmanr.github.io",
        }
    ),
)


def part_of(row: Row) -> str:
    """``train``, ``validation`` or ``test``."""
    if row.split != "train":
        return row.split
    return "validation" if row.source in VALIDATION_SOURCES else "train"
