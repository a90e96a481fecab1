# SPDX-License-Identifier: Apache-2.0
"""The one row type of every data set: a file, what is true of it, and where that is known from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["real", "fake"]
Media = Literal["clips", "speech"]
Head = Literal["video", "audio", "sync", "overall"]
Span = tuple[float, float]

HEADS: tuple[Head, ...] = ("video", "audio", "sync", "overall")


@dataclass(frozen=True)
class Row:
    """One file of a data folder. ``path`` is relative to it; ``video`` and ``audio`` are 0, 1 or None (unknown).

    ``split`` is "" where the owners ship none, ``duration_s`` NaN and ``language`` "" where they do not tell.
    ``group`` joins clips made from the same recording. ``video_spans`` and ``audio_spans``: forged stretches in
    seconds, () for none, None where nobody told.
    """

    path: str
    media: Media
    kind: Kind
    video: int | None
    audio: int | None
    generator: str
    source: str
    group: str
    split: str
    duration_s: float
    language: str = ""
    video_spans: tuple[Span, ...] | None = None
    audio_spans: tuple[Span, ...] | None = None

    def truth(self, head: Head) -> int | None:
        """1 manipulated, 0 not, None unknown. ``sync`` is "either one", ``overall`` the kind of the clip."""
        if head == "video":
            return self.video
        if head == "audio":
            return self.audio
        if head == "overall":
            return int(self.kind == "fake")
        if self.video == 1 or self.audio == 1:
            return 1
        return 0 if self.video == 0 and self.audio == 0 else None

    def spans(self) -> tuple[Span, ...] | None:
        """Stretches in which either modality is forged, joined where they overlap; None where nobody told."""
        if self.video_spans is None or self.audio_spans is None:
            return None
        joined: list[Span] = []
        for start, end in sorted((*self.video_spans, *self.audio_spans)):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        return tuple(joined)
