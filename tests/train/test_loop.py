# SPDX-License-Identifier: Apache-2.0
"""The training loop on a tiny made-up store: it learns, stops, and goes on where it stopped, to the bit."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avguard.errors import UsageError
from avguard.train.ahead import Ahead
from avguard.train.dataset import Sampler
from avguard.train.launch import fit
from avguard.train.loop import Settings, Trainer, learning_rate
from avguard.train.precision import Precision
from avguard.train.store import encode_audio, encode_video, write_shard
from avguard.train.team import Team
from tests.train.manifests import write_clips
from tests.train.test_dataset import audio, sampler, video

__all__ = ["sampler"]

ROOT = Path(__file__).resolve().parents[2]
TINY = Settings(steps=6, batch=4, width=0.25, validate_steps=4, save_steps=1, threads=1)
Folders = tuple[Path, Path, Path]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    data, store = tmp_path / "data", tmp_path / "store"
    names = {"real1": ("real", 0), "real2": ("real", 0), "fake1": ("fake", 1), "fake2": ("fake", 1)}
    write_clips(data, {n: (kind, flag, "g" * flag) for n, (kind, flag) in names.items()})
    videos = [video(name, 0, flag) for name, (_, flag) in names.items()] + [video("real1", 0, 1, "self_blend")]
    sounds = [audio(name, 0, flag) for name, (_, flag) in names.items()] + [audio("real1", 0, 1, "world")]
    for part in ("train", "validation"):
        write_shard(store / part / "video", "a", encode_video(videos))
        write_shard(store / part / "audio", "a", encode_audio(sounds))
    return data, store, tmp_path / "run"


def test_a_teacher_is_listened_to(folders: Folders, tmp_path: Path) -> None:
    data, store, run = folders
    Trainer(TINY, data, store, run).run()
    taught = Trainer(replace(TINY, teachers=str(run / "checkpoint.pt")), data, store, tmp_path / "taught")
    with Ahead(taught.sampler, 4, taught.rng) as taught.ahead:
        batch = taught.ahead.take()
        losses = taught._train_step(batch)
    assert losses["teacher"] > 0
    # It sees what the student sees before parts are hidden.
    assert any((clean != seen).any() for clean, seen in zip(batch.clean, batch.inputs, strict=True))


def test_a_head_that_is_left_out_is_not_trained(folders: Folders) -> None:
    data, store, run = folders
    settings = replace(TINY, without_heads="desync,audio", weight_decay=0.0)
    trainer = Trainer(settings, data, store, run)
    before = {name: value.clone() for name, value in trainer.model.heads.named_parameters()}
    trainer.run()
    moved = {
        name.split(".")[0] for name, p in trainer.model.heads.named_parameters() if not torch.equal(p, before[name])
    }
    assert moved == {"video", "sync"}


def saved(run: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(run / "checkpoint.pt", weights_only=True)
    return checkpoint


def same_bits(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return all(torch.equal(left[part][k], right[part][k]) for part in ("model", "raw") for k in left[part])


def start(settings: Settings, data: Path, store: Path, run: Path, processes: int = 1) -> subprocess.Popen[bytes]:
    words = [json.dumps(asdict(settings)), str(data), str(store), str(run), str(processes)]
    program = str(ROOT / "tests" / "train" / "fit_alone.py")
    return subprocess.Popen([sys.executable, "-I", program, *words], stderr=subprocess.PIPE)


def test_minutes_are_a_budget_and_a_run_resumes(folders: Folders) -> None:
    data, store, run = folders
    minutes = replace(TINY, steps=0, minutes=0.02, validate_minutes=0.01)
    first = Trainer(minutes, data, store, run)
    first.run()
    assert first.step > 0
    again = Trainer(replace(minutes, minutes=60.0), data, store, run)
    assert again.step == first.step == saved(run)["progress"]["step"]
    assert same_bits(saved(run), {"model": again.ema.model.state_dict(), "raw": again.model.state_dict()})
    assert again.rng.bit_generator.state == json.loads(saved(run)["rng"]) == first.rng.bit_generator.state
    with (run / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(np.isfinite(float(row["loss_window"])) for row in rows)


def test_killed_and_resumed_ends_with_the_same_bits(folders: Folders) -> None:
    data, store, run = folders
    fit(TINY, data, store, run)
    killed = run.with_name("killed")
    process = start(TINY, data, store, killed)
    while not (killed / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 0 < saved(killed)["progress"]["step"] < TINY.steps, "it was to be killed on the way"
    fit(TINY, data, store, killed)
    assert same_bits(saved(run), saved(killed))
    assert saved(run)["rng"] == saved(killed)["rng"]
    optimizers = [saved(folder)["optimizer"]["state"] for folder in (run, killed)]
    for left, right in zip(*(optimizer.values() for optimizer in optimizers), strict=True):
        assert all(torch.equal(left[key], right[key]) for key in left)


def test_two_processes_train_one_model(folders: Folders) -> None:
    data, store, run = folders
    short = replace(TINY, steps=3)
    fit(short, data, store, run, processes=2)
    first = saved(run)
    assert first["progress"]["step"] == 3
    assert len(first["team"]) == 2
    assert first["team"][0]["rng"] != first["team"][1]["rng"]
    # Both go on from where they were, or they would not end where an uninterrupted run of two does.
    resumed, straight = replace(short, steps=5), run.with_name("straight")
    fit(replace(resumed, steps=3), data, store, straight, processes=2)
    assert same_bits(first, saved(straight)), "the same team must end the same"
    # A checkpoint of two is a checkpoint of one.
    alone = Trainer(resumed, data, store, run)
    assert alone.step == 3
    alone.run()
    assert alone.step == 5


def test_ray_trains_like_torchrun(folders: Folders) -> None:
    pytest.importorskip("ray.train", reason="pip install 'ray[train]' to train on a cluster")
    data, store, run = folders
    program = "import sys; sys.path.append(sys.argv[1]); from tests.train.fit_alone import main; main(sys.argv[2:])"
    words = [json.dumps(asdict(replace(TINY, steps=2))), str(data), str(store), str(run), "2", "ray"]
    # A process of its own: Ray leaves threads, sockets and warnings behind.
    subprocess.run([sys.executable, "-I", "-c", program, str(ROOT), *words], check=True, timeout=400)
    assert saved(run)["progress"]["step"] == 2
    fit(replace(TINY, steps=2), data, store, run.with_name("torchrun"), processes=2)
    assert same_bits(saved(run), saved(run.with_name("torchrun")))


def test_an_older_checkpoint_is_read(folders: Folders) -> None:
    data, store, run = folders
    fit(replace(TINY, steps=2), data, store, run)
    old = saved(run)
    del old["team"], old["scaler"]
    torch.save(old, run / "checkpoint.pt")
    assert Trainer(TINY, data, store, run).step == 2


def test_what_is_drawn_ahead_is_drawn_again(sampler: Sampler) -> None:
    straight, stopped = np.random.default_rng(5), np.random.default_rng(5)
    batches = [sampler.draw(4, straight) for _ in range(4)]
    with Ahead(sampler, 4, stopped) as ahead:
        taken = [ahead.take(), ahead.take()]
        ahead.again(refresh=True)
        taken.append(ahead.take())
    with Ahead(sampler, 4, stopped) as ahead:
        taken.append(ahead.take())
    for left, right in zip(batches, taken, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(left.inputs, right.inputs, strict=True))
        assert np.array_equal(left.window, right.window, equal_nan=True)
    assert stopped.bit_generator.state == straight.bit_generator.state


def test_half_precision_learns_and_keeps_weights_whole(folders: Folders) -> None:
    data, store, run = folders
    trainer = Trainer(replace(TINY, steps=1, precision="bf16"), data, store, run)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run()
    after = trainer.model.state_dict()
    assert all(value.dtype == before[name].dtype for name, value in after.items())
    assert all(torch.isfinite(value).all() for value in after.values() if value.is_floating_point())
    assert any(not torch.equal(value, before[name]) for name, value in after.items())
    for name, device, words in (("fp8", "cpu", "fp8"), ("fp16", "cpu", "needs a GPU")):
        with pytest.raises(UsageError, match=words):
            Precision(name, device)


def test_a_batch_is_shared_evenly_or_not_at_all() -> None:
    assert Team(1, 4).share(32) == 8
    with pytest.raises(UsageError, match="give a multiple"):
        Team(0, 3).share(32)


def test_the_rate_warms_up_and_falls() -> None:
    settings = Settings(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(settings, x) for x in (0, 0.05, 0.1, 0.5, 1.0)]
    assert rates[0] < rates[1] < rates[2] == pytest.approx(1.0)
    assert rates[2] > rates[3] > rates[4] > 0
