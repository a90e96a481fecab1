# SPDX-License-Identifier: Apache-2.0
"""The report says what the rows say, also where scores are missing."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from avguard.errors import UsageError
from avguard.evaluate import __main__ as command
from avguard.evaluate.journal import Result, append, open_journal
from avguard.evaluate.manifest import Row, read_manifest, select
from avguard.evaluate.report import Report, make_report
from avguard.evaluate.text import number, plain, render, table
from tests.evaluate.doubles import MODEL, NameChecker, clip_row, speech_row, write_lists

Scores = dict[str, float | None]


def clip(kind: str, source: str, score: float | None, label: str, **others: str) -> tuple[dict[str, str], Scores, str]:
    """A row, its scores (all heads alike) and its label."""
    name = f"{kind}{source}{score}{label}{sorted(others.items())}".replace("/", "_") + ".mp4"
    heads = ("video", "audio", "sync", "desync", "overall")
    return clip_row(name, kind, source=source, **others), dict.fromkeys(heads, score), label


CLIPS = [
    clip("real", "p/a", 0.1, "real"),
    clip("real", "p/a", 0.2, "real"),
    clip("real", "p/b", 0.7, "fake"),
    clip("real", "p/b", None, "inconclusive"),
    clip("fake", "p/b", 0.8, "fake", generator="Old (v2)"),
    clip("fake", "p/b", 0.6, "fake", generator="Old (v2)"),
    clip("fake", "p/c", 0.9, "fake", generator="New", audio_fake="unknown"),
    clip("fake", "p/c", 0.15, "real", generator="New", audio_fake="0"),
    clip("fake", "p/c", None, "inconclusive", generator="New", video_fake="0"),
]


def build(folder: Path, draws: int = 50) -> tuple[Report, tuple[Row, ...], dict[str, Result]]:
    trained = clip_row("t.mp4", "fake", generator="old", split="train")
    speech = [speech_row("r.flac"), speech_row("f.flac", "fake", generator="Old")]
    rows = read_manifest(write_lists(folder, [row for row, _, _ in CLIPS] + [trained], speech))
    results = {
        row["clip"]: Result(row["clip"], MODEL, label, scores, ("no_face",) if label == "inconclusive" else ())
        for row, scores, label in CLIPS
    }
    for name, score in (("speech/r.flac", 0.3), ("speech/f.flac", 0.4)):
        results[name] = Result(name, MODEL, "inconclusive", {"audio": score}, ("no_video",))
    chosen = select(rows, "test")
    rng = np.random.default_rng(0)
    return make_report(chosen, results, rows, model_id=MODEL, split="test", rng=rng, draws=draws), rows, results


def test_head_tables_take_the_right_clips(tmp_path: Path) -> None:
    report, _, _ = build(tmp_path)
    heads = {(t.media, t.head, t.fakes): t for t in report.heads}
    overall = heads["clips", "overall", "all"]
    assert (overall.negatives, overall.positives, overall.unscored) == (3, 4, 2)
    # Fakes .8 .6 .9 .15 against reals .1 .2 .7: 3 + 2 + 3 + 1 of 12 pairs.
    assert overall.auc.value == pytest.approx(9 / 12)
    assert heads["clips", "overall", "seen"].auc.value == pytest.approx(5 / 6)
    assert heads["clips", "overall", "unseen"].auc.value == pytest.approx(4 / 6)
    assert heads["clips", "overall", "seen"].negatives == 3
    audio = heads["clips", "audio", "all"]
    # The unknown voice is dropped; the true voice under a forged picture is a negative.
    assert (audio.negatives, audio.positives) == (4, 2)
    assert heads["clips", "video", "all"].positives == 4
    # Old is .7 on average, against .1 .2 .7: 5/6; New 4/6.
    assert overall.macro_auc == pytest.approx((5 / 6 + 4 / 6) / 2)
    # Only p/b holds both: .8 and .6 against .7.
    assert (overall.within_source_auc, overall.within_pairs) == (0.5, 2)
    assert (overall.unit, overall.clusters) == ("source", 3)
    assert overall.auc.low <= overall.auc.value <= overall.auc.high
    assert heads["speech", "audio", "all"].auc.value == 1.0
    assert ("speech", "video", "all") not in heads


def test_coverage_rates_sources_and_generators(tmp_path: Path) -> None:
    report, _, _ = build(tmp_path)
    real = next(c for c in report.coverage if (c.media, c.kind) == ("clips", "real"))
    assert (real.clips, real.heads["overall"], real.decided) == (4, 0.75, 0.75)
    assert real.labels == {"real": 2, "fake": 1, "inconclusive": 1}
    rates = {(r.media, r.name): r for r in report.rates}
    alarms = rates["clips", "real clips called fake"]
    assert (alarms.rate.value, alarms.decided) == (0.25, 3)
    assert alarms.rate_decided.value == pytest.approx(1 / 3)
    assert rates["clips", "fakes called fake, seen generators"].rate.value == 1.0
    assert rates["clips", "fakes called fake, unseen generators"].rate.value == pytest.approx(1 / 3)
    sources = {s.source: s for s in report.sources if s.media == "clips"}
    assert set(sources) == {"p/a", "p/b"}
    assert sources["p/a"].mean["overall"] == pytest.approx(0.15)
    assert sources["p/b"].alarms.value == 0.5
    # Without p/b: .9 and .15 against .1 and .2.
    assert sources["p/b"].auc_without["overall"] == 0.75
    generators = {g.generator: g for g in report.generators if g.media == "clips"}
    assert generators["Old (v2)"].seen
    assert not generators["New"].seen
    assert generators["New"].auc["overall"] == pytest.approx(4 / 6)
    # Its one forged voice has no score.
    assert math.isnan(generators["New"].auc["audio"])
    assert report.reasons == {"no_face": 2, "no_video": 2}


def test_the_text_holds_every_part_and_marks_what_is_missing(tmp_path: Path) -> None:
    report, rows, results = build(tmp_path)
    text = render(report)
    for part in (
        "clips (picture and sound)",
        "speech only",
        "coverage",
        "p/a",
        "Old (v2)",
        "no_face",
        "unseen",
        "desync",
    ):
        assert part in text
    assert "INCOMPLETE" not in text
    assert "nan" not in text
    del results[CLIPS[0][0]["clip"]]
    chosen = select(rows, "test")
    rng = np.random.default_rng(0)
    short = make_report(chosen, results, rows, model_id=MODEL, split="test", rng=rng, draws=5)
    assert "INCOMPLETE: 1 rows" in render(short)


@pytest.mark.parametrize("kept", ["real", "fake", "none", "errors"])
def test_one_class_or_no_score_at_all_is_a_report_too(tmp_path: Path, kept: str) -> None:
    rows = read_manifest(write_lists(tmp_path, [clip_row("a.mp4"), clip_row("b.mp4", "fake")]))
    results = {
        row.path: Result(row.path, MODEL, "inconclusive", {"overall": None if kept == "none" else 0.5})
        for row in rows
        if kept in (row.kind, "none")
    }
    if kept == "errors":
        results = {row.path: Result(row.path, MODEL, error="MediaError: x") for row in rows}
    report = make_report(rows, results, rows, model_id=MODEL, split="test", rng=np.random.default_rng(0), draws=20)
    assert math.isnan(report.heads[0].auc.value)
    assert "overall" in render(report)
    assert json.loads(json.dumps(plain(report), allow_nan=False))["missing"] == (1 if kept in ("real", "fake") else 0)
    if kept == "errors":
        assert report.errors == {"MediaError": 2}
        assert report.coverage[0].errors == 1


def test_the_same_seed_gives_the_same_report(tmp_path: Path) -> None:
    assert plain(build(tmp_path)[0]) == plain(build(tmp_path)[0])


def test_clips_of_trained_sources_are_counted(tmp_path: Path) -> None:
    rows = read_manifest(write_lists(tmp_path, [clip_row("a.mp4", source="old"), clip_row("b.mp4", source="new")]))
    results = {row.path: Result(row.path, "m@1", "real", dict.fromkeys(("overall",), 0.1)) for row in rows}
    rng = np.random.default_rng(0)
    told = make_report(rows, results, rows, model_id="m@1", split="test", rng=rng, draws=5, trained_on=["old"])
    assert told.trained == {"clips, real": (1, 2)}
    assert "sources the model was trained on: 1 of 2 (clips, real)" in render(told)
    untold = make_report(rows, results, rows, model_id="m@1", split="test", rng=rng, draws=5)
    assert "not known, the bundle does not name them" in render(untold)


def test_small_parts() -> None:
    assert number(math.nan) == number(None) == "-"
    assert table(["a", "bb"], [["ccc", "1"]]).splitlines() == ["a    bb", "---  --", "ccc   1"]
    with pytest.raises(UsageError):
        plain(object())


def command_line(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """Arguments over six clips and two sounds, with the product replaced by a double."""
    clips = [clip_row(f"{kind}{i}.mp4", kind, source=f"p/{i}") for kind in ("real", "fake") for i in range(3)]
    write_lists(folder, [*clips, clip_row("bad.mp4")], [speech_row("r.flac"), speech_row("f.flac", "fake")])
    monkeypatch.setattr(command, "make_checker", lambda *_: NameChecker(folder / "log"))
    monkeypatch.setattr(command, "name_model", lambda *_: MODEL + "@1")
    return ["--data", str(folder), "--out", str(folder / "r.jsonl"), "--workers", "0", "--draws", "20"]


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = command_line(monkeypatch, tmp_path)
    assert command.main([*arguments, "--json", str(tmp_path / "report.json")]) == 0
    first = capsys.readouterr()
    assert first.out.startswith(f"model {MODEL}@1, split test")
    assert "MediaError" in first.out
    assert "9/9 checked, 0 known, 1 errors" in first.err
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert document["report"]["model_id"] == MODEL + "@1"
    checks = (tmp_path / "log").read_text(encoding="utf-8")
    for again in ([], ["--report-only"]):
        assert command.main([*arguments, *again]) == 0
        assert capsys.readouterr().out == first.out
    assert (tmp_path / "log").read_text(encoding="utf-8") == checks


def test_command_line_errors_are_codes_and_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--data", str(tmp_path)]) == 4
    assert "error: no clips.csv" in capsys.readouterr().err
    arguments = command_line(monkeypatch, tmp_path)
    assert command.main([*arguments, "--report-only"]) == 12
    assert command.main([*arguments, "--split", "train"]) == 12
    monkeypatch.setattr(command, "make_checker", functools.partial(_interrupt))
    assert command.main(arguments) == 130
    assert "go on" in capsys.readouterr().err


def _interrupt(*_: str | None) -> NameChecker:
    raise KeyboardInterrupt


def test_a_bundle_is_named_by_its_manifest_too(tmp_path: Path) -> None:
    raw: dict[str, object] = {key: {} for key in ("calibration", "files", "programs", "runtime")}
    raw |= dict.fromkeys(("spec_hash", "self_test", "license_code", "license_weights", "license_data"), "x")
    raw |= {"format": 1, "id": "joint-7"}
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    first = command.name_model(str(tmp_path), "int8")
    path.write_text(json.dumps(raw | {"files": {"a": "0" * 64}}), encoding="utf-8")
    second = command.name_model(str(tmp_path), "int8")
    assert first.split("@")[0] == second.split("@")[0] == "joint-7"
    assert first != second


def test_the_newest_model_of_a_results_file_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command_line(monkeypatch, tmp_path)
    with open_journal(tmp_path / "r.jsonl") as journal:
        append(journal, asdict(Result("clips/real0.mp4", "old@1", "real")))
        append(journal, asdict(Result("clips/real0.mp4", "new@1", "real")))
    assert command.main([*arguments, "--report-only"]) == 0
    text = capsys.readouterr().out
    assert "model new@1" in text
    assert "INCOMPLETE: 8 rows" in text


def test_few_clusters_are_marked(tmp_path: Path) -> None:
    report, _, _ = build(tmp_path)
    assert "3 sources (!)" in render(report)
