# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.average OUT CHECKPOINT...``: the mean of one run's checkpoints.

Weights averaged along a trajectory lie in a flatter place than any of them and generalise better (Izmailov et al.,
"Averaging Weights Leads to Wider Optima and Better Generalization", 2018).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from avguard.errors import UsageError


def average(checkpoints: list[dict[str, Any]]) -> dict[str, Any]:
    """One checkpoint, weights only, of several with the same configuration and spec. Raises UsageError."""
    if not checkpoints:
        raise UsageError("give at least one checkpoint to average")
    first = checkpoints[0]
    for key in ("config", "spec_hash"):
        if any(other[key] != first[key] for other in checkpoints):
            raise UsageError(f"the checkpoints differ in their {key}: they are not of one run")
    weights = {
        name: (sum(c["model"][name].double() for c in checkpoints) / len(checkpoints)).to(value.dtype)
        for name, value in first["model"].items()
    }
    sources = sorted({source for c in checkpoints for source in c.get("trained_on", [])})
    kept = {"trained_on": sources} if sources else {}
    return {"model": weights, "config": first["config"], "spec_hash": first["spec_hash"], **kept}


def main() -> int:
    """Read, average, write."""
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    out, *paths = map(Path, sys.argv[1:])
    torch.save(average([torch.load(path, map_location="cpu", weights_only=True) for path in paths]), out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
