# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train generators``: train the small neural generators that the forge uses, on real clips only.

Only the sources that the detector may train on are used, so that held-out people stay unseen by every part.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from avguard.evaluate.manifest import read_manifest
from avguard.train.cache import folder_of
from avguard.train.forge import face_coder, neural_vocoder
from avguard.train.splits import part_of


def train_generators(data: Path, cache: Path, folder: Path, minutes: float, only: str = "") -> None:
    """Train every generator that ``folder`` lacks, ``minutes`` each; ``only`` limits to names that start with it."""
    torch.set_num_threads(1)
    reals = [r for r in read_manifest(data) if part_of(r) == "train" and r.kind == "real"]
    folders = [folder_of(cache, r) for r in reals]
    rng = np.random.default_rng(0)
    names = [f"face_{k}" for k in face_coder.KINDS] + [f"voice_{k}" for k in neural_vocoder.KINDS]
    for name in names:
        path = folder / f"{name}.pt"
        if path.exists() or not name.startswith(only):
            continue
        print(f"training {name} for {minutes:g} min", file=sys.stderr, flush=True)
        media, kind = name.split("_", 1)
        if media == "face":
            face_coder.train_coder(kind, face_coder.load_faces(folders, 40, rng), path, minutes)
        else:
            voices = [np.load(f / "samples.npy") for f in folders if (f / "samples.npy").exists()]
            neural_vocoder.train_vocoder(kind, voices, path, minutes)
