# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train``: clips in, checkpoint out, resumable at every step.

Without a step name everything runs in order: cache the clips' tensors, train the forge's generators, make windows in
the background, fit. ``voices``, which is not among them, makes a data folder that has Debian's voices besides, for
``--data`` of the other steps.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from multiprocessing import get_context
from pathlib import Path

from avguard.train.launch import LAUNCHERS, fit
from avguard.train.loop import Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m avguard.train", description=__doc__)
    parser.add_argument(
        "step", nargs="?", choices=("all", "voices", "cache", "generators", "produce", "fit"), default="all"
    )
    shared = os.environ.get("AVGUARD_SHARED", "../shared")
    parser.add_argument("--data", type=Path, default=Path(shared) / "data", help="folder with clips.csv and speech.csv")
    parser.add_argument("--run", type=Path, default=Path("runs/joint"), help="folder of the run")
    parser.add_argument("--work", type=Path, default=Path("runs/store"), help="folder of cached tensors and windows")
    parser.add_argument("--produce-minutes", type=float, default=60.0, help="how long to make fresh windows")
    parser.add_argument("--head-start-minutes", type=float, default=12.0, help="windows made before fitting starts")
    parser.add_argument("--generator-minutes", type=float, default=10.0, help="training time of each generator")
    parser.add_argument("--produce-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1, help="that fit together, one per GPU or CPU core")
    parser.add_argument("--launcher", choices=LAUNCHERS, default="torchrun", help="what starts the processes")
    parser.add_argument("--everything", action="store_true", help="train on the validation and test sources too")
    for field in fields(Settings):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    return parser


def _produce(args: argparse.Namespace, minutes: float) -> None:
    from avguard.train.produce import produce

    produce(
        args.data, args.work / "cache", args.work / "windows",
        minutes=minutes, seed=args.produce_seed, everything=args.everything,
    )  # fmt: skip


def main() -> int:
    """Run the chosen step; returns an exit code."""
    args = _parser().parse_args()
    settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
    if args.step == "voices":
        from avguard.train.voices import add_voices, check_programs, unpack

        check_programs()
        unpack(args.work / "packages")
        add_voices(args.data, args.work / "packages", args.work / "data")
    if args.step in ("all", "cache"):
        from avguard.train.cache import build_cache

        splits = ("train", "test") if args.everything else ("train",)
        for failure in build_cache(args.data, args.work / "cache", splits):
            print(f"\nnot cached: {failure}", file=sys.stderr)
    if args.step in ("all", "generators"):
        from avguard.train.generators import train_generators

        train_generators(args.data, args.work / "cache", args.work / "generators", args.generator_minutes)
    producer = None
    if args.step == "produce":
        _produce(args, args.produce_minutes)
    if args.step == "all":
        _produce(args, args.head_start_minutes)
        producer = get_context("spawn").Process(target=_produce, args=(args, args.produce_minutes), daemon=True)
        producer.start()
    if args.step in ("all", "fit"):
        fit(settings, args.data, args.work / "windows", args.run, args.processes, args.launcher)
    if producer is not None:
        producer.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
