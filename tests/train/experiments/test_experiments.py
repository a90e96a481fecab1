# SPDX-License-Identifier: Apache-2.0
"""Experiments: what a plan asks for, what a run leaves behind, and what the tables say of it."""

from __future__ import annotations

import fcntl
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from avguard.errors import UsageError
from avguard.evaluate.manifest import read_manifest
from avguard.train.experiments.compare import noisy_or
from avguard.train.experiments.plan import AXES, FORGERIES, SHARES, SOUND_ALONE, Experiment, plan
from avguard.train.experiments.results import read_clips, read_results
from avguard.train.experiments.run import by_clip, measure, run_all
from avguard.train.experiments.table import (
    MARK,
    ablation_table,
    claims_table,
    curve_table,
    folds_table,
    tables,
    unseen_table,
    with_tables,
)
from avguard.train.families import FAMILIES, family_of
from avguard.train.forge import audio as forge_audio
from avguard.train.forge import video as forge_video
from avguard.train.frozen import trunks_of
from avguard.train.loop import Settings, Trainer
from avguard.train.model import JointModel, count_parameters
from avguard.train.splits import FOLDS, VALIDATION_SOURCES
from avguard.train.store import encode_audio, encode_video, write_shard
from tests.train.manifests import write_clips
from tests.train.test_dataset import audio, video

TINY = Settings(minutes=0.02, batch=4, width=0.25, validate_minutes=0.01)
NAMES = {
    "real1": ("real", 0, ""), "real2": ("real", 0, ""), "fake1": ("fake", 1, "Wav2Lip"), "fake2": ("fake", 1, "VITS"),
}  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    data, store = tmp_path / "data", tmp_path / "store"
    write_clips(data, NAMES)
    videos = [video(name, 0, flag) for name, (_, flag, _) in NAMES.items()] + [video("real1", 0, 1, "self_blend")]
    sounds = [audio(name, 0, flag) for name, (_, flag, _) in NAMES.items()] + [audio("real1", 0, 1, "world")]
    for part in ("train", "validation", "natural"):
        write_shard(store / part / "video", "a", encode_video(videos[:4] if part != "train" else videos))
        write_shard(store / part / "audio", "a", encode_audio(sounds[:4] if part != "train" else sounds))
    return data, store, tmp_path / "out"


def test_the_plan_has_a_pair_for_every_claim() -> None:
    made = plan(Settings(), seeds=3)
    assert len({e.name for e in made}) == len(made)
    claims = [e for e in made if e.group == "claims"]
    assert {(e.label, e.kind, e.settings.seed) for e in claims} == {
        (label, kind, seed)
        for label, kinds in (("all", ("joint", "video", "audio")), ("wide", ("video", "audio")))
        for kind in kinds
        for seed in range(3)
    }
    unseen = [e for e in made if e.group == "unseen"]
    assert {(e.kind, e.settings.hold_out) for e in unseen} == {
        (k, f) for f in FAMILIES for k in ("joint", "video", "audio") if k != "video" or f not in SOUND_ALONE
    }
    assert len(FAMILIES) >= 8
    curve = {e.label for e in made if e.group == "curve"}
    assert curve == {f"{axis}_{share}" for axis in AXES for share in SHARES}
    assert {"no_alignment", "lags_not_moved", "one_tap", "two_taps", "no_desync", "no_steps", "given_alone",
            "forge_alone", "distilled"} <= {e.label for e in made if e.group == "ablations"}  # fmt: skip
    # On a store of everything too, what is claimed on held-out sources is learnt without them.
    assert {e.settings.without_parts for e in made if e.group != "folds"} == {"validation,test"}


def test_all_arms_of_a_comparison_have_one_budget() -> None:
    made = [e.settings for e in plan(Settings(), steps=70) if e.group != "folds"]
    assert {(s.steps, s.batch, s.learning_rate, s.dropout, s.weight_decay, s.frozen_trunks) for s in made} == {
        (70, made[0].batch, made[0].learning_rate, made[0].dropout, made[0].weight_decay, 1)
    }


def test_an_ablation_changes_one_thing() -> None:
    made = plan(Settings(), out=Path("o"))
    whole = next(e for e in made if e.name == "claims-all-joint-0").settings
    for e in made:
        if e.group == "ablations":
            changed = {k for k, v in asdict(e.settings).items() if v != asdict(whole)[k]}
            assert len(changed) == 1, (e.name, changed)


def test_a_wider_pair_trains_as_much_as_the_joint_model() -> None:
    made = {e.label + e.kind: e.settings for e in plan(Settings()) if e.group == "claims" and e.settings.seed == 0}

    def trained(settings: Settings) -> int:
        model = JointModel(settings.width, streams=settings.streams.split(","))
        for trunk in trunks_of(model).values():
            trunk.freeze(9)
        return count_parameters(model)

    joint = trained(made["alljoint"])
    assert trained(made["allvideo"]) + trained(made["allaudio"]) < 0.8 * joint
    assert trained(made["widevideo"]) + trained(made["wideaudio"]) == pytest.approx(joint, rel=0.03)


