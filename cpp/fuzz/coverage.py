# SPDX-License-Identifier: Apache-2.0
"""Lines of cpp/src that the C++ tests and the inputs of the fuzz targets reach, file by file.

Usage: coverage.py BUILD FUZZ_BUILD: programs compiled for clang's coverage, and where `make fuzz` left its inputs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "src"
LEAST_PERCENT = 90.0


def profile(build: Path, program: str, *arguments: str) -> Path:
    """Runs a program of ``build``; returns what it recorded."""
    record, log = build / f"{program}.profraw", build / f"{program}.log"
    with log.open("w") as out:
        command = [str(build / program), *arguments]
        environment = os.environ | {"LLVM_PROFILE_FILE": str(record)}
        done = subprocess.run(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SystemExit(f"{program} failed:\n{log.read_text(errors='replace')[-4000:]}")
    return record


def lines_of(build: Path, programs: list[str], records: list[Path]) -> dict[str, tuple[int, int]]:
    """(lines, lines reached) of every file of cpp/src."""
    merged = build / "all.profdata"
    subprocess.run(["llvm-profdata", "merge", "-o", str(merged), *map(str, records)], check=True)
    first, *others = [str(build / program) for program in programs]
    objects = [first, *(f"-object={other}" for other in others)]
    command = ["llvm-cov", "export", "-summary-only", f"-instr-profile={merged}", *objects, str(SOURCES)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = {}
    for row in told["data"][0]["files"]:
        lines = row["summary"]["lines"]
        found[str(Path(row["filename"]).relative_to(SOURCES))] = (lines["count"], lines["covered"])
    return found


def main(build: Path, fuzz: Path) -> int:
    fuzzers = sorted(path.stem for path in Path(__file__).parent.glob("*_fuzzer.cc"))
    records = [profile(build, "avg_tests")]
    for name in fuzzers:
        corpus = fuzz / "corpus" / name
        inputs = len(list(corpus.iterdir())) if corpus.is_dir() else 0
        print(f"{name}: {inputs} inputs")
        records += [profile(build, name, "-runs=0", str(corpus))] if inputs else []
    found = lines_of(build, ["avg_tests", *fuzzers], records)
    for name, (count, covered) in sorted(found.items()):
        print(f"{name:32}{covered:>6} of{count:>5} lines{100 * covered / count:>7.1f} %")
    count, covered = (sum(row[k] for row in found.values()) for k in (0, 1))
    print(f"{'cpp/src':32}{covered:>6} of{count:>5} lines{100 * covered / count:>7.1f} %, at least {LEAST_PERCENT:.0f}")
    return 0 if 100 * covered >= LEAST_PERCENT * count else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
