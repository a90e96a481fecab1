# SPDX-License-Identifier: Apache-2.0
"""Evaluation: runs the product over a list of clips and says plainly how well it does, where, and on what ground."""

from __future__ import annotations

from avguard.evaluate.manifest import Row, read_manifest, select
from avguard.evaluate.probes import ProbeReport, make_probes, render_probes
from avguard.evaluate.report import Report, make_report
from avguard.evaluate.run import Progress, run
from avguard.evaluate.text import plain, render

__all__ = [
    "ProbeReport",
    "Progress",
    "Report",
    "Row",
    "make_probes",
    "make_report",
    "plain",
    "read_manifest",
    "render",
    "render_probes",
    "run",
    "select",
]
