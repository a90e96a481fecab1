# SPDX-License-Identifier: Apache-2.0
"""The forge's neural families: what ``train.generators`` trained, loaded once per process and drawn by name.

``install`` adds to the two FAMILIES tables; without it the forge has only what needs no weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from avguard.errors import InputNotFoundError
from avguard.train.forge import audio, face_coder, masks, neural_vocoder, video
from avguard.train.forge.blends import Forged, forged
from avguard.train.forge.vocoders import Pcm, check_pcm, finish
from avguard.train.mesh import Floats, Pixels

FACE_WEIGHT, VOICE_FAMILIES = 2.0, tuple(f"neural_{kind}" for kind in neural_vocoder.KINDS)


def _face_family(model: face_coder.FaceCoder) -> video.Family:
    def rebuilt(canvases: Pixels, points: Floats, rng: np.random.Generator) -> Forged:
        where = str(rng.choice(["hull", "lower_nose", "lower"], p=[0.7, 0.15, 0.15]))
        mask = masks.soft_mask(points, rng, where)
        torch.manual_seed(int(rng.integers(1 << 31)))
        inside = face_coder.rebuild(model, canvases, float(rng.choice([0.0, 0.05, 0.15])))
        return forged(canvases, points, inside, mask)

    return video.alone(rebuilt)


def _voice_family(model: torch.nn.Module) -> audio.Family:
    def resynthesised(pcm: Pcm, rng: np.random.Generator) -> Pcm:
        check_pcm(pcm)
        peak = float(np.abs(pcm).max())
        if peak < 1e-4:
            return np.zeros_like(pcm)
        level = np.float32(rng.uniform(0.4, 0.9) / peak)
        return finish(neural_vocoder.resynthesise(model, pcm * level) / level, pcm)

    return resynthesised


def install(folder: Path) -> list[str]:
    """Load every trained generator in ``folder`` and add its family to the forge; returns the names added.

    Raises InputNotFoundError when there is none: a forge without its neural families would go unnoticed.
    """
    paths = sorted(folder.glob("*.pt"))
    if not paths:
        raise InputNotFoundError(f"no generators in {folder}; make them with: python -m avguard.train generators")
    names = []
    for path in paths:
        saved = torch.load(path, weights_only=True)
        kind = saved["kind"]
        if path.stem.startswith("face_"):
            coder = face_coder.FaceCoder(face_coder.KINDS[kind])
            coder.load_state_dict(saved["model"])
            name = f"rebuilt_{kind}"
            video.FAMILIES[name] = _face_family(coder.eval())
            video.WEIGHTS[name] = FACE_WEIGHT
        else:
            vocoder = neural_vocoder.make(kind)
            vocoder.load_state_dict(saved["model"])
            name = f"neural_{kind}"
            audio.FAMILIES[name] = _voice_family(vocoder.eval())
        names.append(name)
    return names
