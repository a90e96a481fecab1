# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.evaluate --data DIR``: tables on stdout, progress on stderr, results kept in ``--out``."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from avguard.errors import AvguardError, UsageError
from avguard.evaluate.journal import Result, read_results
from avguard.evaluate.manifest import Row, read_manifest, select
from avguard.evaluate.metrics import DRAWS
from avguard.evaluate.probes import ProbeReport, make_probes, render_probes
from avguard.evaluate.product import make_checker, name_model
from avguard.evaluate.report import make_report
from avguard.evaluate.robustness.command import add_arguments, robustness
from avguard.evaluate.run import Progress, run
from avguard.evaluate.text import plain, render
from avguard.evaluate.trivial import Trivial, measure_all


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m avguard.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with clips.csv and/or speech.csv")
    parser.add_argument("--split", choices=["train", "test", "all"], default="test")
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"), help="results, kept and gone on with")
    parser.add_argument("--json", type=Path, help="write the report as JSON, too")
    parser.add_argument("--workers", type=int, default=2, help="processes; 0: check in this one")
    parser.add_argument("--model", help="model bundle (a folder); the built-in one if not given")
    parser.add_argument("--engine", choices=["auto", "int8", "float"], default="int8", help="program of the bundle")
    parser.add_argument("--probes", action="store_true", help="add shortcut probes (reads every file once more)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of the bootstrap")
    parser.add_argument("--retry-errors", action="store_true", help="check clips again that ended in an error")
    parser.add_argument("--report-only", action="store_true", help="check nothing: report the newest model in --out")
    return parser.parse_args(arguments)


def _parse_robustness(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m avguard.evaluate robustness", description=robustness.__doc__)
    add_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report, and return the exit code: 0, or the code of the avguard error; 130 when interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    damage = words[:1] == ["robustness"]
    options = _parse_robustness(words[1:]) if damage else parse(words)
    try:
        if damage:
            print(robustness(options, _tell), end="")
        else:
            _evaluate(options)
    except AvguardError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print(f"\nstopped; run again to go on from {options.out}", file=sys.stderr)
        return 130
    return 0


def _evaluate(options: argparse.Namespace) -> None:
    everything = read_manifest(options.data)
    rows = select(everything, options.split)
    if not rows:
        raise UsageError(f"split {options.split} has no rows in {options.data}")
    model_id, results = _results(options, rows)
    rng = np.random.default_rng(options.seed)
    report = make_report(
        rows, results, everything, model_id=model_id, split=options.split, rng=rng, draws=options.draws
    )
    print(render(report), end="")
    document = {"report": plain(report)}
    if options.probes:
        probes = _probes(options, everything, rows, results, rng)
        print("\n" + render_probes(probes), end="")
        document["probes"] = plain(probes)
    if options.json is not None:
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
        options.json.write_text(text + "\n", encoding="utf-8")


def _results(options: argparse.Namespace, rows: Sequence[Row]) -> tuple[str, dict[str, Result]]:
    if not options.report_only:
        model_id = name_model(options.model, options.engine)
        results = run(
            functools.partial(make_checker, options.model, options.engine),
            options.data,
            rows,
            options.out,
            model_id=model_id,
            workers=options.workers,
            retry_errors=options.retry_errors,
            progress=_tell,
        )
        return model_id, results
    known = read_results(options.out)
    if not known:
        raise UsageError(f"{options.out} holds no results to report")
    newest = list(known)[-1][1]
    return newest, {clip: result for (clip, model), result in known.items() if model == newest}


def _tell(state: Progress) -> None:
    line = f"{state.done}/{state.total} checked, {state.skipped} known, {state.errors} errors, "
    line += f"{state.rate:.2f} clips/s, {state.eta_s / 60:.1f} min left"
    _overwrite(line, last=state.done == state.total)


def _tell_features(done: int, total: int) -> None:
    _overwrite(f"{done}/{total} files measured for the probes", last=done == total)


def _overwrite(line: str, *, last: bool) -> None:
    if sys.stderr.isatty():
        print(f"\r{line:<78}", end="\n" if last else "", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def _probes(
    options: argparse.Namespace,
    everything: Sequence[Row],
    rows: Sequence[Row],
    results: dict[str, Result],
    rng: np.random.Generator,
) -> ProbeReport:
    wanted = {row.path: None for row in [*everything, *rows] if row.split == "train" or row in rows}
    cache = options.out.with_suffix(".features.jsonl")
    features: dict[str, Trivial] = measure_all(options.data, list(wanted), cache, _tell_features)
    return make_probes(everything, rows, results, features, rng=rng, draws=options.draws)


if __name__ == "__main__":
    sys.exit(main())
