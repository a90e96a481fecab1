# SPDX-License-Identifier: Apache-2.0
"""The command: one result for each name, of the experiments' form, and none made twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avguard.spec import load_spec
from avguard.train.baselines.__main__ import main
from avguard.train.experiments.results import read_results
from avguard.train.model import JointModel
from tests.train.baselines.worlds import names, world

FORM = {"name", "group", "label", "kind", "settings", "spec_hash", "steps", "parameters", "clips"}


def test_every_net_leaves_a_result_of_the_experiments_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, store = world(tmp_path)
    checkpoint = tmp_path / "joint.pt"
    model = JointModel(0.25)
    torch.save({"model": model.state_dict(), "config": model.config, "spec_hash": load_spec().hash}, checkpoint)
    out = tmp_path / "out"
    arguments = ["x", "sound", "faces", "offset", "shipped", "--steps", "1", "--data", str(data), "--work",
                 str(store.parent), "--out", str(out), "--checkpoint", str(checkpoint)]  # fmt: skip
    monkeypatch.setattr(sys, "argv", arguments)
    assert main() == 0
    results = {r["name"].removeprefix("baselines-"): r for r in read_results(out)}
    assert set(results) == {"sound", "faces", "offset", "shipped_float", "shipped_int8"}
    heads = {"sound": {"audio"}, "faces": {"video"}, "offset": {"sync", "desync"}}
    for name, found in results.items():
        assert set(found) == FORM
        assert found["group"] == "baselines"
        for part in ("validation", "test"):
            clips = found["clips"][part]
            assert set(clips) == {clip for clip, _ in names("natural" if part == "test" else part)}
            assert all(set(c) == heads.get(name, set(load_spec().heads)) for c in clips.values())
            assert np.isfinite([v for c in clips.values() for v in c.values()]).all()
    written = {path: path.stat().st_mtime_ns for path in out.glob("*.json")}
    assert main() == 0
    assert written == {path: path.stat().st_mtime_ns for path in out.glob("*.json")}
    assert json.loads((out / "baselines-sound.json").read_text())["steps"] == 1
