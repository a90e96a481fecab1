# SPDX-License-Identifier: Apache-2.0
"""Results on disk: what is read is what was written, in little room."""

from __future__ import annotations

import json
from pathlib import Path

from avguard.data.row import Row
from avguard.train.experiments.results import read_clips, read_results, write_clips, write_result


def row(name: str, fake: int | None = None) -> Row:
    kind = "fake" if fake else "real"
    return Row(f"clips/{name}.mp4", "clips", kind, fake, None, "g" * bool(fake), f"s/{name}", "", "test", 2.0)


def clips_of(*names: str) -> dict[str, Row]:
    return {name: row(name) for name in names}


def test_what_is_true_of_clips_is_kept(tmp_path: Path) -> None:
    rows = {"b": row("b", 1), "a": row("a", 0), "c": row("c")}
    write_clips(tmp_path, rows)
    found = read_clips(tmp_path)
    assert list(found) == ["a", "b", "c"]
    for name, one in found.items():
        for fact in ("media", "kind", "video", "audio", "generator", "source", "split"):
            assert getattr(one, fact) == getattr(rows[name], fact)


def made(name: str, clips: dict[str, dict[str, float]]) -> dict[str, object]:
    return {"name": name, "group": "claims", "clips": {"validation": clips}}


def test_what_is_read_was_written(tmp_path: Path) -> None:
    write_clips(tmp_path, clips_of("c", "a", "b"))
    clips = {"c": {"video": 1.25, "audio": -0.5, "sync": 0.0, "desync": 3.0}, "a": {"audio": 2.125}}
    write_result(tmp_path, made("two", clips))
    write_result(tmp_path, made("one", {}))
    results = read_results(tmp_path)
    assert [r["name"] for r in results] == ["one", "two"]
    assert results[1]["clips"]["validation"] == clips
    raw = json.loads((tmp_path / "two.json").read_text())
    assert raw["clips"]["validation"] == [[0, None, 2.125, None, None], [2, 1.25, -0.5, 0.0, 3.0]]


def test_names_once_given_stay(tmp_path: Path) -> None:
    write_clips(tmp_path, clips_of("b"))
    write_result(tmp_path, made("one", {"b": {"video": 1.0}}))
    write_clips(tmp_path, clips_of("a", "b"))
    assert read_results(tmp_path)[0]["clips"]["validation"] == {"b": {"video": 1.0}}


def test_results_that_name_their_clips_are_read_too(tmp_path: Path) -> None:
    clips = {"x": {"audio": 0.5}}
    (tmp_path / "baseline.json").write_text(json.dumps(made("baseline", clips)))
    assert read_results(tmp_path)[0]["clips"]["validation"] == clips
