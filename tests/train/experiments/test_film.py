# SPDX-License-Identifier: Apache-2.0
"""Partial fakes of pictures: where the canvas lies in the picture, what is pasted back, and what is counted."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avguard.data.row import Row
from avguard.evaluate.localise import ClipSpans
from avguard.evaluate.robustness.material import Material, read, write
from avguard.train.experiments import film
from avguard.train.experiments.film import (
    Found,
    Track,
    canvas_maps,
    follow,
    forge_stretch,
    measure,
    on_grid,
    pasted,
    soft_cover,
    spans_of,
    table,
)
from avguard.verdict import Segment
from tests.core import faces

FRAMES = 70


@cache
def pictures() -> NDArray[np.uint8]:
    """A face that drifts and nods, 25 frames a second."""
    face = faces.astronaut()[:240, 96:336]
    made = []
    for i in range(FRAMES):
        turn = cv2.getRotationMatrix2D((120, 100), 6 * np.sin(i / 11), 1.0)
        turn[:, 2] += 5 * np.sin(i / 9), 3 * np.cos(i / 7)
        made.append(cv2.warpAffine(face, turn, (240, 240), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    return np.stack(made)


@cache
def track() -> Track:
    found = follow(pictures(), faces.extractor())
    assert found is not None
    return found


def test_a_film_without_a_face_has_no_track() -> None:
    assert follow(np.full((12, 120, 160, 3), 90, np.uint8), faces.extractor()) is None


def test_the_map_finds_the_canvas_in_the_picture() -> None:
    maps = canvas_maps(track().points, track().poses)
    side = track().canvases.shape[1]
    errors = [
        np.abs(cv2.warpAffine(pictures()[n], maps[i], (side, side)).astype(int) - track().canvases[i]).mean()
        for i, n in enumerate(track().indices)
    ]
    assert len(errors) > FRAMES // 2
    # Of half a pixel's shift: 4 levels and more.
    assert max(errors) < 2.5
    shifted = maps + np.array([[0, 0, 1.0], [0, 0, 0]])
    worse = np.abs(cv2.warpAffine(pictures()[int(track().indices[0])], shifted[0], (side, side)).astype(int)
                   - track().canvases[0]).mean()  # fmt: skip
    assert worse > 1.5 * errors[0]


def test_what_is_pasted_is_seen_there_and_nowhere_else() -> None:
    part = slice(0, 8)
    before, maps = track().canvases[part], canvas_maps(track().points[part], track().poses[part])
    after = before.copy()
    after[:, 70:90, 40:72] = (20, 200, 30)
    shown = pictures()[track().indices[part]]
    out = pasted(shown, before, after, maps)
    side = before.shape[1]
    for i in range(8):
        again = cv2.warpAffine(out[i], maps[i], (side, side))
        assert np.abs(again[74:86, 44:68].astype(int) - (20, 200, 30)).mean() < 6
        far = cv2.warpAffine(np.ones((side, side), np.float32), maps[i], (240, 240), flags=cv2.WARP_INVERSE_MAP) == 0
        assert np.array_equal(out[i][far], shown[i][far])
        assert np.array_equal(out[i][:20], shown[i][:20])
    assert np.array_equal(pasted(shown, before, before, maps), shown)


def test_the_cover_is_whole_where_it_was_forged_and_ends_before_the_rim() -> None:
    before = np.zeros((1, 112, 112, 3), np.uint8)
    after = before.copy()
    after[0, 50:70, 50:70] = 9
    after[0, 0, 0] = 9
    cover = soft_cover(before, after)[0]
    assert cover[52:68, 52:68].min() > 0.95
    assert 0 < cover[45, 60] < 1
    assert cover[30, 30] == 0
    assert cover[0, 0] < 0.05


def test_spans_are_the_runs_of_forged_frames() -> None:
    fake = np.array([0, 1, 1, 0, 0, 1], bool)
    assert [x for span in spans_of(fake, 10) for x in span] == pytest.approx([0.44, 0.52, 0.60, 0.64])
    assert spans_of(np.zeros(4, bool), 0) == ()


def test_frames_outside_the_spans_are_the_picture_s_own() -> None:
    made = forge_stretch(pictures(), track(), None, np.random.default_rng(2))
    assert made is not None
    forged, spans, family = made
    assert family in film.FAMILIES
    inside = np.zeros(FRAMES, bool)
    for start_s, end_s in spans:
        inside[round(start_s / film.PERIOD_S) : round(end_s / film.PERIOD_S)] = True
    changed = (forged != pictures()).any((1, 2, 3))
    assert np.array_equal(changed, inside)
    assert film.LEAST_FORGED <= inside.sum() <= film.LONGEST_FRAMES


def test_a_face_that_is_there_too_shortly_is_not_forged() -> None:
    few = Track(*(x[:8] for x in (track().indices, track().canvases, track().points, track().poses)))
    assert forge_stretch(pictures(), few, None, np.random.default_rng(0)) is None


def test_any_rate_comes_onto_the_grid(tmp_path: Path) -> None:
    shades = np.arange(60, dtype=np.uint8) * 4
    shown = np.broadcast_to(shades[:, None, None, None], (60, 32, 32, 3))
    fast = film.film(np.ascontiguousarray(shown), Material((), np.zeros(0, np.float32), 16_000))
    for i, frame in enumerate(fast.frames):
        film.stamp(frame, i / 50)
    slow = on_grid(fast)
    assert len(slow) == 30
    assert np.abs(slow[:, 16, 16, 0].astype(int) - shades[::2]).max() <= 2


class Watching:
    """In place of the product: keeps what it was shown, and finds a segment in the second film."""

    def __init__(self) -> None:
        self.shown: list[Material] = []

    def check(self, path: Path) -> SimpleNamespace:
        self.shown.append(read(path))
        found = [Segment(0.5, 1.0, "video", 0.9), Segment(0.5, 1.0, "audio", 0.9)]
        return SimpleNamespace(segments=found if len(self.shown) == 2 else [])


def test_only_long_bona_fide_films_are_measured_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    voice = np.random.default_rng(0).normal(0, 0.05, int(16_000 * FRAMES / 25)).astype(np.float32)
    rows = []
    for name, kind, frames in (("long", "real", FRAMES), ("short", "real", 20), ("fake", "fake", FRAMES)):
        clip = Material((), voice[: 640 * frames], 16_000)
        write(film.film(pictures()[:frames], clip), tmp_path / f"clips/{name}.mp4")
        flag = int(kind == "fake")
        rows.append(Row(f"clips/{name}.mp4", "clips", kind, flag, flag, "x" * flag, "s", name, "test", 2.0))  # type: ignore[arg-type]
    watching = Watching()
    found = list(measure(rows, tmp_path, watching))  # type: ignore[arg-type]
    assert len(found) == 1
    assert len(watching.shown) == 2
    assert found[0].forged.proposals == ((0.5, 1.0, 0.9),)
    assert found[0].plain_segments == 0
    plain, forged = (np.stack([f.to_ndarray(format="gray") for f in m.frames]).astype(int) for m in watching.shown)
    ((start_s, end_s), *_) = found[0].forged.truth
    inside = slice(round(start_s * 25), round(end_s * 25))
    difference = np.abs(plain - forged).max((1, 2))
    assert difference[inside].mean() > 3 * np.delete(difference, np.r_[inside]).mean()
    assert np.allclose(watching.shown[0].samples, watching.shown[1].samples)


def test_what_is_counted() -> None:
    hit, miss = ClipSpans(((1.0, 2.0),), ((1.0, 2.0, 0.9),)), ClipSpans(((1.0, 2.0),), ())
    found = [Found("self_blend", hit, 0), Found("over_smooth", miss, 2)]
    rows = {cells[1].strip(): cells[3].strip() for cells in (r.split("|") for r in table(found).splitlines()[2:])}
    assert rows["AP@0.5 of forged picture"] == "0.500"
    assert rows["clips as they are with a video segment"] == "1"
    assert rows["forged clips with a video segment"] == "1"
