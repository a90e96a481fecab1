# SPDX-License-Identifier: Apache-2.0
"""``avguard scan``: judge any number of files; run it again to go on.

Exit codes: 0 every file has its row (errors are rows too), 3 and up errors of the scan itself, 130 interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from avguard.errors import UsageError

if TYPE_CHECKING:
    from avguard.scan.team import Team
    from avguard.scan.worker import Look, Settings

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``avguard scan``."""
    parser.add_argument("paths", metavar="PATH", nargs="+", help="files, folders, or (with --remote) addresses")
    parser.add_argument("--out", metavar="JSONL", required=True, help="results; what is in it is not judged again")
    parser.add_argument("--parquet", metavar="FILE", help="when done, all results as a table too")
    parser.add_argument("--workers", type=_whole, default=2, metavar="N", help="worker processes (default 2)")
    parser.add_argument("--no-pin", action="store_true", help="let workers move between cores")
    parser.add_argument("--timeout", type=_seconds, default=1800.0, metavar="S", help="seconds for one file")
    parser.add_argument("--max-errors", type=_whole, default=0, metavar="N", help="give up after N errors (0: never)")
    parser.add_argument("--retry-errors", action="store_true", help="judge files again whose row is an error")
    parser.add_argument("--rehash", action="store_true", help="read files again whose size and time did not change")
    parser.add_argument("--whole", action="store_true", help="keep whole verdicts, with timelines, in the rows")
    parser.add_argument("--credentials", action="store_true", help="say for each file whether it has C2PA credentials")
    parser.add_argument("--remote", action="store_true", help="PATHs may be addresses: s3://, gs://, https:// ...")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="where the workers are")
    parser.add_argument("--ray-address", metavar="HOST:PORT", help="a running Ray cluster instead of a local one")
    parser.add_argument("--model", metavar="DIR", help="a model bundle instead of the one in use")
    parser.add_argument("--precision", choices=("auto", "int8", "float"), default="auto")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Scan; the closing line goes to stdout, progress to stderr."""
    from avguard.scan.find import find
    from avguard.scan.journal import Journal
    from avguard.scan.progress import Meter
    from avguard.scan.run import Options, scan
    from avguard.scan.worker import Settings, model_key

    if args.workers < 1:
        raise UsageError("--workers must be 1 or more.")
    settings = Settings(
        model_key(args.model, args.precision),
        args.model,
        args.precision,
        whole=args.whole,
        look=_look() if args.credentials else None,
    )
    options = Options(args.workers, args.timeout, args.max_errors, args.retry_errors, args.rehash)
    files = find(args.paths, remote=args.remote)
    meter = None if args.quiet else Meter(sys.stderr)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(Path(args.out), settings.model))
        team: Team = _ray_team(settings, args) if args.engine == "ray" else _local_team(settings, args)
        stack.enter_context(closing(team))
        asked = stack.enter_context(_interrupt(quiet=args.quiet))
        tally = scan(files, journal, team, options, progress=meter, stop=lambda: bool(asked))
        if meter:
            meter.end(tally)
    if args.parquet:
        _write_table(Path(args.out), Path(args.parquet))
    labels = ", ".join(f"{count} {label}" for label, count in sorted(tally.labels.items()))
    parts = [labels, f"{tally.errors} errors" if tally.errors else "", f"{tally.skipped} done before"]
    sys.stdout.write(f"{tally.total} files: {'; '.join(part for part in parts if part)}\n")
    return INTERRUPTED if tally.stopped else 0


def _write_table(results: Path, table: Path) -> None:
    from avguard.scan.journal import read_rows
    from avguard.scan.table import write_parquet

    write_parquet(read_rows(results), table)


def _local_team(settings: Settings, args: argparse.Namespace) -> Team:
    from avguard.scan.cores import choose
    from avguard.scan.team import LocalTeam

    return LocalTeam(settings, [] if args.no_pin else choose(args.workers))


def _ray_team(settings: Settings, args: argparse.Namespace) -> Team:
    from avguard.scan.cluster import RayTeam

    return RayTeam(settings, args.workers, args.ray_address)


def _look() -> Look:
    from avguard.provenance import require, state_of

    require()
    return state_of


@contextmanager
def _interrupt(*, quiet: bool) -> Iterator[list[int]]:
    """A list that is empty until the first interrupt; the second one ends everything at once."""
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        if not quiet:
            sys.stderr.write("\navguard: finishing the running files; interrupt again to drop them\n")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be a positive number of seconds")
    return value
