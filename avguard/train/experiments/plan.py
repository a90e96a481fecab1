# SPDX-License-Identifier: Apache-2.0
"""What is run: named settings, grouped by the question that they answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from avguard.train.families import FAMILIES
from avguard.train.loop import Settings
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
}


@dataclass(frozen=True)
class Experiment:
    """One training run. ``name`` is also that of its result; ``kind``: joint, video or audio."""

    name: str
    group: str
    kind: str
    settings: Settings


def going_on(settings: Settings, start: str) -> Settings:
    """``settings`` of a run that only adds sources to what ``start`` knows: a lower rate, early layers as they are."""
    return replace(settings, start_from=start, freeze=2, learning_rate=5e-4)


def plan(base: Settings, seeds: int = 3, start: str = "") -> list[Experiment]:
    """All experiments: ``claims`` (joint against apart), ``unseen`` (a family left out), ``ablations``, ``folds``.

    All but the folds see neither the validation sources nor the test split, whatever the store was made of.
    ``folds`` go on from the checkpoint ``start`` on a store made of everything, each without its half of the test split
    and without the validation sources: something must be left to choose a mean of their weights by.
    """
    made = []

    def add(group: str, label: str, kind: str, settings: Settings) -> None:
        name = f"{group}-{label}-{kind}-{settings.seed}"
        made.append(Experiment(name, group, kind, replace(settings, streams=KINDS[kind])))

    apart = replace(base, without_parts="validation,test")
    for seed in range(seeds):
        for kind in KINDS:
            add("claims", "all", kind, replace(apart, seed=seed))
    for family in FAMILIES:
        for kind in KINDS:
            add("unseen", family, kind, replace(apart, hold_out=family))
    add("ablations", "no_alignment", "joint", replace(apart, alignment_weight=0.0))
    add("ablations", "no_steps", "joint", replace(apart, steps_weight=0.0))
    for label, families in FORGERIES.items():
        add("ablations", f"no_{label}", "joint", replace(apart, without=families))
    for number, sources in enumerate(FOLDS):
        away = ",".join(sorted(sources | VALIDATION_SOURCES))
        add("folds", str(number), "joint", going_on(replace(base, without_sources=away), start))
    return made
