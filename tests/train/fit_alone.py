# SPDX-License-Identifier: Apache-2.0
"""Trains in a process of its own, which a test may kill: settings as JSON, data, store, folder, processes, launcher."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from avguard.train.launch import fit
from avguard.train.loop import Settings


def main(words: list[str]) -> None:
    """Train as ``words`` say."""
    settings = Settings(**json.loads(words[0]))
    fit(settings, *(Path(word) for word in words[1:4]), int(words[4]), *words[5:])


if __name__ == "__main__":
    main(sys.argv[1:])
