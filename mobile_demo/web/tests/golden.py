# SPDX-License-Identifier: Apache-2.0
"""Python's verdicts on the clips that the page is compared on: ``python -I -m mobile_demo.web.tests.golden OUT``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import avguard

# Test split, all four kinds: real, picture fake, sound fake, both.
CLIPS = ("f7066ea5d4d2", "bbcc78be3a14", "3597b3fc8745", "07dd07497d37", "d18d3f98ed04", "7fcc7d663cf2")


def main() -> None:
    """Write the verdicts by path; the page runs the float program too."""
    folder = Path(os.environ["AVGUARD_SHARED"]) / "data" / "clips"
    with avguard.Checker(engine="float") as checker:
        verdicts = {
            str(folder / f"{clip}.mp4"): json.loads(checker.check(folder / f"{clip}.mp4").to_json()) for clip in CLIPS
        }
    Path(sys.argv[1]).write_text(json.dumps(verdicts), encoding="utf-8")


if __name__ == "__main__":
    main()
