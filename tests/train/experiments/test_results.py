# SPDX-License-Identifier: Apache-2.0
"""Results on disk: what is read is what was written, in little room."""

from __future__ import annotations

import json
from pathlib import Path

from avguard.train.experiments.results import read_results, write_names, write_result


def made(name: str, clips: dict[str, dict[str, float]]) -> dict[str, object]:
    return {"name": name, "group": "claims", "clips": {"validation": clips}}


def test_what_is_read_was_written(tmp_path: Path) -> None:
    write_names(tmp_path, ["c", "a", "b"])
    clips = {"c": {"video": 1.25, "audio": -0.5, "sync": 0.0, "desync": 3.0}, "a": {"audio": 2.125}}
    write_result(tmp_path, made("two", clips))
    write_result(tmp_path, made("one", {}))
    results = read_results(tmp_path)
    assert [r["name"] for r in results] == ["one", "two"]
    assert results[1]["clips"]["validation"] == clips
    raw = json.loads((tmp_path / "two.json").read_text())
    assert raw["clips"]["validation"] == [[0, None, 2.125, None, None], [2, 1.25, -0.5, 0.0, 3.0]]


def test_names_once_given_stay(tmp_path: Path) -> None:
    write_names(tmp_path, ["b"])
    write_result(tmp_path, made("one", {"b": {"video": 1.0}}))
    write_names(tmp_path, ["a", "b"])
    assert read_results(tmp_path)[0]["clips"]["validation"] == {"b": {"video": 1.0}}


def test_results_that_name_their_clips_are_read_too(tmp_path: Path) -> None:
    clips = {"x": {"audio": 0.5}}
    (tmp_path / "baseline.json").write_text(json.dumps(made("baseline", clips)))
    assert read_results(tmp_path)[0]["clips"]["validation"] == clips
