# SPDX-License-Identifier: Apache-2.0
"""Trains as told in a process of its own, which a test may kill: settings as JSON, data, store, folder, processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from avguard.train.launch import fit
from avguard.train.loop import Settings

if __name__ == "__main__":
    settings = Settings(**json.loads(sys.argv[1]))
    fit(settings, *(Path(word) for word in sys.argv[2:5]), int(sys.argv[5]))
