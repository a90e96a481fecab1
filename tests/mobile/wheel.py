# SPDX-License-Identifier: Apache-2.0
"""The wheel that the face models are exported from."""

from __future__ import annotations

from pathlib import Path

from tests.native.conftest import ROOT, alone, run


def mediapipe() -> Path:
    """Its path; downloaded once, by one process of the suite."""
    with alone():
        run("make", "--no-print-directory", "-C", ROOT, "build/wheels/.done")
    return next((ROOT / "build" / "wheels").glob("mediapipe-*.whl"))
