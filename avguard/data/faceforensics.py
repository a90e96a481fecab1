# SPDX-License-Identifier: Apache-2.0
"""FaceForensics++ (Rossler et al. 2019), with FaceShifter and Google's DeepFakeDetection in the same tree.

Layout: ``original_sequences/{youtube,actors}/<compression>/videos/<id>.mp4`` and
``manipulated_sequences/<method>/<compression>/videos/<target>_<source>.mp4``, compression raw, c23 or c40; splits are
lists of pairs of ids in ``splits/{train,val,test}.json`` of the repository, which the download does not bring. Looked
up in github.com/ondyari/FaceForensics (dataset/README.md, dataset/splits). Traps: the films have no sound; a pair
stands in one order in the split and its fakes in both; clips of actors have no split; without the files there is no
split at all.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from avguard.data.layout import films, plain_row, read_json
from avguard.data.row import Row
from avguard.errors import InputNotFoundError, UsageError

NAME = "FaceForensics++"
COMPRESSIONS = ("raw", "c23", "c40")
_SPLIT_FOLDERS = ("splits", "dataset/splits")


def read(root: Path, compression: str = "c23") -> tuple[Row, ...]:
    """All clips of one compression that are there. Raises UsageError, InputNotFoundError."""
    splits = _splits(root)
    rows = []
    for origin in ("youtube", "actors"):
        for path in films(root / "original_sequences" / origin / compression / "videos", root):
            rows.append(_row(path, False, origin, splits))
    methods = root / "manipulated_sequences"
    for method in sorted(folder.name for folder in methods.iterdir() if folder.is_dir()) if methods.is_dir() else ():
        for path in films(methods / method / compression / "videos", root):
            rows.append(_row(path, True, method, splits))
    if not rows:
        raise InputNotFoundError(
            f"{root} has no original_sequences or manipulated_sequences of {compression}: give the top folder of {NAME}"
        )
    return tuple(rows)


def _splits(root: Path) -> dict[str, str]:
    """Split by id."""
    found: dict[str, str] = {}
    for folder in _SPLIT_FOLDERS:
        for split in ("train", "val", "test"):
            path = root / folder / f"{split}.json"
            if path.is_file():
                found |= dict.fromkeys(_ids(path), split)
    return found


def _ids(path: Path) -> list[str]:
    pairs = read_json(path)
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise UsageError(f"{path} is not a list of pairs of ids")
    return [str(name) for pair in pairs for name in pair]


def _row(path: str, fake: bool, method: str, splits: dict[str, str]) -> Row:
    stem = PurePosixPath(path).stem
    target = stem.split("_")[0]
    actors = method in ("actors", "DeepFakeDetection")
    return plain_row(
        path,
        fake,
        source=f"{NAME}/{'actors' if actors else 'youtube'}",
        group=target,
        video=1,
        audio=0,
        generator=method,
        split="" if actors else splits.get(target, ""),
    )
