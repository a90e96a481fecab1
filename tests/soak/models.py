# SPDX-License-Identifier: Apache-2.0
"""Programs with a flipped byte or cut off, run without any check of their hash.

As they are, all are refused by their seal. Sealed again, as somebody does who means it, the runtime makes of them what
it does: each is run in a fork of its own, so that a crash is seen. ``python -m tests.soak.models PROGRAM CASE...`` runs
such cases of one program and prints one word a line.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.errors import AvguardError
from avguard.line import SELF_TEST_TOLERANCE, pattern_input
from avguard.models import Bundle, default_path, open_bundle
from avguard.models.store import ROLES
from export.seal import SEAL_BYTES, seal

FLIPS, CUTS = 500, 50
CASES = range(FLIPS + CUTS)
CPU_S = 30
WORDS = ("error", "same", "refused by the self-test", "other numbers", "not finite")
FACES = {"face_detector": [[1, 3, 128, 128]], "face_mesh": [[1, 3, 192, 192]]}


def shapes(bundle: Bundle, role: str) -> list[list[int]]:
    """The inputs of a program; those of the joint programs stand with their self-test."""
    wanted: list[list[int]] = FACES.get(role) or json.loads(bundle.data[bundle.manifest.self_test])["shapes"]
    return wanted


def run(data: bytes, inputs: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """What a program answers. Raises a class of avguard.errors."""
    return _core.Program(data).run(inputs)


def structure_bytes(data: bytes) -> int:
    """Where the weights begin: behind the program and the delegate's graph (an XNNPACK blob begins with XH00)."""
    blob = data.index(b"XH00", 8) - 4
    return blob + int.from_bytes(data[blob + 18 : blob + 22], "little")


def spoilt(data: bytes, case: int) -> bytes:
    """Case 0 to FLIPS: one byte flipped, every second one before the weights. From FLIPS on: cut off."""
    generator = np.random.default_rng(case)
    if case >= FLIPS:
        return data[: int((case - FLIPS) / CUTS * len(data))]
    at = int(generator.integers(0, structure_bytes(data) if case % 2 == 0 else len(data)))
    return data[:at] + bytes([data[at] ^ int(generator.integers(1, 256))]) + data[at + 1 :]


def crafted(data: bytes, case: int) -> bytes:
    """The program inside, spoilt, with a seal that fits."""
    return seal(spoilt(data[:-SEAL_BYTES], case))


def refusal(data: bytes) -> str:
    """Why the core refuses a program; empty when it runs it."""
    try:
        _core.Program(data)
    except AvguardError as error:
        return str(error)
    return ""


def outcome(role: str, data: bytes, inputs: list[NDArray[np.float32]], right: list[NDArray[np.float32]]) -> str:
    """One of WORDS. Opening a bundle compares what the joint programs answer with golden logits: see ``line``."""
    try:
        answer = run(data, inputs)
    except (AvguardError, MemoryError):
        return "error"
    if len(answer) == len(right) and all(np.array_equal(a, b) for a, b in zip(answer, right, strict=True)):
        return "same"
    tolerance = SELF_TEST_TOLERANCE.get(role, np.inf)
    if answer[0].shape != right[0].shape or not np.abs(answer[0] - right[0]).max() <= tolerance:
        return "refused by the self-test" if role in SELF_TEST_TOLERANCE else "not finite"
    return "other numbers" if all(np.isfinite(part).all() for part in answer) else "not finite"


def in_a_fork(role: str, data: bytes, inputs: list[NDArray[np.float32]], right: list[NDArray[np.float32]]) -> str:
    """One of WORDS, or how the process ended."""
    pid = os.fork()
    if not pid:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = 99
        try:
            code = WORDS.index(outcome(role, data, inputs, right))
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return WORDS[status] if 0 <= status < len(WORDS) else f"ended with {status}"


def outcomes(role: str, cases: Iterable[int]) -> dict[int, str]:
    """What became of each crafted case of one program."""
    bundle = open_bundle(default_path())
    data = bundle.program(role)
    inputs = [pattern_input(shape, seed) for seed, shape in enumerate(shapes(bundle, role))]
    right = run(data, inputs)
    return {case: in_a_fork(role, crafted(data, case), inputs, right) for case in cases}


def table(found: dict[str, dict[int, str]]) -> str:
    """Markdown: crafted programs by what became of them."""
    head = ("program", "sealed again", *WORDS, "ended the process")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for role, cases in found.items():
        counts = [sum(word == wanted for word in cases.values()) for wanted in WORDS]
        ended = sum(word not in WORDS for word in cases.values())
        lines.append(f"| {role} | {len(cases)} | " + " | ".join(map(str, (*counts, ended))) + " |")
    return "\n".join(lines)


def unrefused() -> dict[str, list[int]]:
    """By role, the spoilt programs that no seal refuses."""
    bundle = open_bundle(default_path())
    return {role: [k for k in CASES if " seal" not in refusal(spoilt(bundle.program(role), k))] for role in ROLES}


def run_all() -> tuple[str, list[str]]:
    """(Markdown, faults): every case of every shipped program. A fault is one that its seal does not refuse."""
    missed = unrefused()
    lines = ["| program | spoilt | refused by its seal |", "|---|---|---|"]
    lines += [f"| {role} | {len(CASES)} | {len(CASES) - len(cases)} |" for role, cases in missed.items()]
    text = "\n".join(lines) + "\n\n" + table({role: outcomes(role, CASES) for role in ROLES})
    return text, [f"{role} case {case} is not refused" for role, cases in missed.items() for case in cases]


def main(role: str, *cases: str) -> None:
    for case, word in outcomes(role, map(int, cases)).items():
        print(f"{case} {word}")


if __name__ == "__main__":
    main(*sys.argv[1:])
