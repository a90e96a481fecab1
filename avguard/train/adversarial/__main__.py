# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.adversarial --checkpoint FILE``: the table of attacks on clips training has not seen."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import torch

from avguard.evaluate.manifest import read_manifest
from avguard.evaluate.robustness.pick import pick
from avguard.models import default_path
from avguard.train.adversarial.measure import lines
from avguard.train.adversarial.stretch import Stretch, load_stretch
from avguard.train.checkpoint import load_checkpoint
from avguard.train.splits import part_of

NOTE = (
    "{clips} clips of the validation sources, half of them real, three seconds of each. FGSM and PGD know the weights "
    "and change the face crops only, never the sound; fakes are pushed towards real, real clips towards fake, in the "
    "logits of the video and sync heads. The attacker does not know the defence. Scores are calibrated with {bundle}."
)


def choose(data: Path, cache: Path, count: int) -> list[Stretch]:
    """``count`` stretches at most, half of them of real clips, spread over sources and generators."""
    rows = [row for row in read_manifest(data) if part_of(row) == "validation" and row.media == "clips"]
    most = 2 * min(sum(row.kind == kind for row in rows) for kind in ("real", "fake"))
    kept: dict[str, list[Stretch]] = {"real": [], "fake": []}
    for row in pick(rows, most):
        if len(kept[row.kind]) < count // 2 and (stretch := load_stretch(cache, row)) is not None:
            kept[row.kind].append(stretch)
    return kept["real"] + kept["fake"]


def main() -> int:
    """Print the table; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.adversarial", description=__doc__)
    shared = os.environ.get("AVGUARD_SHARED", "../shared")
    parser.add_argument("--data", type=Path, default=Path(shared) / "data")
    parser.add_argument("--cache", type=Path, default=Path("runs/store/cache"), help="what `avguard.train cache` made")
    parser.add_argument("--checkpoint", type=Path, default=Path("export/checkpoints/joint.pt"))
    parser.add_argument("--bundle", type=Path, default=default_path(), help="whose calibration and thresholds count")
    parser.add_argument("--clips", type=int, default=32)
    args = parser.parse_args()
    torch.set_num_threads(1)
    manifest = json.loads((args.bundle / "manifest.json").read_text(encoding="utf-8"))
    stretches = choose(args.data, args.cache, args.clips)
    note = NOTE.format(clips=len(stretches), bundle=manifest["id"])
    table = lines(
        load_checkpoint(args.checkpoint).to(memory_format=torch.channels_last), stretches, manifest["calibration"]
    )
    sys.stdout.write("\n".join([note, "", *table]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
