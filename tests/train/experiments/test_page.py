# SPDX-License-Identifier: Apache-2.0
"""The page of experiments: its tables are those of the results beside it."""

from __future__ import annotations

from pathlib import Path

from avguard.train.experiments.results import read_clips, read_results
from avguard.train.experiments.table import tables, with_tables

FOLDER = Path(__file__).resolve().parents[3] / "avguard/train/experiments"
RESULTS = FOLDER / "results"


def test_the_tables_are_made_from_the_results() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert page == with_tables(page, tables(read_results(RESULTS), read_clips(RESULTS)))


def test_results_take_little_room() -> None:
    assert sum(path.stat().st_size for path in RESULTS.iterdir()) < 1_500_000
