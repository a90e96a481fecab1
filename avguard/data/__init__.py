# SPDX-License-Identifier: Apache-2.0
"""Public data sets, in the layout in which their owners ship them, behind one row type."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from avguard.data import avdeepfake1m, dfdc, dftimit, faceforensics, fakeavceleb, kodf, lavdf
from avguard.data.row import HEADS, Head, Kind, Media, Row, Span
from avguard.errors import InputNotFoundError, UsageError

__all__ = ["DATASETS", "HEADS", "Head", "Kind", "Media", "Row", "Span", "read_dataset"]

DATASETS: dict[str, Callable[[Path], tuple[Row, ...]]] = {
    "fakeavceleb": fakeavceleb.read,
    "dfdc": dfdc.read,
    "lavdf": lavdf.read,
    "avdeepfake1m": avdeepfake1m.read,
    "faceforensics": faceforensics.read,
    "faceforensics-raw": functools.partial(faceforensics.read, compression="raw"),
    "faceforensics-c40": functools.partial(faceforensics.read, compression="c40"),
    "dftimit": dftimit.read,
    "kodf": kodf.read,
}


def read_dataset(name: str, root: Path) -> tuple[Row, ...]:
    """The rows of a public set below ``root``. Raises UsageError for a name or a list that is not known,
    InputNotFoundError when the set is not there.
    """
    if name not in DATASETS:
        raise UsageError(f"data set {name!r} is not one of {', '.join(DATASETS)}")
    if not root.is_dir():
        raise InputNotFoundError(f"{root} is not a folder: give the top folder of {name}")
    return DATASETS[name](root)
