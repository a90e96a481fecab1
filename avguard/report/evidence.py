# SPDX-License-Identifier: Apache-2.0
"""What the model was shown: which windows of a clip to show, and pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avguard.report.charts import time_text
from avguard.report.html import Safe, tag
from avguard.report.png import data_address, heat
from avguard.report.words import HEADS
from avguard.verdict import Verdict

HEADS_SHOWN = ("video", "audio", "sync")
FACES_PER_STRIP = 8
MEL_PX = (96, 640)


@dataclass(frozen=True)
class Window:
    """A stretch of the clip, in seconds, and the head whose score there, ``score``, is why it is shown."""

    start_s: float
    end_s: float
    head: str
    score: float


@dataclass(frozen=True)
class Strip:
    """A window's pictures. ``faces``: uint8 (n, side, side, 3), in time; ``mel``: float32 (frames, bands) log energies.

    Either may be empty.
    """

    window: Window
    faces: NDArray[np.uint8]
    mel: NDArray[np.float32]


def worst_windows(verdict: Verdict, length_s: float, most: int = 3, until_s: float = float("inf")) -> list[Window]:
    """At most ``most`` windows of ``length_s`` around the highest scores, that do not overlap, in time."""
    line, chosen = verdict.timeline, list[Window]()
    peaks = [
        (score, head, line.start_s + (k + 0.5) * line.step_s)
        for head in HEADS_SHOWN
        for k, score in enumerate(getattr(line, head))
        if score is not None
    ]
    last_s = min(verdict.quality.duration_s, until_s)
    for score, head, at_s in sorted(peaks, key=lambda peak: -peak[0]):
        start_s = max(0.0, min(at_s - length_s / 2, last_s - length_s))
        window = Window(start_s, min(start_s + length_s, last_s), head, score)
        if at_s < last_s and all(window.start_s >= w.end_s or window.end_s <= w.start_s for w in chosen):
            chosen.append(window)
            if len(chosen) == most:
                break
    return sorted(chosen, key=lambda window: window.start_s)


def choose_faces(times_s: Sequence[float], window: Window) -> list[int]:
    """Indices of at most FACES_PER_STRIP of ``times_s`` inside the window, evenly spread."""
    inside = [k for k, t in enumerate(times_s) if window.start_s <= t < window.end_s]
    if len(inside) <= FACES_PER_STRIP:
        return inside
    return [inside[round(k * (len(inside) - 1) / (FACES_PER_STRIP - 1))] for k in range(FACES_PER_STRIP)]


def strip_figure(strip: Strip) -> Safe:
    """The window's faces in a row above its sound, and what it is."""
    window = strip.window
    when = f"{time_text(round(window.start_s, 2))} to {time_text(round(window.end_s, 2))}"
    faces = mel = None
    if len(strip.faces):
        row = np.concatenate(list(strip.faces), 1)
        faces = tag("img", src=data_address(row), alt=f"aligned face crops, {when}", class_="faces")
    if len(strip.mel):
        mel = tag("img", src=data_address(_mel_image(strip.mel)), alt=f"log-mel of the sound, {when}", class_="mel")
    words = f"{when}: highest score {window.score:.2f}, {HEADS[window.head].lower()}"
    return tag("figure", tag("figcaption", words), faces, mel, class_="strip")


def _mel_image(mel: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Low bands at the bottom, stretched by whole pixels so that a browser's smoothing changes little."""
    image = heat(mel.T[::-1])
    height, width = MEL_PX
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    stretched: NDArray[np.uint8] = image[rows][:, columns]
    return stretched
