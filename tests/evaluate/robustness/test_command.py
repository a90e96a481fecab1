# SPDX-License-Identifier: Apache-2.0
"""Choice of clips, tables, and the command itself with the real product."""

from __future__ import annotations

import json
import math
import shutil
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from avguard.errors import UsageError
from avguard.evaluate import __main__ as command
from avguard.evaluate.journal import Result
from avguard.evaluate.manifest import Row, read_manifest
from avguard.evaluate.robustness.card import card
from avguard.evaluate.robustness.outcome import outcomes
from avguard.evaluate.robustness.pick import pick
from avguard.evaluate.robustness.slices import slices
from avguard.evaluate.robustness.suite import Condition, conditions, tagged
from tests.evaluate.doubles import clip_row, write_lists

CLEAN = Condition("clean", 0)


def rows_of(folder: Path) -> tuple[Row, ...]:
    clips = [clip_row(f"r{i}.mp4", source=f"page/{min(i, 2)}") for i in range(8)]
    clips += [clip_row(f"f{i}.mp4", "fake", generator=f"g{min(i, 1)}") for i in range(8)]
    return read_manifest(write_lists(folder, clips))


def result(row: Row, condition: Condition, score: float | None, label: str) -> Result:
    scores = dict.fromkeys(("video", "audio", "sync", "desync", "overall"), score)
    quality = {"face_px": 30.0, "bandwidth_hz": None, "speech_s": 2.0}
    return Result(tagged(row.path, condition), "m@1", label, scores, quality=quality)


def test_choice_is_balanced_spread_and_nested(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    chosen = pick(rows, 8)
    assert Counter(row.kind for row in chosen) == {"real": 4, "fake": 4}
    assert {row.source for row in chosen if row.kind == "real"} == {"page/0", "page/1", "page/2"}
    assert {row.generator for row in chosen if row.kind == "fake"} == {"g0", "g1"}
    assert pick(rows, 4) == chosen[:4]
    assert pick(rows, 16, seed=1) != pick(rows, 16, seed=2)
    for count in (1, 18):
        with pytest.raises(UsageError, match="give 2 to 16"):
            pick(rows, count)


def test_outcomes_count_labels_and_compare_on_the_same_clips(tmp_path: Path) -> None:
    rows, blur = pick(rows_of(tmp_path), 4), Condition("blur", 5)
    results = {}
    for row in rows:
        fake = row.kind == "fake"
        results[tagged(row.path, CLEAN)] = result(row, CLEAN, 0.9 if fake else 0.1, "fake" if fake else "real")
        results[tagged(row.path, blur)] = result(row, blur, 0.2 if fake else 0.8, "inconclusive" if fake else "fake")
    # The one fake that cannot be judged any more drops out of the ranking, and out of what it is compared with.
    last = [row for row in rows if row.kind == "fake"][-1]
    results[tagged(last.path, blur)] = result(last, blur, None, "inconclusive")
    plan = [CLEAN, blur, Condition("opus", 1)]
    clean, blurred = outcomes(rows, plan, results)
    assert (clean.auc["overall"], clean.false_alarms.value, clean.decided, clean.scored) == (1.0, 0.0, 1.0, 1.0)
    assert (blurred.auc["overall"], blurred.auc_change) == (0.0, -1.0)
    assert (blurred.false_alarms.value, blurred.detected.value) == (1.0, 0.0)
    assert (blurred.decided, blurred.scored, blurred.value) == (0.5, 0.75, 21)
    text = card([clean, blurred], [], "m@1", "How.")
    assert "blur at 21 (kernel px) AUC 0.00 (-1.00)" in text
    assert "| blur | 7 / 9 / 13 / 17 / 21 kernel px | - / - / - / - / 0.00 | - / - / - / - / 100 |" in text


def test_slices_are_of_real_clips_only(tmp_path: Path) -> None:
    rows = tuple(replace(row, language="en") if row.path.endswith("r0.mp4") else row for row in rows_of(tmp_path))
    results = {row.path: replace(result(row, CLEAN, 0.4, "real"), clip=row.path) for row in rows}
    results["clips/r1.mp4"] = replace(results["clips/r1.mp4"], label="fake")
    sides = {row.path: 160 if row.source == "page/0" else 400 for row in rows}
    found = {(s.axis, s.name): s for s in slices(rows, results, sides, ["page/2"])}
    assert (found["source in training", "seen"].clips, found["source in training", "unseen"].clips) == (6, 2)
    assert {s.name for s in slices(rows, results, sides) if s.axis == "source in training"} == {"not known"}
    assert found["source", "page/1"].false_alarms.value == 1.0
    assert found["source", "page/2"].clips == 6
    assert (found["language", "en"].clips, found["language", "not known"].clips) == (1, 7)
    assert (found["shorter side, px", "up to 160"].clips, found["shorter side, px", "over 360 to 720"].clips) == (1, 7)
    assert found["between the eyes, px", "over 20 to 40"].clips == 8
    assert found["bandwidth, Hz", "not known"].clips == 8
    assert math.isclose(found["speech, s", "over 1 to 3"].mean_overall, 0.4)


def test_the_command_resumes_and_writes_everything(
    tmp_path: Path, demo_clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_lists(tmp_path, [clip_row("r.mp4"), clip_row("f.mp4", "fake")])
    (data / "clips").mkdir()
    for name in ("r.mp4", "f.mp4"):
        shutil.copy(demo_clip, data / "clips" / name)
    words = ["robustness", "--data", str(data), "--clips", "2", "--kinds", "lowpass", "--levels", "5"]
    words += ["--seconds", "2.5", "--workers", "0", "--out", str(tmp_path / "out")]
    assert command.main(words) == 0
    first = capsys.readouterr()
    assert "1/1 checked" in first.err
    assert "4/4 checked" in first.err
    document = json.loads((tmp_path / "out" / "robustness.json").read_text(encoding="utf-8"))
    assert document["missing"] == 0
    assert [(o["kind"], o["level"], o["errors"]) for o in document["outcomes"]] == [("clean", 0, 0), ("lowpass", 5, 0)]
    # The same clip twice, once called real and once fake: nothing can rank them.
    assert [o["auc"]["overall"] for o in document["outcomes"]] == [0.5, 0.5]
    assert (tmp_path / "out" / "robustness.md").read_text(encoding="utf-8") == first.out
    ElementTree.parse(tmp_path / "out" / "robustness.svg")
    lines = (tmp_path / "out" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert command.main([*words, "--levels", "5", "1", "--report-only"]) == 0
    assert "INCOMPLETE: 1 conditions" in capsys.readouterr().out
    assert command.main(words) == 0
    assert (tmp_path / "out" / "results.jsonl").read_text(encoding="utf-8").splitlines() == lines
    assert len(conditions(["lowpass"], (5,))) * 2 + 1 == len(lines)
