# SPDX-License-Identifier: Apache-2.0
"""What the model saw of a clip's worst windows, from a second pass through the session in its extract mode.

The pass has the check's own face detection, tracks and crops, so that its faces are those that were judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.line import feed, open_extractor
from avguard.media import Frame, MediaReader, Pcm, open_media
from avguard.report.evidence import Strip, Window, choose_faces, worst_windows
from avguard.spec import load_spec
from avguard.verdict import Verdict

# The extract mode keeps every crop, a megabyte for a second of face.
MOST_S = 300.0


class _Until:
    """A reader that ends early."""

    def __init__(self, reader: MediaReader, end_us: int) -> None:
        self._reader, self._end_us = reader, end_us
        self.info = reader.info

    def __iter__(self) -> Iterator[Frame | Pcm]:
        for item in self._reader:
            # Sound and pictures are interleaved, not sorted: a second of either may still follow.
            if item.t_us > self._end_us + 1_000_000:
                return
            yield item


def gather(file: str, verdict: Verdict, most: int = 3) -> tuple[list[Strip], str]:
    """(strips of the worst windows, a note when the clip is too long to look at all of it)."""
    spec = load_spec()
    length_s = spec.window.frames * spec.video.period_us / 1e6
    windows = worst_windows(verdict, length_s, most, MOST_S)
    note = f"Only the first {MOST_S:.0f} s were searched." if verdict.quality.duration_s > MOST_S else ""
    if not windows:
        return [], note
    with open_media(file) as reader:
        info = reader.info
        session = _core.Session(
            open_extractor(), expect_video=info.video is not None, expect_audio=info.audio is not None, extract=True
        )
        feed(cast(MediaReader, _Until(reader, round(1e6 * max(w.end_s for w in windows)))), session)
        session.finish()
        extracted = session.extracted()
    primary = next((track.id for track in verdict.tracks if track.primary), None)
    track = next((track for track in extracted["tracks"] if track["id"] == primary), None)
    return [Strip(window, _faces(track, window), _mel(extracted, window)) for window in windows], note


def _faces(track: dict[str, Any] | None, window: Window) -> NDArray[np.uint8]:
    side = load_spec().video.canvas_px
    if track is None:
        return np.zeros((0, side, side, 3), np.uint8)
    times_s = track["indices"] * (load_spec().video.period_us / 1e6)
    faces: NDArray[np.uint8] = track["canvases"][choose_faces(times_s.tolist(), window)]
    return faces


def _mel(extracted: dict[str, Any], window: Window) -> NDArray[np.float32]:
    spec = load_spec().audio
    samples, first = extracted["samples"], int(extracted["first_sample"])
    begin = max(0, round(window.start_s * spec.sample_rate_hz) - first)
    end = max(begin, round(window.end_s * spec.sample_rate_hz) - first)
    part = np.ascontiguousarray(samples[begin:end])
    if len(part) < spec.window_samples:
        return np.zeros((0, spec.mel_bands), np.float32)
    return _core.log_mel(part, first + begin)[1][:, : spec.mel_bands]
