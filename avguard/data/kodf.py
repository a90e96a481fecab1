# SPDX-License-Identifier: Apache-2.0
"""KoDF, the Korean DeepFake Detection set (Kwon et al. 2021).

Layout: ``[kodf_release/]original_videos/**/*.mp4`` and ``[kodf_release/]synthesized_videos/<model>/**/*.mp4``, models
fo (FOMM), fsgan, dfl (DeepFaceLab), dffs (FaceSwap) and audio-driven (ATFHP, Wav2Lip). Looked up in programs that
read the release (the owners' pages, github.com/deepbrainai-research/kodf, show no tree). Traps: the release names no
split; the copies with adversarial noise lie in folders of their own, which are not read; voices are always real, in
audio-driven clips another clip's.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from avguard.data.layout import films, plain_row
from avguard.data.row import Row
from avguard.errors import InputNotFoundError

NAME = "KoDF"
REAL, FAKE = "original_videos", "synthesized_videos"


def read(root: Path) -> tuple[Row, ...]:
    """All clips that are there. Raises InputNotFoundError."""
    top = root / "kodf_release" if (root / "kodf_release").is_dir() else root
    rows = [_row(path, "") for path in films(top / REAL, root)]
    for path in films(top / FAKE, root):
        rows.append(_row(path, PurePosixPath(path).relative_to((top / FAKE).relative_to(root)).parts[0]))
    if not rows:
        raise InputNotFoundError(f"{root} has no {REAL} or {FAKE} with .mp4: give the folder that holds them")
    return tuple(rows)


def _row(path: str, model: str) -> Row:
    file = PurePosixPath(path)
    group = file.parent.name if not model else file.stem
    return plain_row(path, bool(model), source=NAME, group=group, video=1, audio=0, generator=model, language="ko")
