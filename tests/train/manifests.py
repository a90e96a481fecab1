# SPDX-License-Identifier: Apache-2.0
"""A data folder's list of clips, as small as a test needs."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

HEADER = ("clip", "kind", "video_fake", "audio_fake", "generator", "source", "split", "group", "duration_s")


def write_clips(folder: Path, clips: Mapping[str, tuple[str, int, str]]) -> None:
    """Make ``folder`` with a clips.csv, two seconds each, all of ``train``: name -> (kind, fake or not, generator)."""
    folder.mkdir()
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for name, (kind, flag, generator) in clips.items():
            writer.writerow([f"clips/{name}.mp4", kind, flag, flag, generator, f"s/{name}", "train", name, 2])
