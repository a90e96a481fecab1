# SPDX-License-Identifier: Apache-2.0
"""DeepfakeTIMIT (Korshunov and Marcel 2018): faces of VidTIMIT swapped by a GAN, in two qualities.

Layout: ``{higher_quality,lower_quality}/<subject>/<sentence>-video-<donor>.avi``, the unchanged voice beside it as
wav. Looked up in github.com/raining-dev/AVT2-DWF (README) and in readers of the set. Traps: the set holds fakes only.
VidTIMIT, where the real ones are, ships single pictures; put together as ``real/<subject>/<sentence>.avi``
(AVT2-DWF's convention) they are read here. The avi has no sound: only the picture is judged.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from avguard.data.layout import films, plain_row
from avguard.data.row import Row
from avguard.errors import InputNotFoundError

NAME = "DF-TIMIT"
QUALITIES = ("higher_quality", "lower_quality")


def read(root: Path) -> tuple[Row, ...]:
    """All clips that are there. Raises InputNotFoundError."""
    rows = [_row(path, quality) for quality in QUALITIES for path in films(root / quality, root, ".avi")]
    if not rows:
        raise InputNotFoundError(f"{root} has no {' or '.join(QUALITIES)} with .avi: give the folder DeepfakeTIMIT")
    return (*(_row(path, "") for path in films(root / "real", root, ".avi")), *rows)


def _row(path: str, quality: str) -> Row:
    file = PurePosixPath(path)
    group = f"{file.parent.name}/{file.stem.partition('-video-')[0]}"
    return plain_row(path, bool(quality), source=NAME, group=group, video=1, audio=0, generator=quality, language="en")
