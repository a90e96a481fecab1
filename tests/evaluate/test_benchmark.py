# SPDX-License-Identifier: Apache-2.0
"""The field's table: what is counted, what is kept apart, and the command on a public set's tree."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from avguard import cli
from avguard.data import Row, read_dataset
from avguard.evaluate import __main__ as command
from avguard.evaluate.benchmark import Line, make_benchmark
from avguard.evaluate.benchmark_text import page, render_benchmark
from avguard.evaluate.journal import Result
from avguard.evaluate.manifest import read_manifest
from avguard.evaluate.robustness.material import read
from avguard.evaluate.trim import TrimmingChecker, leading_silence_s, trim
from tests.data import trees
from tests.evaluate.doubles import MODEL, NameChecker, Scores, Segment, Verdict, clip_row, speech_row, write_lists
from tests.make_media import Film, Sound, write_clip


def scored(row: Row, value: float | None, *segments: tuple[float, float, float]) -> Result:
    label = "inconclusive" if value is None else "fake" if value > 0.5 else "real"
    scores = dict.fromkeys(("video", "audio", "sync", "desync", "overall"), value)
    return Result(row.path, "m@1", label, scores, segments=segments)


def find(lines: tuple[Line, ...], head: str, part: str) -> Line:
    return next(line for line in lines if line.head == head and line.part == part)


def test_numbers_of_each_head_and_sources_apart(tmp_path: Path) -> None:
    clips = [clip_row("r1.mp4", source="old"), clip_row("r2.mp4", source="new"), clip_row("r3.mp4", source="new")]
    clips += [clip_row("f1.mp4", "fake", source="old"), clip_row("f2.mp4", "fake", source="new", video_fake="0")]
    rows = read_manifest(write_lists(tmp_path, clips, [speech_row("s.flac", "fake")]))
    values = dict(zip([row.path for row in rows], (0.1, 0.2, 0.7, 0.9, 0.6, 0.9), strict=True))
    results = {row.path: scored(row, values[row.path]) for row in rows}
    found = make_benchmark(rows, results, ["old"], name="x", split="test", model_id="m@1")
    overall = find(found.lines, "overall", "all")
    assert (overall.negatives, overall.positives, overall.seen, found.seen) == (3, 2, 2, 2)
    assert overall.auc == pytest.approx(5 / 6)
    assert overall.acc == pytest.approx(4 / 5)
    assert overall.balanced_acc == pytest.approx((2 / 3 + 1) / 2)
    # A forged voice over a true picture is real to the video head.
    assert (find(found.lines, "video", "all").negatives, find(found.lines, "audio", "all").positives) == (4, 2)
    assert find(found.lines, "overall", "seen sources").auc == 1.0
    assert find(found.lines, "overall", "unseen sources").auc == 0.5
    assert find(found.lines, "audio", "speech files, all").positives == 1
    assert {(line.part, line.head) for line in found.methods if line.part == "Vocoder"} == {("Vocoder", "audio")}
    assert found.false_alarms == pytest.approx(1 / 3)
    assert found.localisation == ()
    unknown = make_benchmark(rows, results, None, name="x", split="test", model_id="m@1")
    assert unknown.seen is None
    assert {line.part for line in unknown.lines} == {"all", "speech files, all"}
    assert "does not name its training sources" in render_benchmark(unknown)
    assert "2 of 6 clips come from sources that the model was trained on" in render_benchmark(found)


def test_localisation_needs_spans_and_kept_segments(tmp_path: Path) -> None:
    rows = read_dataset("lavdf", trees.lavdf(tmp_path))
    by_name = {Path(row.path).stem: row for row in rows}
    results = {row.path: scored(row, 0.4) for row in rows}
    results[by_name["000002"].path] = scored(by_name["000002"], 0.9, (1.5, 2.25, 0.9))
    results[by_name["000003"].path] = scored(by_name["000003"], 0.9, (0.5, 1.0, 0.7))
    (part,) = make_benchmark(rows, results, None, name="lavdf", split="all", model_id="m@1").localisation
    assert (part.clips, part.spans, part.proposals) == (3, 3, 2)
    assert (part.ap["0.95"], part.ar["100"]) == pytest.approx((2 / 3, 2 / 3))
    old = {path: replace(result, segments=None) for path, result in results.items()}
    assert make_benchmark(rows, old, None, name="lavdf", split="all", model_id="m@1").localisation == ()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_loads_nothing_and_escapes_everything(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    rows = read_manifest(write_lists(tmp_path, [clip_row("r.mp4"), clip_row("f.mp4", "fake", generator=evil)]))
    results = {row.path: scored(row, 0.5) for row in rows}
    text = page(make_benchmark(rows, results, None, name=evil, split="test", model_id="m@1"))
    parser = Tags()
    parser.feed(text)
    assert evil not in text
    assert "&lt;script&gt;" in text
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in parser.found}
    assert not any({"src", "href", "style", "onclick"} & set(attributes) for _, attributes in parser.found)
    policies = [a["content"] for _, a in parser.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert not re.search(r"url\(|@import|https?:", text)


def test_a_public_set_by_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trees.fakeavceleb(tmp_path / "set")
    monkeypatch.setattr(command, "make_checker", lambda *_: NameChecker())
    monkeypatch.setattr(command, "name_model", lambda *_: MODEL + "@1")
    words = ["evaluate", "--dataset", "fakeavceleb", str(tmp_path / "set"), "--workers", "0"]
    words += [
        "--out",
        str(tmp_path / "r.jsonl"),
        "--json",
        str(tmp_path / "r.json"),
        "--html",
        str(tmp_path / "r.html"),
    ]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("benchmark fakeavceleb, split all, model double-1@1")
    assert "faceswap-wav2lip or wav2lip" in out
    document = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["benchmark"]
    assert document["clips"] == 4
    assert "faceswap-wav2lip or wav2lip" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert cli.main([*words, "--clips", "2"]) == 0
    assert "2 clips, 0 errors" in capsys.readouterr().out
    assert cli.main([*words, "--split", "val"]) == 12
    assert cli.main(["evaluate", "--dataset", "nothing", str(tmp_path)]) == 12


def test_leading_silence_goes_from_both_and_segments_stay_in_time(tmp_path: Path) -> None:
    quiet = np.concatenate([np.full(4800, 1e-4), np.full(4800, 0.1)]).astype(np.float32)
    assert leading_silence_s(quiet, 48_000) == pytest.approx(0.1)
    assert leading_silence_s(np.zeros(4800, np.float32), 48_000) == 0.0
    clip = read(write_clip(tmp_path / "clip.mp4", Film(seconds=2), Sound(seconds=2)))
    silent = clip.samples.copy()
    silent[: round(0.4 * clip.rate_hz)] = 0
    trimmed, cut_s = trim(replace(clip, samples=silent))
    assert cut_s == pytest.approx(0.4, abs=0.011)
    assert len(trimmed.frames) == 40
    assert trimmed.frames[0].pts == 0
    short, cut_s = trim(replace(clip, samples=np.r_[np.zeros(len(silent) - 480), np.ones(480)].astype(np.float32)))
    assert cut_s == pytest.approx(clip.seconds - 1.0)
    assert math.isclose(short.seconds, 1.0, abs_tol=0.05)
    late = write_clip(tmp_path / "late.mp4", Film(seconds=2), Sound(seconds=1.5, start_us=500_000, click_us=None))

    class Fixed:
        def check(self, path: str, /) -> Verdict:
            assert read(path).seconds == pytest.approx(1.5, abs=0.1)
            return Verdict("fake", Scores(*[0.9] * 5), segments=(Segment(0.0, 1.0, 0.8),))

    verdict = TrimmingChecker(Fixed()).check(str(late))
    assert verdict.label == "fake"
    (segment,) = verdict.segments
    assert (segment.start_s, segment.end_s) == pytest.approx((0.5, 1.5), abs=0.03)
