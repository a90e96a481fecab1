# SPDX-License-Identifier: Apache-2.0
"""Where and when: partial fakes made by the forge, and bona fide clips whose sound was moved, through the product.

Every bona fide clip of ``test`` that is long enough gives one file whose sound is forged for a stretch
(``forge.audio.partial_splice``, families without weights), and one whose sound is moved by a known number of
milliseconds. Both are written as mp4 and judged by ``avguard.check``; the clips as they are are judged beside them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from avguard import Checker, Verdict
from avguard.data.row import Row
from avguard.errors import AvguardError
from avguard.evaluate.localise import ClipSpans, average_precision_at, average_recall_at
from avguard.evaluate.robustness.material import Material, Samples, read, write
from avguard.spec import load_spec
from avguard.train.forge.audio import forge_audio, partial_splice

RATE_HZ = load_spec().audio.sample_rate_hz
SHORTEST_S, LONGEST_S = 2.5, 12.0
SHIFTS_MS = (-400, -240, -120, 120, 240, 400)
TOLERANCE_MS = 40
OVERLAPS, PROPOSALS = (0.5, 0.75), 20


@dataclass(frozen=True)
class Found:
    """What the product says of one clip in its three forms; offsets in milliseconds, None when it tells none."""

    spliced: ClipSpans
    plain_segments: int
    shift_ms: int
    offset_ms: float | None
    shifted_offset_ms: float | None


def at_16_khz(clip: Material) -> Material:
    """The same with its sound at the rate that the forge works at."""
    samples = resample_poly(clip.samples, RATE_HZ, clip.rate_hz).astype(np.float32)
    return replace(clip, samples=samples, rate_hz=RATE_HZ)


def spliced(clip: Material, rng: np.random.Generator) -> tuple[Material, tuple[tuple[float, float], ...]]:
    """``clip`` with a stretch of its sound forged, and that stretch in seconds."""
    forged, _ = forge_audio(clip.samples, rng)
    samples, mask = partial_splice(clip.samples, forged, rng)
    inside = np.flatnonzero(mask)
    return replace(clip, samples=samples), ((inside[0] / RATE_HZ, (inside[-1] + 1) / RATE_HZ),)


def moved(clip: Material, shift_ms: int) -> Material:
    """``clip`` with its sound ``shift_ms`` later (earlier when negative), as long as it was."""
    count = round(abs(shift_ms) * RATE_HZ / 1000)
    silence: Samples = np.zeros(count, np.float32)
    ends = (silence, clip.samples[:-count]) if shift_ms > 0 else (clip.samples[count:], silence)
    return replace(clip, samples=np.concatenate(ends))


def segments_of(verdict: Verdict, modality: str) -> tuple[tuple[float, float, float], ...]:
    """Start and end in seconds and score of each segment of one modality."""
    return tuple((s.start_s, s.end_s, s.score) for s in verdict.segments if s.modality == modality)


def measure(rows: Sequence[Row], data: Path, checker: Checker, seed: int = 0) -> Iterator[Found]:
    """What is found in each bona fide clip of ``rows`` that has picture and sound and is long enough."""
    with tempfile.TemporaryDirectory(prefix="avguard-partial-") as folder:
        path = Path(folder) / "clip.mp4"

        def check(clip: Material) -> Verdict:
            write(clip, path)
            return checker.check(path)

        for number, row in enumerate(r for r in rows if r.kind == "real" and r.media == "clips"):
            rng = np.random.default_rng([seed, number])
            try:
                clip = at_16_khz(read(data / row.path, LONGEST_S))
                if clip.seconds < SHORTEST_S or len(clip.samples) < SHORTEST_S * RATE_HZ:
                    continue
                shift_ms = int(rng.choice(SHIFTS_MS))
                partial, spans = spliced(clip, rng)
                plain, forged, shifted = check(clip), check(partial), check(moved(clip, shift_ms))
            except AvguardError:
                continue
            spliced_clip = ClipSpans(spans, segments_of(forged, "audio"))
            alarms = len(segments_of(plain, "audio"))
            yield Found(spliced_clip, alarms, shift_ms, plain.offset_ms, shifted.offset_ms)


def table(found: Sequence[Found]) -> str:
    """Markdown: AP and AR of the segments, and how often offsets come out right."""
    clips = [f.spliced for f in found]
    lines = ["| what | clips | value |", "|---|---|---|"]
    lines += [f"| AP@{o} of forged sound | {len(clips)} | {average_precision_at(clips, o):.3f} |" for o in OVERLAPS]
    lines.append(f"| AR@{PROPOSALS} of forged sound | {len(clips)} | {average_recall_at(clips, PROPOSALS):.3f} |")
    alarms = sum(f.plain_segments > 0 for f in found)
    lines.append(f"| clips as they are with an audio segment | {len(found)} | {alarms} |")
    both = [f for f in found if f.offset_ms is not None and f.shifted_offset_ms is not None]
    near = [abs((f.shifted_offset_ms or 0.0) - (f.offset_ms or 0.0) - f.shift_ms) <= TOLERANCE_MS for f in both]
    lines.append(f"| an offset is told before and after the sound was moved | {len(found)} | {len(both)} |")
    lines.append(f"| of these, the move is found within {TOLERANCE_MS} ms | {len(both)} | {sum(near)} |")
    return "\n".join(lines)
