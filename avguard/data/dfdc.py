# SPDX-License-Identifier: Apache-2.0
"""DFDC, the DeepFake Detection Challenge (Dolhansky et al. 2020), and its preview set.

Full set: ``[train/]dfdc_train_part_<n>/metadata.json`` ({file: {label: FAKE|REAL, split, original}}), and
``validation/labels.csv`` and ``test/labels.csv`` (filename,label with 1 for fake), films beside them or in
``videos/``. Kaggle's sample has one metadata.json. Preview: ``dataset.json`` ({path: {label: fake|real, set,
target_id, swapped_id}}). Looked up in github.com/mever-team/dimodif, mapooon/SelfBlendedImages and
kaggle.com/c/deepfake-detection-challenge. Trap: a fake may be forged in its picture, its voice or both, and the
owners do not say which: neither head has a truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from avguard.data.layout import field, inside, plain_row, present, read_csv, read_json
from avguard.data.row import Row
from avguard.errors import InputNotFoundError, UsageError

NAME = "DFDC"
_LABELS = {"REAL": False, "FAKE": True, "0": False, "1": True}
_SPLITS = {"train": "train", "validation": "val", "test": "test"}


def read(root: Path) -> tuple[Row, ...]:
    """All clips that are there. Raises UsageError, InputNotFoundError."""
    if (root / "dataset.json").is_file():
        return present(root, _preview(root), f"{NAME} preview")
    lists = sorted(root.glob("metadata.json")) + sorted(root.glob("**/dfdc_train_part_*/metadata.json"))
    tables = [root / split / "labels.csv" for split in _SPLITS if (root / split / "labels.csv").is_file()]
    if not lists and not tables:
        raise InputNotFoundError(f"{root} has no metadata.json, labels.csv or dataset.json of {NAME}: give its folder")
    rows = [row for path in lists for row in _part(root, path)]
    rows += [row for path in tables for row in _table(root, path)]
    return present(root, rows, NAME)


def _part(root: Path, path: Path) -> Iterator[Row]:
    folder = path.parent.relative_to(root).as_posix()
    for name, record in read_json(path).items():
        where = f"{path.relative_to(root)}: {name}"
        original = record.get("original") or name
        file = inside(root, name if folder == "." else f"{folder}/{name}", where)
        yield _row(file, str(field(record, "label", where)), str(record.get("split") or "train"), str(original), where)


def _table(root: Path, path: Path) -> Iterator[Row]:
    folder = path.parent
    below = "videos/" if (folder / "videos").is_dir() else ""
    for line in read_csv(path, ("filename", "label")):
        file = inside(root, f"{folder.name}/{below}{line['filename']}", str(path))
        yield _row(file, line["label"], folder.name, line["filename"], f"{path}: {line['filename']}")


def _preview(root: Path) -> Iterator[Row]:
    for name, record in read_json(root / "dataset.json").items():
        where = f"dataset.json: {name}"
        person = str(record.get("target_id") or PurePosixPath(name).stem)
        method = next((part for part in name.split("/") if part.startswith("method_")), "unknown")
        label, split = str(field(record, "label", where)), str(field(record, "set", where))
        yield _row(inside(root, name, where), label, split, person, where, method)


def _row(path: str, label: str, split: str, original: str, where: str, generator: str = "unknown") -> Row:
    fake = _LABELS.get(label.upper())
    if fake is None:
        raise UsageError(f"{where}: label {label!r} is not one of FAKE, REAL, 0, 1")
    if split not in _SPLITS:
        raise UsageError(f"{where}: split {split!r} is not one of {', '.join(_SPLITS)}")
    group = PurePosixPath(original).stem
    return plain_row(
        path, fake, source=NAME, group=group, video=None, audio=None, generator=generator, split=_SPLITS[split]
    )
