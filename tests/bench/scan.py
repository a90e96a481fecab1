# SPDX-License-Identifier: Apache-2.0
"""Clips per second of ``avguard scan`` with one worker and with two, each kept to a core and not: one table.

``python -m tests.bench.scan [--data DIR] [--clips 200] [--speech 100] [--broken 30] [--rounds 2]``. The corpus is the
first clips of --data by name, and copies of some of them broken as the soak test breaks media. Every run must give the
same verdicts. Only an idle machine tells the ratio.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import shared_folder
from tests.scan.command import outcomes, start
from tests.soak.corpus import corpus

RUNS = {
    "1 worker": ("--workers", "1"),
    "2 workers": ("--workers", "2"),
    "1 worker, --no-pin": ("--workers", "1", "--no-pin"),
    "2 workers, --no-pin": ("--workers", "2", "--no-pin"),
}
Verdicts = dict[str, object]


@dataclass
class Least:
    """Of all rounds of one kind of run."""

    wall_s: float = float("inf")
    processor_s: float = float("inf")


def scan(files: list[Path], out: Path, options: tuple[str, ...]) -> tuple[float, float, Verdicts]:
    """(wall seconds, processor seconds of all its processes, verdicts) of one run."""
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = start(files, out, "--quiet", *options, stdout=subprocess.DEVNULL, stderr=None)
    if process.wait():
        raise SystemExit(f"avguard scan ended with {process.returncode}")
    wall_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    verdicts = outcomes(out)
    out.unlink()
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, verdicts


def measure(files: list[Path], folder: Path, rounds: int) -> tuple[dict[str, Least], bool]:
    """(the least of ``rounds`` of every kind of run, in turns; whether all gave the same verdicts)."""
    for path in files:
        path.read_bytes()  # into the page cache, once for all
    found, verdicts = {name: Least() for name in RUNS}, []
    for _ in range(rounds):
        for name, options in RUNS.items():
            wall_s, processor_s, judged = scan(files, folder / "rows.jsonl", options)
            found[name].wall_s = min(found[name].wall_s, wall_s)
            found[name].processor_s = min(found[name].processor_s, processor_s)
            verdicts.append(judged)
    return found, all(judged == verdicts[0] and len(judged) == len(files) for judged in verdicts)


def main() -> int:
    """Print the table; 1 when two runs disagree."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scan", description=__doc__)
    shared = shared_folder()
    parser.add_argument("--data", type=Path, default=shared and shared / "data", required=shared is None)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--speech", type=int, default=100)
    parser.add_argument("--broken", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, media_s = corpus(args.data, folder, args.clips, args.speech, args.broken)
        found, same = measure(files, folder, args.rounds)
    allowed, load = sorted(os.sched_getaffinity(0)), os.getloadavg()[2]
    print(f"{len(files)} files, {media_s:.0f} s of media, and {args.broken} of them broken")
    print(f"{platform.machine()}, cores {allowed}, load of the last 15 minutes {load:.1f}")
    print("| run | wall | processor | files a second | against 1 worker |\n|---|---|---|---|---|")
    for row, least in found.items():
        ratio = found["1 worker"].wall_s / least.wall_s
        rate = len(files) / least.wall_s
        print(f"| {row} | {least.wall_s:.1f} s | {least.processor_s:.1f} s | {rate:.2f} | {ratio:.2f} |")
    print("every run gave the same verdicts" if same else "the runs do NOT agree")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