def test_a_part_that_is_hidden_is_not_drawn_and_is_judged(folders: tuple[Path, Path, Path]) -> None:
    data, store, out = folders
    lines = (data / "clips.csv").read_text().splitlines()
    moved = [line.replace(",train,", ",test,") if "real2" in line else line for line in lines]
    (data / "clips.csv").write_text("\n".join(moved) + "\n")
    settings = replace(TINY, without_parts="validation,test")
    trainer = Trainer(settings, data, store, out / "runs" / "hidden")
    real, _ = trainer.sampler._groups["real"]
    assert {str(name) for name in trainer.video.column("clip")[real]} == {"real1"}
    assert set(
        measure(Experiment("hidden", "claims", "all", "joint", settings), trainer, data, store)["clips"]["test"]
    ) == {"real2"}


def test_forge_families_that_are_left_out_exist() -> None:
    known = [*forge_video.FAMILIES, *forge_audio.FAMILIES]
    for part in ",".join(FORGERIES.values()).split(","):
        assert part in ("rebuilt_", "neural_") or any(name.startswith(part) for name in known), part


@pytest.mark.parametrize(
    ("generator", "family"),
    [("Wav2Lip + GFPGAN", "lip_sync_gan"), ("HiFi-GAN V1", "vocoder"), ("Tacotron2 + HiFi-GAN (ft)", "text_to_speech"),
     ("Lip2Speech-Unit", "lip_to_speech"), ("never heard of", "other"), ("", "")],
)  # fmt: skip
def test_generators_belong_to_families(generator: str, family: str) -> None:
    assert family_of(generator) == family


def test_a_run_is_not_run_twice_and_leaves_out_what_it_says(folders: tuple[Path, Path, Path]) -> None:
    data, store, out = folders
    settings = replace(TINY, hold_out="lip_sync_gan")
    experiment = Experiment("unseen-lip_sync_gan-joint-0", "unseen", "lip_sync_gan", "joint", settings)
    run_all([experiment], data, store, out)
    path = out / f"{experiment.name}.json"
    (result,) = read_results(out)
    assert set(result["clips"]["unseen"]) == {"fake1"}
    assert set(result["clips"]["validation"]) == {"real1", "real2", "fake2"}
    assert set(result["clips"]["unseen"]["fake1"]) == {"video", "audio", "sync", "desync"}
    assert result["steps"] > 0
    written = path.stat().st_mtime_ns
    run_all([experiment], data, store, out)
    assert path.stat().st_mtime_ns == written


def result(
    group: str, kind: str, heads: tuple[str, ...], gap: float, label: str = "all", **settings: object
) -> dict[str, object]:
    rng = np.random.default_rng(len(heads))
    clips = {
        part: {n: {h: float(gap * NAMES[n][1] + rng.normal(0, 0.01)) for h in heads} for n in names}
        for part, names in (("validation", list(NAMES)), ("unseen", ["fake1"]))
    }
    return {
        "name": f"{group}-{label}-{kind}",
        "group": group,
        "label": label,
        "kind": kind,
        "settings": {"seed": 0, **settings},
        "trained_parameters": {"joint": 300_000, "video": 200_000, "audio": 50_000}[kind],
        "clips": clips,
    }


