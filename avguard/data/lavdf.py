# SPDX-License-Identifier: Apache-2.0
"""LAV-DF, the Localized Audio Visual DeepFake set (Cai et al. 2022).

Layout: ``metadata.min.json`` (or ``metadata.json``), a list of {file, n_fakes, fake_periods, duration, original,
modify_video, modify_audio, split, video_frames, audio_channels, audio_frames}; ``file`` is ``<split>/<number>.mp4``,
splits are train, dev, test, periods are seconds. Looked up in github.com/ControlNet/LAV-DF (dataset/lavdf.py). Trap:
one list of periods serves both modalities; each has it only where its flag says that it was modified.
"""

from __future__ import annotations

from pathlib import Path

from avguard.data.layout import Json, field, inside, plain_row, present, read_json, spans
from avguard.data.row import Row
from avguard.errors import InputNotFoundError, UsageError

NAME = "LAV-DF"
LISTS = ("metadata.min.json", "metadata.json")
_SPLITS = {"train": "train", "dev": "val", "test": "test"}


def read(root: Path) -> tuple[Row, ...]:
    """All clips that are there. Raises UsageError, InputNotFoundError."""
    path = next((root / name for name in LISTS if (root / name).is_file()), None)
    if path is None:
        raise InputNotFoundError(f"{root} has no {' or '.join(LISTS)}: not the top folder of {NAME}")
    records = read_json(path)
    return present(root, [_row(root, raw, f"{path.name} entry {number}") for number, raw in enumerate(records)], NAME)


def _row(root: Path, raw: Json, where: str) -> Row:
    file = inside(root, str(field(raw, "file", where)), where)
    split = str(field(raw, "split", where))
    video, audio = field(raw, "modify_video", where), field(raw, "modify_audio", where)
    if split not in _SPLITS:
        raise UsageError(f"{where}: split {split!r} is not one of {', '.join(_SPLITS)}")
    if not isinstance(video, bool) or not isinstance(audio, bool):
        raise UsageError(f"{where}: modify_video and modify_audio must be true or false")
    periods = spans(field(raw, "fake_periods", where), where)
    if bool(periods) != (video or audio):
        raise UsageError(f"{where}: {len(periods)} fake periods do not fit modify_video {video}, modify_audio {audio}")
    what = {(True, True): "video and audio", (True, False): "video", (False, True): "audio"}
    return plain_row(
        file,
        video or audio,
        source=NAME,
        group=str(raw.get("original") or file),
        video=int(video),
        audio=int(audio),
        generator=what.get((video, audio), ""),
        split=_SPLITS[split],
        duration_s=float(field(raw, "duration", where)),
        language="en",
        video_spans=periods if video else (),
        audio_spans=periods if audio else (),
    )
