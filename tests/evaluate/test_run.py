# SPDX-License-Identifier: Apache-2.0
"""A run keeps what it has, goes on where it stopped, and survives any clip."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from avguard.errors import ModelError, UsageError
from avguard.evaluate.journal import Result, append, open_journal, read_results
from avguard.evaluate.manifest import Row, read_manifest
from avguard.evaluate.run import Progress, run
from tests.evaluate.doubles import MODEL, NameChecker, NoChecker, clip_row, value, write_lists

KEY = MODEL + "@0123"


def rows_of(folder: Path, *names: str) -> tuple[Row, ...]:
    return read_manifest(write_lists(folder, [clip_row(name) for name in names]))


def checked(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").split() if log.exists() else []


@pytest.mark.parametrize("workers", [0, 2])
def test_every_clip_has_one_result(tmp_path: Path, workers: int) -> None:
    names = [f"c{index}.mp4" for index in range(5)]
    rows, seen = rows_of(tmp_path, *names), list[Progress]()
    out = tmp_path / "deep" / "results.jsonl"
    results = run(NameChecker, tmp_path, rows, out, model_id=KEY, workers=workers, progress=seen.append)
    assert set(results) == {f"clips/{name}" for name in names}
    assert all(results[f"clips/{name}"].score("overall") == value(name) for name in names)
    assert results["clips/c0.mp4"].quality["bandwidth_hz"] is None
    assert results["clips/c0.mp4"].offset_ms == 12.0
    assert [p.done for p in seen] == [1, 2, 3, 4, 5]
    assert seen[-1].eta_s == 0
    assert seen[-1].rate > 0
    assert read_results(out) == {(clip, KEY): result for clip, result in results.items()}


def test_a_killed_run_goes_on_with_the_rest(tmp_path: Path) -> None:
    names = [f"c{index}.mp4" for index in range(6)]
    rows, out, log = rows_of(tmp_path, *names), tmp_path / "r.jsonl", tmp_path / "log"

    def stop(state: Progress) -> None:
        if state.done == 3:
            raise KeyboardInterrupt

    factory = functools.partial(NameChecker, log)
    with pytest.raises(KeyboardInterrupt):
        run(factory, tmp_path, rows, out, model_id=KEY, workers=0, progress=stop)
    with out.open("ab") as handle:
        handle.write(b'{"clip": "clips/c3.mp4", "model_id": "dou')
    assert checked(log) == names[:3]
    last = list[Progress]()
    results = run(factory, tmp_path, rows, out, model_id=KEY, workers=0, progress=last.append)
    assert checked(log) == names
    assert len(results) == 6
    assert last[-1].skipped == 3
    lines = out.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["clip"] for line in lines] == [f"clips/{name}" for name in names]


def test_interrupting_a_pool_leaves_no_worker_and_no_lost_row(tmp_path: Path) -> None:
    import multiprocessing

    names = [f"c{index}.mp4" for index in range(6)]
    rows, out = rows_of(tmp_path, *names), tmp_path / "r.jsonl"

    def stop(state: Progress) -> None:
        if state.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(NameChecker, tmp_path, rows, out, model_id=KEY, workers=2, progress=stop)
    assert not multiprocessing.active_children()
    assert len(read_results(out)) == 2
    assert len(run(NameChecker, tmp_path, rows, out, model_id=KEY, workers=2)) == 6


def test_results_of_another_model_do_not_count(tmp_path: Path) -> None:
    rows, out, log = rows_of(tmp_path, "a.mp4"), tmp_path / "r.jsonl", tmp_path / "log"
    factory = functools.partial(NameChecker, log)
    run(factory, tmp_path, rows, out, model_id=MODEL + "@old", workers=0)
    run(factory, tmp_path, rows, out, model_id=MODEL + "@new", workers=0)
    run(factory, tmp_path, rows, out, model_id=MODEL + "@new", workers=0)
    assert checked(log) == ["a.mp4", "a.mp4"]
    results = run(factory, tmp_path, rows, tmp_path / "other.jsonl", model_id="elsewhere@1", workers=0)
    assert "ModelError" in str(results["clips/a.mp4"].error)


def test_a_bad_clip_is_a_row(tmp_path: Path) -> None:
    rows, out = rows_of(tmp_path, "bad.mp4", "bug.mp4", "nan.mp4", "fine.mp4"), tmp_path / "r.jsonl"
    results = run(NameChecker, tmp_path, rows, out, model_id=KEY, workers=0)
    assert results["clips/bad.mp4"].error == "MediaError: bad.mp4 is not media"
    assert str(results["clips/bug.mp4"].error).startswith("ZeroDivisionError")
    assert "not a probability" in str(results["clips/nan.mp4"].error)
    assert results["clips/bad.mp4"].label is None
    assert results["clips/fine.mp4"].error is None
    assert read_results(out)["clips/bad.mp4", KEY].error == results["clips/bad.mp4"].error


def test_errors_are_kept_unless_asked_for_again(tmp_path: Path) -> None:
    rows, out, log = rows_of(tmp_path, "bad.mp4", "fine.mp4"), tmp_path / "r.jsonl", tmp_path / "log"
    factory = functools.partial(NameChecker, log)
    for retry in (False, False, True):
        run(factory, tmp_path, rows, out, model_id=KEY, workers=0, retry_errors=retry)
    assert checked(log) == ["bad.mp4", "fine.mp4", "bad.mp4"]
    assert len(read_results(out)) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_clip_that_kills_its_worker_costs_only_itself(tmp_path: Path, workers: int) -> None:
    names = ["a.mp4", "crash1.mp4", "b.mp4", "crash2.mp4"]
    rows = rows_of(tmp_path, *names)
    results = run(NameChecker, tmp_path, rows, tmp_path / "r.jsonl", model_id=KEY, workers=workers)
    assert set(results) == {f"clips/{name}" for name in names}
    assert results["clips/crash1.mp4"].error == results["clips/crash2.mp4"].error == "WorkerDied: exit code 9"
    assert results["clips/b.mp4"].label in ("real", "fake")


def test_a_checker_that_cannot_be_built_ends_the_run(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "a.mp4", "b.mp4")
    with pytest.raises(ModelError, match="no model here"):
        run(NoChecker, tmp_path, rows, tmp_path / "r.jsonl", model_id=KEY, workers=2)  # type: ignore[arg-type]
    assert read_results(tmp_path / "r.jsonl") == {}
    with pytest.raises(UsageError):
        run(NameChecker, tmp_path, rows, tmp_path / "r.jsonl", model_id=KEY, workers=-1)


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        '{"clip": "a"}',
        '{"clip": "a", "model_id": "m", "label": "perhaps"}',
        '{"clip": "a", "model_id": "m", "label": "real", "error": "x"}',
        '{"clip": "a", "model_id": "m", "label": "real", "scores": {"video": 2.0}}',
        '{"clip": "a", "model_id": "m", "label": "real", "scores": {"vidoe": 0.5}}',
        '{"clip": "a", "model_id": "m", "label": "real", "scores": {"video": NaN}}',
    ],
)
def test_a_damaged_results_file_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "r.jsonl"
    with open_journal(path) as journal:
        append(journal, asdict(Result("clips/a.mp4", KEY, "real")))
        journal.write(line.encode() + b"\n")
    with pytest.raises(UsageError, match=r"r\.jsonl line 2"):
        read_results(path)


def test_a_half_written_line_is_cut_before_going_on(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    first, second = Result("a", KEY, "real"), Result("b", KEY, error="MediaError: x")
    with open_journal(path) as journal:
        append(journal, asdict(first))
        journal.write(b'{"clip": "b')
    assert list(read_results(path).values()) == [first]
    with open_journal(path) as journal:
        append(journal, asdict(second))
    assert list(read_results(path).values()) == [first, second]
