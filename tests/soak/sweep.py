# SPDX-License-Identifier: Apache-2.0
"""The broken-media sweep: every seed broken in every way, judged, journalled; what is wrong with the results."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.soak import mutations
from tests.soak.crew import Crew
from tests.soak.seeds import write_seeds

VERDICTS = ("real", "fake", "inconclusive")
NAMED = ("MediaError", "LimitError", "DecodeTimeoutError", "DecoderCrashError")
MOST_CPU_S = 5.0
MOST_MB = 250.0
KEPT_THE_SAME = ("descriptors", "threads", "processes", "temporary")


def cases(one_in: int = 1) -> list[tuple[str, str, int]]:
    """(seed, kind, number), every ``one_in``-th of all."""
    from tests.soak.seeds import SEEDS

    every = [(seed, kind, k) for seed in SEEDS for kind, k in mutations.names()]
    return every[::one_in]


def run(folder: Path, journal: Path, wanted: Iterable[tuple[str, str, int]]) -> list[dict[str, Any]]:
    """Judge what the journal does not hold yet; returns all results. Broken files lie in ``folder`` one at a time."""
    seeds = write_seeds(folder / "seeds")
    done = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    known = {(row["seed"], row["kind"], row["number"]) for row in done}
    with Crew() as crew, journal.open("a") as book:
        for name, content in seeds.items():
            crew.judge(folder / "seeds" / name)
            for seed, kind, k in wanted:
                if seed != name or (seed, kind, k) in known:
                    continue
                path = folder / f"broken{Path(seed).suffix}"
                path.write_bytes(mutations.KINDS[kind](content, k))
                row = {"seed": seed, "kind": kind, "number": k, "bytes": path.stat().st_size} | crew.judge(path)
                path.unlink()
                book.write(json.dumps(row) + "\n")
                book.flush()
                done.append(row)
    return done


def faults(rows: list[dict[str, Any]]) -> list[str]:
    """One line for every result that breaks a promise."""
    usual = {name: Counter(row[name] for row in rows if name in row).most_common(1) for name in KEPT_THE_SAME}
    found = []
    for row in rows:
        broken = [] if row["outcome"] in (*VERDICTS, *NAMED) else [row["outcome"]]
        if row["outcome"] in ("DecoderCrashError", "DecodeTimeoutError"):
            broken.append(row["outcome"])
        if row.get("cpu_s", 0) > MOST_CPU_S:
            broken.append(f"{row['cpu_s']:.1f} s of processor time")
        if row.get("parent_mb", 0) + row.get("child_mb", 0) > MOST_MB:
            broken.append(f"{row['parent_mb']:.0f} + {row['child_mb']:.0f} MB")
        broken += [f"{row[n]} {n}" for n in KEPT_THE_SAME if n in row and row[n] > usual[n][0][0]]
        if broken:
            found.append(f"{row['seed']} {row['kind']} {row['number']}: {', '.join(broken)} ({row['text'][:160]})")
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: outcomes and extremes by way of breaking."""
    heads = ("broken by", "files", "verdict", "inconclusive", "named error", "decoder crash", "crash or hang")
    lines = ["| " + " | ".join((*heads, "longest (processor)", "parent + child, most")) + " |", "|---" * 9 + "|"]
    for kind in (*mutations.COUNTS, "all"):
        some = [row for row in rows if kind in (row["kind"], "all")]
        if not some:
            continue
        counts = Counter(row["outcome"] for row in some)
        numbers = [
            len(some),
            counts["real"] + counts["fake"],
            counts["inconclusive"],
            counts["MediaError"] + counts["LimitError"],
            counts["DecoderCrashError"] + counts["DecodeTimeoutError"],
            counts["crash"] + counts["hang"],
        ]
        seconds = f"{max(row['seconds'] for row in some):.1f} s ({max(row.get('cpu_s', 0) for row in some):.2f} s)"
        most = max(some, key=lambda row: row.get("parent_mb", 0) + row.get("child_mb", 0))
        memory = f"{most.get('parent_mb', 0):.0f} + {most.get('child_mb', 0):.0f} MB"
        lines.append("| " + " | ".join((kind, *map(str, numbers), seconds, memory)) + " |")
    return "\n".join(lines)