def test_what_another_process_is_at_is_passed_over(folders: tuple[Path, Path, Path]) -> None:
    data, store, out = folders
    experiments = [Experiment(name, "claims", "all", "audio", replace(TINY, streams="audio")) for name in ("a", "b")]
    (out / "runs/a").mkdir(parents=True)
    with (out / "runs/a/lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run_all(experiments, data, store, out)
        assert [r["name"] for r in read_results(out)] == ["b"]
    run_all(experiments, data, store, out)
    assert [r["name"] for r in read_results(out)] == ["a", "b"]
    assert {name: row.source for name, row in read_clips(out).items()} == {name: f"s/{name}" for name in NAMES}


HEADS = {"joint": ("video", "audio", "sync"), "video": ("video",), "audio": ("audio",)}


def test_tables_say_who_is_ahead(folders: tuple[Path, Path, Path]) -> None:
    rows = by_clip(read_manifest(folders[0]))
    gaps = {"joint": 1.0, "video": -1.0, "audio": 1.0}
    claims = [result("claims", kind, HEADS[kind], gaps[kind]) for kind in HEADS]
    table = claims_table(claims, rows)
    assert "| validation | video | 4 | 1.000 [1.00, 1.00] | apart (250 k against 300 k trained) | 0.000" in table
    assert "+1.000 [+1.00, +1.00] | +1.000 to +1.000 (1) |" in table
    assert "+0.000 [+0.00, +0.00] | +0.000 to +0.000 (1) |" in table
    assert "| test |" not in table  # these results hold no clip of it
    unseen = [result("unseen", kind, HEADS[kind], gaps[kind], "lip_sync_gan") for kind in HEADS]
    assert "| lip_sync_gan | video | 1 | 1.000 [1.00, 1.00] | 0.000 [0.00, 0.00] |" in unseen_table(unseen, rows)
    # A claim without its counterpart is no claim.
    assert "video" not in claims_table(claims[:1], rows)


def test_a_family_that_forges_sound_alone_has_no_video_net_against_it(folders: tuple[Path, Path, Path]) -> None:
    rows = by_clip(read_manifest(folders[0]))
    unseen = [result("unseen", kind, HEADS[kind], 1.0, "vocoder") for kind in ("joint", "audio")]
    table = unseen_table(unseen, rows)
    assert "| vocoder | audio |" in table
    assert "| vocoder | video |" not in table
    assert "| vocoder | either |" not in table


def test_changes_are_measured_against_the_whole(folders: tuple[Path, Path, Path]) -> None:
    rows = by_clip(read_manifest(folders[0]))
    whole = result("claims", "joint", HEADS["joint"], 1.0)
    worse = result("ablations", "joint", HEADS["joint"], -1.0, "no_steps")
    quarter = result("curve", "joint", HEADS["joint"], -1.0, "sources_0.25")
    table = ablation_table([whole, worse], rows)
    assert "| no_steps | validation | 0.000 [0.00, 0.00] | -1.000 [-1.00, -1.00] |" in table
    assert "| the whole, seed 0 | validation | 1.000 [1.00, 1.00] | +0.000 [+0.00, +0.00] |" in table
    table = curve_table([whole, quarter], rows)
    assert "| sources | 0.25 | validation | 0.000 [0.00, 0.00] | -1.000 [-1.00, -1.00] |" in table
    assert "|  | 1 | validation | 1.000 [1.00, 1.00] |  |" in table


def test_a_page_has_what_there_is_and_baselines_too(folders: tuple[Path, Path, Path]) -> None:
    rows = by_clip(read_manifest(folders[0]))
    page = tables([result("claims", kind, HEADS[kind], 1.0) for kind in HEADS], rows)
    assert page.count("## ") == 2
    assert "| validation | its sync head | 1.000 [1.00, 1.00] | +0.000" in page
    baseline = result("baselines", "audio", ("audio",), 1.0, "bands")
    assert "| baselines-bands-audio | 50,000 | validation |  | 1.000 [1.00, 1.00] |  |" in tables([baseline], rows)


def test_a_page_keeps_its_words_and_gets_new_tables() -> None:
    page = f"Words.\n\n{MARK}\n\nold tables\n"
    assert with_tables(page, "new\n") == f"Words.\n\n{MARK}\n\nnew\n"
    with pytest.raises(UsageError, match="no line"):
        with_tables("Words.\n", "new\n")


def test_late_fusion_is_the_odds_of_one_or_the_other() -> None:
    assert noisy_or(-30.0, 0.7) == pytest.approx(0.7)
    assert noisy_or(0.0, 0.0) == pytest.approx(np.log(3))
    assert noisy_or(0.0, 0.0, 0.0) == pytest.approx(np.log(7))


def test_folds_hold_out_every_test_source_once() -> None:
    made = [e for e in plan(Settings(), start="c.pt") if e.group == "folds"]
    away = [frozenset(e.settings.without_sources.split(",")) for e in made]
    assert tuple(sources - VALIDATION_SOURCES for sources in away) == FOLDS
    assert all(sources > VALIDATION_SOURCES for sources in away)
    assert not FOLDS[0] & FOLDS[1]
    assert not VALIDATION_SOURCES & (FOLDS[0] | FOLDS[1])
    assert {e.settings.start_from for e in made} == {"c.pt"}


def test_a_fold_goes_on_from_a_checkpoint_and_judges_only_what_it_was_not_given(
    folders: tuple[Path, Path, Path],
) -> None:
    data, store, out = folders
    run_all([Experiment("start", "claims", "all", "joint", TINY)], data, store, out)
    settings = replace(
        TINY, without_sources="s/real2,s/fake2", start_from=str(out / "runs/start/checkpoint.pt"), freeze=2
    )
    run_all([Experiment("folds-0", "folds", "0", "joint", settings)], data, store, out)
    result = next(r for r in read_results(out) if r["group"] == "folds")
    assert set(result["clips"]["left_out"]) == set(result["clips"]["before"]) == {"real2", "fake2"}
    assert "| clips | video |" in folds_table(read_results(out), by_clip(read_manifest(data)))
