# SPDX-License-Identifier: Apache-2.0
"""``avguard stream``: judge one file and tell what is found while it is found, one JSON object a line.

Events are those of ``avguard.Stream.poll``; the last line is ``{"kind": "verdict", "verdict": {...}}``. Exit codes as
of ``avguard check``.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from avguard.api import Checker
from avguard.commands.codes import EXIT_CODES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``avguard stream``."""
    parser.add_argument("file")
    parser.add_argument("--model", metavar="DIR", help="a model bundle instead of the one in use")
    parser.add_argument("--engine", choices=("auto", "int8", "float"), default="auto")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print events, then the verdict; returns the exit code."""
    with Checker(args.model, engine=args.engine) as checker:
        verdict = checker.check(args.file, events=_print)
    _print({"kind": "verdict", "verdict": json.loads(verdict.to_json())})
    return EXIT_CODES[verdict.label]


def _print(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    # A reader at the other end of a pipe acts on a line when it comes.
    sys.stdout.flush()
