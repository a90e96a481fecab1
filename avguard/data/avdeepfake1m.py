# SPDX-License-Identifier: Apache-2.0
"""AV-Deepfake1M (Cai et al. 2024) and AV-Deepfake1M++ (2025).

Layout: ``<split>_metadata.json`` for train and val, a list of {file, original, split, modify_type, audio_model,
fake_segments, audio_fake_segments, visual_fake_segments, video_frames, audio_frames}, and the films in ``<split>/``.
Looked up in github.com/ControlNet/AV-Deepfake1M (README, python/avdeepfake1m/loader.py). Traps:

- the README spells ``both_modified``, the owners' loader compares with ``both-modified``, which makes those clips
  real in both streams; both spellings are read here, any other is refused;
- in some 6,000 entries the segments of the modified stream are copied into the other one's list (found by users of
  the set): a stream that ``modify_type`` calls real has none here;
- the films of test (testA, testB) come without labels: they cannot be evaluated, and are not read;
- fakes begin with a short silence that gives them away (see ``--trim-silence``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from avguard.data.layout import UNKNOWN_S, Json, field, inside, plain_row, present, read_json, spans
from avguard.data.row import Row
from avguard.errors import InputNotFoundError, UsageError

NAME = "AV-Deepfake1M"
SPLITS = ("train", "val")
FRAMES_HZ = 25
_TYPES = {
    "real": (0, 0),
    "visual_modified": (1, 0),
    "audio_modified": (0, 1),
    "both_modified": (1, 1),
    "both-modified": (1, 1),
}


def read(root: Path) -> tuple[Row, ...]:
    """All labelled clips that are there. Raises UsageError, InputNotFoundError."""
    lists = [(split, root / f"{split}_metadata.json") for split in SPLITS]
    found = [(split, path) for split, path in lists if path.is_file()]
    if not found:
        raise InputNotFoundError(
            f"{root} has no {lists[0][1].name} or {lists[1][1].name}: not the top folder of {NAME}, or test alone, "
            "whose labels are not public"
        )
    return present(root, [row for split, path in found for row in _list(root, split, path)], NAME)


def _list(root: Path, split: str, path: Path) -> Iterator[Row]:
    for number, raw in enumerate(read_json(path)):
        yield _row(root, split, raw, f"{path.name} entry {number}")


def _row(root: Path, split: str, raw: Json, where: str) -> Row:
    file = inside(root, str(field(raw, "file", where)), where)
    kind = str(field(raw, "modify_type", where))
    if kind not in _TYPES:
        raise UsageError(f"{where}: modify_type {kind!r} is not one of {', '.join(_TYPES)}")
    video, audio = _TYPES[kind]
    parts = file.split("/")
    models = [str(raw[name]) for name in ("video_model", "audio_model") if raw.get(name)]
    frames = raw.get("video_frames")
    return plain_row(
        f"{split}/{file}",
        bool(video or audio),
        # The larger set puts the corpus in front of the speaker: vox_celeb_2/id.../...
        source=NAME if parts[0].startswith("id") else f"{NAME}++/{parts[0]}",
        group="/".join(parts[:-1]),
        video=video,
        audio=audio,
        generator=" ".join([kind.replace("-", "_"), *models]),
        split=split,
        duration_s=float(frames) / FRAMES_HZ if frames else UNKNOWN_S,
        language="en",
        video_spans=spans(field(raw, "visual_fake_segments", where), where) if video else (),
        audio_spans=spans(field(raw, "audio_fake_segments", where), where) if audio else (),
    )
