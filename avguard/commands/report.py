# SPDX-License-Identifier: Apache-2.0
"""Pages: of one verdict (``avguard check --report``), and of a scan's results (``avguard report``)."""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from avguard import __version__
from avguard.errors import UsageError
from avguard.models import Bundle, open_bundle
from avguard.verdict import Verdict

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Wishes:
    """What a page of a verdict is to hold. ``model``: folder of the bundle that judged, None for the one in use."""

    model: str | None = None
    include_evidence: bool = False
    show_path: bool = False


def write_verdict_page(out: str, file: str, verdict: Verdict, wishes: Wishes) -> None:
    """Write the page of ``verdict`` on ``file`` to ``out``. Raises UsageError when it cannot be written."""
    from avguard.report.verdict_page import Context, Subject, verdict_page

    bundle = open_bundle(wishes.model)
    path = Path(file)
    subject = Subject(
        name=str(path.resolve()) if wishes.show_path else path.name,
        size=path.stat().st_size,
        sha256=_digest(path),
        checked_at=datetime.now(timezone.utc).strftime("checked %Y-%m-%d %H:%M UTC"),
    )
    context = Context(
        calibration=bundle.manifest.calibration,
        card=_card(bundle),
        credentials=_credentials(file),
        version=__version__,
    )
    if wishes.include_evidence:
        from dataclasses import replace

        from avguard.commands.evidence import gather

        strips, note = gather(file, verdict)
        context = replace(context, evidence=strips, evidence_note=note)
    write_page(out, verdict_page(verdict, subject, context))


def write_page(out: str, text: str) -> None:
    """Whole or not at all. Raises UsageError."""
    path = Path(out)
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as failure:
        raise UsageError(f"{out} cannot be written ({failure.strerror}). Name another file.") from None


def _card(bundle: Bundle) -> str:
    return bundle.data.get("card.md", b"").decode("utf-8", "replace")


def _credentials(file: str) -> str | None:
    from avguard.provenance import installed, state_of

    return state_of(file) if installed() else None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``avguard report``."""
    parser.add_argument("results", metavar="JSONL", help="results of avguard scan")
    parser.add_argument("--out", metavar="HTML", help="the page; by default beside the results")
    parser.add_argument("--parquet", metavar="FILE", help="the results as a table too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the summary page of a scan; says where."""
    from avguard.report.summary_page import summary_page
    from avguard.scan.journal import read_rows
    from avguard.scan.summary import summarise

    results = Path(args.results)
    out = args.out or str(results.with_suffix(".html"))
    write_page(out, summary_page(summarise(read_rows(results)), results.name, __version__))
    if args.parquet:
        from avguard.scan.table import write_parquet

        write_parquet(read_rows(results), Path(args.parquet))
    sys.stdout.write(f"{out}\n")
    return 0
