# SPDX-License-Identifier: Apache-2.0
"""Partial fakes and moved sound: what is done to a clip, and what is counted of the product's answers."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from avguard.evaluate.localise import ClipSpans
from avguard.evaluate.manifest import read_manifest
from avguard.evaluate.robustness.material import TICKS_HZ, Material, read, write
from avguard.train.experiments.partial import RATE_HZ, Found, at_16_khz, measure, moved, spliced, table
from avguard.verdict import Segment


def voice(seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    clock = np.arange(int(seconds * rate_hz)) / rate_hz
    tone = sum(np.sin(2 * np.pi * 130 * k * clock) / k for k in range(1, 12))
    breath = np.random.default_rng(0).normal(size=len(clock))
    return (0.1 * (tone + breath) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * clock))).astype(np.float32)


def film(seconds: float) -> tuple[av.VideoFrame, ...]:
    frames = []
    for i in range(int(25 * seconds)):
        frame = av.VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), "yuv420p")
        frame.pts, frame.time_base = i * TICKS_HZ // 25, Fraction(1, TICKS_HZ)
        frames.append(frame)
    return tuple(frames)


def test_a_spliced_clip_differs_inside_its_span_alone() -> None:
    clip = Material((), voice(4), RATE_HZ)
    forged, ((start_s, end_s),) = spliced(clip, np.random.default_rng(3))
    changed = np.flatnonzero(forged.samples != clip.samples) / RATE_HZ
    assert 0.25 < end_s - start_s < 2
    assert start_s <= changed.min()
    assert changed.max() < end_s
    assert len(changed) > 0.5 * (end_s - start_s) * RATE_HZ


@pytest.mark.parametrize("shift_ms", [-240, 120])
def test_moved_sound_is_as_long_and_as_late_as_asked(shift_ms: int) -> None:
    clip = Material((), voice(2), RATE_HZ)
    count = round(shift_ms * RATE_HZ / 1000)
    found = moved(clip, shift_ms).samples
    assert len(found) == len(clip.samples)
    if count > 0:
        assert not found[:count].any()
        assert np.array_equal(found[count:], clip.samples[:-count])
    else:
        assert not found[count:].any()
        assert np.array_equal(found[:count], clip.samples[-count:])


def test_other_rates_become_16_khz() -> None:
    clip = at_16_khz(Material((), voice(1, 44_100), 44_100))
    assert (clip.rate_hz, len(clip.samples)) == (RATE_HZ, RATE_HZ)


def test_shares_are_counted_over_those_that_told_an_offset() -> None:
    hit = ClipSpans(((1.0, 2.0),), ((1.0, 2.0, 0.9),))
    miss = ClipSpans(((1.0, 2.0),), ())
    found = [
        Found(hit, 0, 120, 10.0, 140.0), Found(miss, 1, -240, 0.0, 0.0), Found(miss, 0, 400, None, 400.0),
    ]  # fmt: skip
    rows = {cells[1].strip(): cells[3].strip() for cells in (r.split("|") for r in table(found).splitlines()[2:])}
    assert rows["AP@0.5 of forged sound"] == "0.333"
    assert rows["clips as they are with an audio segment"] == "1"
    assert rows["an offset is told before and after the sound was moved"] == "2"
    assert rows["of these, the move is found within 40 ms"] == "1"


@dataclass
class Listening:
    """In place of the product, to see what it is given: says the loudness of the file's first and second half."""

    heard: list[np.ndarray]

    def check(self, path: Path) -> SimpleNamespace:
        self.heard.append(read(path).samples)
        segments = [Segment(0.5, 1.0, "audio", 0.9), Segment(0.0, 1.0, "video", 0.9)] if len(self.heard) == 2 else []
        return SimpleNamespace(segments=segments, offset_ms=None)


def test_only_long_bona_fide_films_are_measured_and_each_in_three_forms(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    names = {"long": ("real", 4.0), "short": ("real", 1.0), "fake": ("fake", 4.0)}
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["clip", "kind", "video_fake", "audio_fake", "generator", "source", "split", "group", "duration_s"]
        )
        for name, (kind, seconds) in names.items():
            flag = int(kind == "fake")
            write(Material(film(seconds), voice(seconds), RATE_HZ), tmp_path / f"clips/{name}.mp4")
            writer.writerow([f"clips/{name}.mp4", kind, flag, flag, "x" * flag, "s/x", "test", name, seconds])
    listening = Listening([])
    found = list(measure(read_manifest(tmp_path), tmp_path, listening))  # type: ignore[arg-type]
    assert len(found) == 1
    assert len(listening.heard) == 3
    assert found[0].spliced.proposals == ((0.5, 1.0, 0.9),)
    assert found[0].plain_segments == 0
    plain, forged, shifted = listening.heard
    assert not np.allclose(plain, forged, atol=0.02)
    assert not np.allclose(plain, shifted, atol=0.02)
