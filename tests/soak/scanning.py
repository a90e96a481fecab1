# SPDX-License-Identifier: Apache-2.0
"""``avguard scan`` killed again and again and gone on with; and on Ray, one of whose workers is killed.

A journal must end with every file once and with the rows of a scan that nobody disturbed.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.conftest import shared_folder
from tests.scan.command import kill_one_actor, rows_of, start
from tests.soak.corpus import corpus

CLIPS, SPEECH, BROKEN = 200, 100, 30
KILLS = 20
"""Every second one of the whole process group, the others of the scan's own process, as for want of memory."""
GONE_S = 60.0
LOOK_S = 0.02
# Chance: how long it took, and which of two equal files was judged and which answered by the other.
CHANCE = ("elapsed_s", "same_as")
RAY = ("--engine", "ray")

Rows = dict[str, dict[str, Any]]


def judged(out: Path, files: Sequence[Path]) -> tuple[Rows, str]:
    """(rows by path without what is chance, what is wrong with the journal or nothing)."""
    rows = rows_of(out)
    found = {row["path"]: {key: value for key, value in row.items() if key not in CHANCE} for row in rows}
    once = len(rows) == len(found) == len(files)
    return found, "" if once else f"{len(rows)} lines for {len(found)} of {len(files)} files"


def finish(files: Sequence[Path], out: Path, *options: str) -> float:
    """Scan to the end; returns the wall seconds."""
    began_s = time.perf_counter()
    process = start(files, out, "--quiet", *options)
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"avguard scan ended with {process.returncode}: {said[-2000:]}")
    return time.perf_counter() - began_s


def lines(out: Path) -> int:
    """Whole lines by now."""
    return out.read_bytes().count(b"\n") if out.exists() else 0


def disturb(files: Sequence[Path], out: Path, rows: float, do: Callable[[Popen[str]], bool], *options: str) -> bool:
    """Scan, and ``do`` something to it once the journal has so many rows, again until it says True.

    Returns whether it did before the scan ended by itself.
    """
    # A session of its own has members that can be killed, and counted.
    process, done = start(files, out, "--quiet", *options, start_new_session=options != RAY), False
    while not done and process.poll() is None:
        time.sleep(LOOK_S)
        done = lines(out) >= int(rows) and do(process)
    _, said = process.communicate()
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"avguard scan ended with {process.returncode}: {said[-2000:]}")
    return done


def members(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(its) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


def killer(chance: random.Random, most_s: float, group: bool, stayed: list[str]) -> Callable[[Popen[str]], bool]:
    """Waits up to ``most_s``, kills, and waits for what the scan had started to be gone as well."""

    def kill(process: Popen[str]) -> bool:
        time.sleep(chance.uniform(0, most_s))
        if process.poll() is not None:
            return False
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        deadline_s = time.monotonic() + GONE_S
        while (left := members(process.pid)) and time.monotonic() < deadline_s:
            time.sleep(LOOK_S)
        stayed.extend(f"scan: process {pid} outlived its scan by {GONE_S:.0f} s" for pid in left)
        return True

    return kill


def kills(files: Sequence[Path], folder: Path, seed: int) -> tuple[str, list[str]]:
    """Killed KILLS times, at random moments between its start and its end, and begun again after each."""
    chance, out, faults = random.Random(seed), folder / "killed.jsonl", list[str]()
    wall_s = finish(files, folder / "whole.jsonl")
    wanted, wrong = judged(folder / "whole.jsonl", files)
    faults += [f"scan, undisturbed: {wrong}"] if wrong else []
    moments = sorted(chance.uniform(0, len(files)) for _ in range(KILLS))
    # Between two rows as well as at the rows, and while the scan is starting.
    most_s = 2 * wall_s / len(files)
    met = [disturb(files, out, m, killer(chance, most_s, k % 2 == 0, faults)) for k, m in enumerate(moments)]
    finish(files, out)
    found, wrong = judged(out, files)
    different = sum(found.get(path) != row for path, row in wanted.items())
    faults += [f"scan, killed: {wrong}"] if wrong else []
    faults += [f"scan, killed: {different} rows differ"] if different else []
    faults += [f"scan: only {sum(met)} of {KILLS} kills met a running scan"] if sum(met) < KILLS // 2 else []
    heads = ("files", "undisturbed", "kills", f"at lines (seed {seed})", "lines at the end", "rows that differ")
    text = f"| {' | '.join(heads)} |\n"
    text += "|---" * 6 + "|\n"
    text += f"| {len(files)} | {wall_s:.0f} s | {sum(met)} | {', '.join(f'{m:.0f}' for m in moments)} "
    text += f"| {lines(out)} | {different} |"
    return text, faults


def run(seed: int = 0) -> tuple[str, list[str]]:
    """(table, faults) of a scan on processes."""
    return _with_corpus(1, lambda files, folder: kills(files, folder, seed))


def run_ray() -> tuple[str, list[str]]:
    """(table, faults) of half as many files on a Ray cluster of this machine."""
    return _with_corpus(2, on_ray)


def on_ray(files: Sequence[Path], folder: Path) -> tuple[str, list[str]]:
    """The same files by two processes and by two Ray actors in turns, then by Ray with an actor killed halfway."""
    # Ray's workers give way to everything else on the machine (nice 15), and then the ratio would tell of that.
    os.environ.setdefault("RAY_worker_niceness", "0")
    names = {"2 processes": (), "2 Ray actors": RAY}
    least, idle, rows, faults = dict[str, float](), dict[str, float](), dict[str, Rows](), list[str]()
    for k in range(2):
        for name, options in names.items():
            out = folder / f"{name}-{k}.jsonl"
            least[name] = min(least.get(name, 1e9), finish(files, out, *options))
            idle[name] = min(idle.get(name, 1e9), finish(files, out, *options))
            rows[f"{name}, round {k}"], wrong = judged(out, files)
            faults += [f"{name}: {wrong}"] if wrong else []
    out, killed = folder / "killed.jsonl", list[bool]()

    def kill(process: Popen[str]) -> bool:
        killed.append(kill_one_actor(process.pid))
        return killed[-1]

    disturb(files, out, len(files) / 2, kill, *RAY)
    rows["2 Ray actors, one killed"], wrong = judged(out, files)
    faults += [f"ray, killed: {wrong}"] if wrong else []
    faults += [] if any(killed) else ["ray: there was no actor to kill"]
    wanted = next(iter(rows.values()))
    faults += [f"{name}: other verdicts" for name, found in rows.items() if found != wanted]
    text = f"{len(files)} files; the lesser of two runs in turns, and a run that finds everything done\n\n"
    text += "| run | wall | against processes | nothing to do |\n|---|---|---|---|\n"
    for name in names:
        text += f"| {name} | {least[name]:.1f} s | {least[name] / least['2 processes']:.2f} | {idle[name]:.1f} s |\n"
    same = "the same" if all(found == wanted for found in rows.values()) else "NOT the same"
    return text + f"\n{len(rows)} scans, the last with a killed actor: rows are {same}", faults


def _with_corpus(part: int, do: Callable[[list[Path], Path], tuple[str, list[str]]]) -> tuple[str, list[str]]:
    shared = shared_folder()
    if shared is None:
        return "", ["scan: AVGUARD_SHARED names no folder with data/: nothing was scanned"]
    with tempfile.TemporaryDirectory() as name:
        files, _ = corpus(shared / "data", Path(name), CLIPS // part, SPEECH // part, BROKEN // part)
        return do(files, Path(name))
