# SPDX-License-Identifier: Apache-2.0
"""What is run: named settings, grouped by the question that they answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avguard.train.families import FAMILIES
from avguard.train.frozen import trunks_of
from avguard.train.loop import Settings
from avguard.train.model import JointModel, count_parameters
from avguard.train.splits import FOLDS, VALIDATION_SOURCES

JOINT, VIDEO, AUDIO = "video,audio,sync", "video", "audio"
KINDS = {"joint": JOINT, "video": VIDEO, "audio": AUDIO}
# Families of the forge, by the start of their names.
FORGERIES = {
    "blends": "self_blend,time_shift_blend,low_res_mouth,other_moment_mouth",
    "warps": "lip_reenact,face_swap,still_animation",
    "textures": "over_smooth,denoise_time,texture_flicker,upsample_artefacts",
    "face_coders": "autoencoder_like,rebuilt_",
    "classic_vocoders": "world,griffin_lim,lpc_vocoder,harmonic_noise,phase_vocoder,mel_smooth",
    "neural_vocoders": "neural_",
    "band_artefacts": "hf_replicate,checkerboard,low_bit_codec",
}
# What each family of generators forges: where one is left out, only streams that could see it are trained apart.
SOUND_ALONE = ("lip_to_speech", "dubbing", "text_to_speech", "vocoder")
STEPS, RATE, DROPOUT, DECAY = 300, 3e-3, 0.2, 0.02
WIDTHS = tuple(1 + 0.05 * i for i in range(11))
SHARES = (0.125, 0.25, 0.5)
AXES = ("sources", "generators", "forgeries")


@dataclass(frozen=True)
class Experiment:
    """One training run. ``name`` is also that of its result; ``kind``: joint, video or audio."""

    name: str
    group: str
    label: str
    kind: str
    settings: Settings


def going_on(settings: Settings, start: str) -> Settings:
    """``settings`` of a run that only adds sources to what ``start`` knows: a lower rate, early layers as they are."""
    return replace(settings, start_from=start, freeze=2, learning_rate=5e-4)


def short(settings: Settings, steps: int) -> Settings:
    """``settings`` of a run of minutes: trunks as they are, and the rate and the regularisation of a short run.

    Both were chosen on validation with seed 9, which no experiment has.
    """
    return replace(settings, frozen_trunks=1, steps=steps, minutes=0.0, learning_rate=RATE, dropout=DROPOUT,
                   weight_decay=DECAY, validate_steps=10**9)  # fmt: skip


def matched_width() -> float:
    """The width at which a video and an audio net together train about as many scalars as one joint model."""

    def trained(width: float, streams: str) -> int:
        model = JointModel(width, streams=streams.split(","))
        return count_parameters(model) - sum(count_parameters(trunk) for trunk in trunks_of(model).values())

    wanted = trained(1.0, JOINT)
    return min(WIDTHS, key=lambda width: abs(trained(width, VIDEO) + trained(width, AUDIO) - wanted))


def plan(base: Settings, seeds: int = 3, start: str = "", steps: int = STEPS, out: Path = Path()) -> list[Experiment]:
    """All experiments, in the order in which they are run.

    ``claims``: joint against apart, and against a pair apart that is widened to as many parameters; ``curve``: shares
    of the sources, generators and forgeries; ``unseen``: a family of generators left out; ``ablations``; ``folds``.
    All but the folds see neither the validation sources nor the test split, whatever the store was made of.
    ``folds`` go on from the checkpoint ``start`` on a store made of everything, each without its half of the test split
    and without the validation sources: something must be left to choose a mean of their weights by.
    ``steps``: of every run but the folds, which have the minutes of ``base``. ``out``: where the runs of ``claims``
    lie, which teach one of the ablations.
    """
    made: list[Experiment] = []

    def add(group: str, label: str, kind: str, settings: Settings) -> None:
        name = f"{group}-{label}-{kind}-{settings.seed}"
        made.append(Experiment(name, group, label, kind, replace(settings, streams=KINDS[kind])))

    apart = replace(short(base, steps), without_parts="validation,test")
    wide = replace(apart, width=matched_width())
    for seed in range(seeds):
        for kind in KINDS:
            add("claims", "all", kind, replace(apart, seed=seed))
        for kind in ("video", "audio"):
            add("claims", "wide", kind, replace(wide, seed=seed))
    for axis in AXES:
        for share in SHARES:
            add("curve", f"{axis}_{share}", "joint", replace(apart, **{f"share_{axis}": share}))
    for family in FAMILIES:
        for kind in KINDS:
            if kind != "video" or family not in SOUND_ALONE:
                add("unseen", family, kind, replace(apart, hold_out=family))
    for label, changes in ablations(out, seeds).items():
        add("ablations", label, "joint", replace(apart, **changes))
    for number, sources in enumerate(FOLDS):
        away = ",".join(sorted(sources | VALIDATION_SOURCES))
        add("folds", str(number), "joint", going_on(replace(base, without_sources=away), start))
    return made


def ablations(out: Path, seeds: int) -> dict[str, dict[str, Any]]:
    """What is changed, by name."""
    teachers = ",".join(str(out / f"runs/claims-all-joint-{seed}/checkpoint.pt") for seed in range(seeds))
    changes: dict[str, dict[str, Any]] = {
        "no_alignment": {"alignment_weight": 0.0},
        "lags_not_moved": {"moved_share": 0.0},
        "two_taps": {"taps": 2},
        "one_tap": {"taps": 1},
        "no_desync": {"without_heads": "desync"},
        "either_without_mismatch": {"mismatch_heads": "desync"},
        "no_steps": {"steps_weight": 0.0},
        "given_alone": {"share_forgeries": 0.0},
        "forge_alone": {"share_generators": 0.0},
        "distilled": {"teachers": teachers},
    }
    return changes | {f"no_{label}": {"without": families} for label, families in FORGERIES.items()}
