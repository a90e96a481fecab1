# SPDX-License-Identifier: Apache-2.0
"""The student, the teacher and the baselines side by side: AUC on the same clips, from results alone.

``validation``: all clips of the held-out sources. ``seen``: of its fakes, those by generators that training knows from
other sources. ``unseen``: of the fakes of the test split, those by generators that it does not know. Each with all
bona fide clips of its part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from avguard.evaluate.manifest import Row, normalise_generator
from avguard.evaluate.metrics import bootstrap, ranks
from avguard.train.experiments.compare import DRAWS, TRUTHS, Scores, Truth, noisy_or
from avguard.train.experiments.results import Result
from avguard.train.splits import part_of

# The head that answers for each truth.
HEADS = {"video": "video", "audio": "audio", "either": "sync"}


def known_generators(clips: Mapping[str, Row]) -> frozenset[str]:
    """Normalised names of the generators whose fakes training sees."""
    return frozenset(
        normalise_generator(r.generator) for r in clips.values() if part_of(r) == "train" and r.kind == "fake"
    )


def groups(clips: Mapping[str, Row]) -> dict[str, tuple[str, set[str]]]:
    """By column: the part, and its clips that count."""
    known = known_generators(clips)

    def of(part: str, wanted: Callable[[bool], bool]) -> tuple[str, set[str]]:
        kept = {n for n, r in clips.items() if r.kind == "real" or wanted(normalise_generator(r.generator) in known)}
        return part, kept

    return {
        "validation": of("validation", lambda _: True),
        "seen": of("validation", lambda is_known: is_known),
        "unseen": of("test", lambda is_known: not is_known),
    }


def ensemble(results: Sequence[Result], name: str) -> Result:
    """The mean of the logits of several results, on the clips that all of them have."""
    clips: dict[str, dict[str, Scores]] = {}
    for part in results[0]["clips"]:
        every = [r["clips"].get(part, {}) for r in results]
        common = set.intersection(*(set(c) for c in every))
        clips[part] = {
            n: {h: float(np.mean([c[n][h] for c in every])) for h in set.intersection(*(set(c[n]) for c in every))}
            for n in common
        }
    return {**results[0], "name": name, "parameters": sum(r["parameters"] for r in results), "clips": clips}


def late_fusion(video: Result, audio: Result, name: str) -> Result:
    """Two results together, and in place of a sync head the odds that one or the other is forged."""
    clips: dict[str, dict[str, Scores]] = {}
    for part in video["clips"]:
        seen, heard = video["clips"][part], audio["clips"][part]
        clips[part] = {n: {**seen.get(n, {}), **heard.get(n, {})} for n in seen.keys() | heard.keys()}
        for scores in clips[part].values():
            if {"video", "audio"} <= scores.keys():
                scores["sync"] = noisy_or(scores["video"], scores["audio"])
    return {**video, "name": name, "parameters": video["parameters"] + audio["parameters"], "clips": clips}


def auc_of(result: Result, head: str, part: str, kept: set[str], clips: Mapping[str, Row], truth: Truth) -> str:
    """AUC with its 95 % interval over sources; "" where the result does not answer, or a class is missing."""
    scores = {n: v[head] for n, v in result["clips"].get(part, {}).items() if head in v and n in kept}
    known = [(label, scores[n], clips[n].source) for n in sorted(scores) if (label := truth(clips[n])) is not None]
    if len({label for label, *_ in known}) < 2:
        return ""
    labels, values, sources = zip(*known, strict=True)
    # Ranks tell the same apart, and lie where the bootstrap's other metrics want probabilities.
    found = bootstrap(labels, ranks(values) / len(values), sources, np.random.default_rng(0), DRAWS)["auc"]
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def auc_table(results: Sequence[Result], clips: Mapping[str, Row]) -> str:
    """Markdown: one line for each result, three columns for each of video, audio and either."""
    counted = groups(clips)
    cells = [[f"{column}, {group}" for column in HEADS for group in counted]]
    for result in results:
        cells.append(
            [
                auc_of(result, head, part, kept, clips, TRUTHS[name])
                for name, head in HEADS.items()
                for part, kept in counted.values()
            ]
        )
    names = ["model", *(str(result["name"]).removeprefix("baselines-") for result in results)]
    lines = ["| " + " | ".join([name, *line]) + " |" for name, line in zip(names, cells, strict=True)]
    return "\n".join([lines[0], "|---" * (len(cells[0]) + 1) + "|", *lines[1:]])
