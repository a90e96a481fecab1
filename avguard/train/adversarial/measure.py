# SPDX-License-Identifier: Apache-2.0
"""The verdict before and after: logits through the bundle's calibration and thresholds, as a Markdown table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from avguard.evaluate.metrics import auc
from avguard.evaluate.robustness.card import markdown
from avguard.spec import load_spec
from avguard.train.adversarial.attack import Attacker
from avguard.train.adversarial.defence import VIEWS, as_the_product
from avguard.train.adversarial.launder import LAUNDERING, encode_again
from avguard.train.adversarial.stretch import Inputs, Stretch
from avguard.train.calibrate import ClipLogits, overall_scores

HEADS = load_spec().heads
LEVELS = (1, 2, 4)
COLUMNS = ("clips are", "defence", "video logit of fakes", "sync logit of fakes", "AUC overall", "fakes called real",
           "real called fake")  # fmt: skip

View = Callable[[Stretch], Inputs | None]
Calibration = Mapping[str, Any]


@torch.no_grad()
def judge(model: nn.Module, stretches: Sequence[Stretch], view: View = as_the_product) -> list[ClipLogits]:
    """Window logits of every clip; a clip whose changed sound cannot be judged any more has none."""
    found = []
    for stretch in stretches:
        inputs = view(stretch)
        logits: dict[str, list[float]] = {head: [] for head in HEADS}
        if inputs is not None:
            values = model(*map(torch.from_numpy, inputs))[0].numpy()
            logits = {head: [float(v) for v in values[:, i]] for i, head in enumerate(HEADS)}
        found.append(ClipLogits(stretch.row, logits))
    return found


def line(
    name: str, defence: str, clips: Sequence[ClipLogits], clean: Sequence[ClipLogits], calibration: Calibration
) -> list[str]:
    """One line of the table: changes are against ``clean``, which is the same clips untouched and undefended."""
    scores = overall_scores(dict(calibration), list(clips))
    fake = np.array([clip.row.kind == "fake" for clip in clips])
    seen = ~np.isnan(scores)
    called_real = f"{int((scores[fake] < calibration['real_below']).sum())} of {int((fake & seen).sum())}"
    called_fake = f"{int((scores[~fake] >= calibration['fake_above']).sum())} of {int((~fake & seen).sum())}"
    ranked = f"{auc(fake[seen], scores[seen]):.2f}"
    return [name, defence, _mean(clips, clean, "video"), _mean(clips, clean, "sync"), ranked, called_real, called_fake]


def _mean(clips: Sequence[ClipLogits], clean: Sequence[ClipLogits], head: str) -> str:
    pairs = [
        (float(np.mean(now.logits[head])), float(np.mean(then.logits[head])))
        for now, then in zip(clips, clean, strict=True)
        if now.row.kind == "fake" and now.logits[head] and then.logits[head]
    ]
    mean, before = np.mean(pairs, axis=0)
    return f"{mean:+.1f}" if abs(mean - before) < 0.05 else f"{mean:+.1f} ({mean - before:+.1f})"


def lines(model: nn.Module, stretches: Sequence[Stretch], calibration: Calibration) -> list[str]:
    """The lines of the Markdown table, header first. ``model`` is put into evaluation mode."""
    model.eval()
    for weight in model.parameters():
        weight.requires_grad_(False)
    clean = judge(model, stretches)
    rows = [line("as they are", "none", clean, clean, calibration)]
    for name, change in LAUNDERING.items():
        rows.append(line(name, "none", judge(model, [change(s) for s in stretches]), clean, calibration))
    attackers = [Attacker(model, stretch, stretch.ends()) for stretch in stretches]
    attacked: dict[str, list[Stretch]] = {"as they are": list(stretches)}
    for levels in LEVELS:
        once = [attacker.fgsm(levels) for attacker in attackers]
        rows.append(line(f"FGSM, {levels}/255", "none", judge(model, once), clean, calibration))
    for levels in LEVELS:
        name = f"PGD, {levels}/255"
        attacked[name] = [attacker.pgd(levels, 2 * levels + 1) for attacker in attackers]
        rows.append(line(name, "none", judge(model, attacked[name]), clean, calibration))
        again = judge(model, [encode_again(s, 23, 128) for s in attacked[name]])
        rows.append(line(f"{name}, then H.264 CRF 23", "none", again, clean, calibration))
    for name in ("as they are", f"PGD, {LEVELS[0]}/255", f"PGD, {LEVELS[-1]}/255"):
        for defence, view in VIEWS.items():
            if defence != "none":
                rows.append(line(name, defence, judge(model, attacked[name], view), clean, calibration))
    return markdown(COLUMNS, rows).splitlines()
