# SPDX-License-Identifier: Apache-2.0
"""Run one libFuzzer target. Usage: run.py BUILD TARGET SECONDS.

Seeds: random bytes, and the shipped manifest for the model's target. Left to itself libFuzzer begins with one byte and
makes longer inputs slowly: after five minutes the longest sequence of calls on a session had 21 bytes, one call or two.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

RANDOM_SEEDS, MOST_BYTES = 24, 1024
ROOT = Path(__file__).resolve().parents[2]


def main(build: Path, target: str, seconds: int) -> int:
    corpus = build / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = ROOT / "avguard" / "models" / "default"
    if target == "model_fuzzer":
        for name in ("manifest.json", "self_test.json"):
            (corpus / name).write_bytes((seeds / name).read_bytes())
    for number in range(RANDOM_SEEDS):
        chance = random.Random(number)
        (corpus / f"random-{number}").write_bytes(chance.randbytes(chance.randint(1, MOST_BYTES)))
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-len_control=0",
        "-timeout=120",
        f"-artifact_prefix={build / target}-",
    ]
    log = build / f"{target}.log"
    with log.open("w") as out:
        done = subprocess.run([str(build / target), *options, str(corpus)], stdout=out, stderr=subprocess.STDOUT)
    lines = log.read_text(errors="replace").splitlines()
    said = [f"{target}: {lines[-1]}"] if done.returncode == 0 else [f"{target} FAILED", *lines[-60:]]
    print("\n".join(said), flush=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
