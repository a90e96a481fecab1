# SPDX-License-Identifier: Apache-2.0
"""The table of all models: who is counted where, and that a cell says what the logits say."""

from __future__ import annotations

from typing import Any

from avguard.evaluate.manifest import Row
from avguard.train.baselines.table import auc_table, ensemble, groups, late_fusion

VALIDATION = "opendemo-mm/AlignDiT"


def row(name: str, kind: str, split: str, source: str, generator: str = "") -> Row:
    flag = int(kind == "fake")
    return Row(
        f"clips/{name}.mp4", "clips", "fake" if flag else "real", flag, flag, generator, source, name, split, 1.0
    )


ROWS = [
    row("t1", "fake", "train", "s/a", "Known (v1)"), row("t2", "real", "train", "s/a"),
    row("v_known", "fake", "train", VALIDATION, "known"), row("v_new", "fake", "train", VALIDATION, "Other"),
    row("v_real", "real", "train", VALIDATION),
    row("u_known", "fake", "test", "s/b", "Known"), row("u_new", "fake", "test", "s/b", "New"),
    row("u_real", "real", "test", "s/c"),
]  # fmt: skip
CLIPS = {row.group: row for row in ROWS}


def result(name: str, heads: tuple[str, ...], fakes: dict[str, float]) -> dict[str, Any]:
    def logits(*clips: str) -> dict[str, dict[str, float]]:
        return {clip: dict.fromkeys(heads, fakes.get(clip, 0.0)) for clip in clips}

    clips = {"validation": logits("v_known", "v_new", "v_real"), "test": logits("u_known", "u_new", "u_real")}
    return {"name": name, "group": "x", "kind": "joint", "parameters": 10, "clips": clips}


def cells(text: str) -> dict[str, list[str]]:
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]
    return {line[0]: line[1:] for line in lines if not line[0].startswith("-")}


def test_seen_and_unseen_are_by_what_training_has() -> None:
    counted = groups(CLIPS)
    assert counted["seen"] == ("validation", {"t1", "t2", "v_known", "v_real", "u_known", "u_real"})
    assert "u_known" not in counted["unseen"][1]
    assert {"u_new", "u_real"} <= counted["unseen"][1]


def test_a_cell_is_the_auc_of_its_clips_and_empty_where_a_model_does_not_answer() -> None:
    right = result("right", ("video", "audio", "sync"), {"v_known": 1, "v_new": -1, "u_new": 2, "u_known": -9})
    deaf = result("deaf", ("video",), {"v_known": -1, "v_new": 1, "u_new": -1})
    found = cells(auc_table([right, deaf], CLIPS))
    assert found["model"][:3] == ["video, validation", "video, seen", "video, unseen"]
    values = [cell.split()[0] if cell else "" for cell in found["right"]]
    assert values == ["0.50", "1.00", "1.00"] * 3
    assert [cell.split()[0] if cell else "" for cell in found["deaf"]] == ["0.50", "0.00", "0.00"] + [""] * 6


def test_an_ensemble_is_the_mean_and_counts_every_parameter() -> None:
    one, two = (result(n, ("video",), {"u_new": value}) for n, value in (("a", 1.0), ("b", 4.0)))
    del two["clips"]["test"]["u_real"]
    both = ensemble([one, two], "both")
    assert both["clips"]["test"] == {"u_known": {"video": 0.0}, "u_new": {"video": 2.5}}
    assert (both["name"], both["parameters"]) == ("both", 20)


def test_late_fusion_answers_for_either_where_both_were_judged() -> None:
    video, audio = result("v", ("video",), {"u_new": 3.0}), result("a", ("audio",), {"u_real": -3.0})
    del audio["clips"]["test"]["u_known"]
    fused = late_fusion(video, audio, "fused")["clips"]["test"]
    assert set(fused["u_new"]) == {"video", "audio", "sync"}
    assert fused["u_new"]["sync"] > 3.0
    assert set(fused["u_known"]) == {"video"}
    assert "sync" not in video["clips"]["test"]["u_new"]
