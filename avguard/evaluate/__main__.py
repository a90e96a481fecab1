# SPDX-License-Identifier: Apache-2.0
"""``avguard evaluate`` and ``python -m avguard.evaluate``: tables on stdout, progress on stderr, results kept in --out.

``--data DIR`` reads a folder with clips.csv, ``--dataset NAME ROOT`` a public set as its owners ship it, ``robustness
--data DIR`` damages the clips first.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from avguard.data import DATASETS, Row, read_dataset
from avguard.errors import AvguardError, UsageError
from avguard.evaluate.benchmark import make_benchmark
from avguard.evaluate.benchmark_text import page, render_benchmark
from avguard.evaluate.journal import Result, read_results
from avguard.evaluate.manifest import read_manifest, select
from avguard.evaluate.metrics import DRAWS
from avguard.evaluate.probes import ProbeReport, make_probes, render_probes
from avguard.evaluate.product import make_checker, name_model, trained_sources
from avguard.evaluate.report import make_report
from avguard.evaluate.robustness.command import add_arguments, robustness
from avguard.evaluate.robustness.pick import pick
from avguard.evaluate.run import Progress, run
from avguard.evaluate.text import Json, plain, render
from avguard.evaluate.trim import make_trimming_checker
from avguard.evaluate.trivial import Trivial, measure_all


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m avguard.evaluate", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="folder with clips.csv and/or speech.csv")
    what.add_argument("--dataset", nargs=2, metavar=("NAME", "ROOT"), help=f"one of {', '.join(DATASETS)}")
    parser.add_argument("--split", choices=["train", "val", "test", "all"], help="test of --data, all of --dataset")
    parser.add_argument("--clips", type=int, help="of a large set: so many, half of them real, spread over methods")
    parser.add_argument("--trim-silence", action="store_true", help="cut off what gives some sets' fakes away")
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"), help="results, kept and gone on with")
    parser.add_argument("--json", type=Path, help="write the report as JSON, too")
    parser.add_argument("--html", type=Path, help="write the field's table as a page, too")
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
    everything, rows = _rows(options)
    model_id, results = _results(options, rows)
    trained_on = trained_sources(options.model, model_id)
    benchmark = make_benchmark(
        rows,
        results,
        trained_on,
        name=options.dataset[0] if options.dataset else options.data.resolve().name,
        split=options.split,
        model_id=model_id,
        trimmed=options.trim_silence,
    )
    document = {"benchmark": plain(benchmark)}
    if options.data:
        document |= _full_report(options, everything, rows, results, model_id, trained_on)
    print(render_benchmark(benchmark), end="")
    if options.html is not None:
        options.html.write_text(page(benchmark), encoding="utf-8")
    if options.json is not None:
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
        options.json.write_text(text + "\n", encoding="utf-8")


def _rows(options: argparse.Namespace) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """All rows, and those to evaluate; fills in what the options leave open."""
    if options.data:
        options.split = options.split or "test"
        everything = read_manifest(options.data)
        rows = select(everything, options.split)
    else:
        options.split = options.split or "all"
        everything = read_dataset(options.dataset[0], Path(options.dataset[1]))
        rows = tuple(row for row in everything if options.split in ("all", row.split))
    if not rows:
        raise UsageError(f"split {options.split} has no rows in {options.data or options.dataset[1]}")
    return everything, pick(rows, options.clips, options.seed) if options.clips else rows


def _full_report(
    options: argparse.Namespace,
    everything: Sequence[Row],
    rows: Sequence[Row],
    results: dict[str, Result],
    model_id: str,
    trained_on: Collection[str] | None,
) -> dict[str, Json]:
    """Everything else that a folder with a train split allows to say; printed, and as what JSON holds."""
    rng = np.random.default_rng(options.seed)
    report = make_report(
        rows,
        results,
        everything,
        model_id=model_id,
        split=options.split,
        rng=rng,
        draws=options.draws,
        trained_on=trained_on,
    )
    print(render(report))
    found = {"report": plain(report)}
    if options.probes:
        probes = _probes(options, everything, rows, results, rng)
        print(render_probes(probes))
        found["probes"] = plain(probes)
    return found


def _results(options: argparse.Namespace, rows: Sequence[Row]) -> tuple[str, dict[str, Result]]:
    if not options.report_only:
        model_id = name_model(options.model, options.engine) + ("-trimmed" if options.trim_silence else "")
        make = make_trimming_checker if options.trim_silence else make_checker
        results = run(
            functools.partial(make, options.model, options.engine),
            options.data or Path(options.dataset[1]),
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
