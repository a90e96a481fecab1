# SPDX-License-Identifier: Apache-2.0
"""The training loop on a tiny made-up store: it learns, stops, and goes on where it stopped."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avguard.train.loop import Settings, Trainer, learning_rate
from avguard.train.store import encode_audio, encode_video, write_shard
from tests.train.test_dataset import audio, video

TINY = Settings(minutes=0.05, batch=4, width=0.25, validate_minutes=0.02, threads=1)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    data, store = tmp_path / "data", tmp_path / "store"
    data.mkdir()
    names = {"real1": ("real", 0), "real2": ("real", 0), "fake1": ("fake", 1), "fake2": ("fake", 1)}
    header = ["clip", "kind", "video_fake", "audio_fake", "generator", "source", "split", "group", "duration_s"]
    with (data / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for name, (kind, flag) in names.items():
            generator = "g" if flag else ""
            writer.writerow([f"clips/{name}.mp4", kind, flag, flag, generator, f"s/{name}", "train", name, 2])
    videos = [video(name, 0, flag) for name, (_, flag) in names.items()] + [video("real1", 0, 1, "self_blend")]
    sounds = [audio(name, 0, flag) for name, (_, flag) in names.items()] + [audio("real1", 0, 1, "world")]
    for part in ("train", "validation"):
        write_shard(store / part / "video", "a", encode_video(videos))
        write_shard(store / part / "audio", "a", encode_audio(sounds))
    return data, store, tmp_path / "run"


def test_a_run_resumes_where_it_stopped(folders: tuple[Path, Path, Path]) -> None:
    data, store, run = folders
    first = Trainer(TINY, data, store, run)
    first.run()
    assert first.step > 0
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    assert saved["progress"]["step"] == first.step
    again = Trainer(replace(TINY, minutes=0.1), data, store, run)
    assert again.step == first.step
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert again.rng.bit_generator.state == json.loads(saved["rng"])
    again.run()
    assert again.step > first.step
    with (run / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(np.isfinite(float(row["loss_window"])) for row in rows)


def test_the_rate_warms_up_and_falls() -> None:
    settings = Settings(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(settings, x) for x in (0, 0.05, 0.1, 0.5, 1.0)]
    assert rates[0] < rates[1] < rates[2] == pytest.approx(1.0)
    assert rates[2] > rates[3] > rates[4] > 0
