# SPDX-License-Identifier: Apache-2.0
"""FakeAVCeleb v1.2 (Khalid et al. 2021): four folders by what was forged, and meta_data.csv.

Layout: ``{Real,Fake}Video-{Real,Fake}Audio/<race>/<gender>/<id>/<file>.mp4``. The list has the columns source,
target1, target2, method, category, type, race, gender, path and one without a name: ``path`` is the bare file name,
the nameless one the folder, with ``FakeAVCeleb/`` in front. Looked up in github.com/DASH-Lab/FakeAVCeleb and in
readers of the set. Traps: about 22 files are listed twice under two methods (one row here, "a or b"); there is no
split, so none is made up; fakes begin with a short silence that gives them away (see ``--trim-silence``); 500 real
clips stand against 19,500.
"""

from __future__ import annotations

import csv
from pathlib import Path

from avguard.data.layout import films, inside, plain_row, present
from avguard.data.row import Row
from avguard.errors import InputNotFoundError, UsageError

NAME = "FakeAVCeleb"
LIST = "meta_data.csv"
KINDS = {
    "RealVideo-RealAudio": (0, 0),
    "RealVideo-FakeAudio": (0, 1),
    "FakeVideo-RealAudio": (1, 0),
    "FakeVideo-FakeAudio": (1, 1),
}


def read(root: Path) -> tuple[Row, ...]:
    """All clips that are there. Without the list, generators are "unknown". Raises UsageError, InputNotFoundError."""
    if not (root / LIST).is_file():
        paths = [path for kind in KINDS for path in films(root / kind, root)]
        if not paths:
            raise InputNotFoundError(f"{root} has neither {LIST} nor the folder {next(iter(KINDS))}: not {NAME}")
        return tuple(_row(path, {"unknown"}) for path in paths)
    methods: dict[str, set[str]] = {}
    for path, method in _listed(root):
        methods.setdefault(path, set()).add(method)
    return present(root, (_row(path, names) for path, names in methods.items()), NAME)


def _listed(root: Path) -> list[tuple[str, str]]:
    with (root / LIST).open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.reader(handle)
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in ("method", "type", "path") if name not in header]
        if missing:
            raise UsageError(f"{root / LIST} lacks the column(s) {', '.join(missing)}")
        where = f"{LIST} line "
        return [_pair(root, header, line, f"{where}{reader.line_num}") for line in reader if any(line)]


def _pair(root: Path, header: list[str], line: list[str], where: str) -> tuple[str, str]:
    values = dict(zip(header, (value.strip().replace("\\", "/") for value in line), strict=False))
    # A line may be longer than the header: the folder has no name there.
    folder = next((v.strip().replace("\\", "/") for v in line[header.index("path") + 1 :] if "/" in v), "")
    parts = [part for part in f"{folder}/{values['path']}".split("/") if part]
    while parts and parts[0] not in KINDS:
        parts = parts[1:]
    if len(parts) < 2 or parts[0] != values["type"]:
        raise UsageError(f"{where}: type {values['type']!r} and path {'/'.join(line)!r} do not name a file of {NAME}")
    return inside(root, "/".join(parts), where), values["method"] or "unknown"


def _row(path: str, methods: set[str]) -> Row:
    parts = path.split("/")
    video, audio = KINDS[parts[0]]
    identity = next((part for part in parts[1:-1] if part.startswith("id")), parts[-2])
    return plain_row(
        path,
        bool(video or audio),
        source=NAME,
        group=identity,
        video=video,
        audio=audio,
        generator=" or ".join(sorted(methods)),
    )
