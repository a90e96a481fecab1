# SPDX-License-Identifier: Apache-2.0
"""Tries a bundle's programs out in a child process under the decoder's limits: one that ends it is named, not obeyed.

The sha256 of a program says that it is the one its maker wrote, not that the runtime survives it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from avguard import _core
from avguard.errors import AvguardError
from avguard.line import SELF_TEST_TOLERANCE, self_test
from avguard.media import Limits, jail, wire
from avguard.media.process import DecoderProcess
from avguard.media.ring import create_file
from avguard.models import Bundle, default_path
from avguard.models.artefacts import NOTICE, origin_problems
from avguard.models.manifest import parse_manifest, read_manifest_bytes

CHILD = "avguard.trial"
LIMITS = Limits(wall_seconds=60.0)


def problems_of_programs(folder: Path, bundle: Bundle) -> list[str]:
    """What is wrong with the programs of the verified ``bundle`` in ``folder``, each by its file's name.

    Of each: what it says of itself, and of the joint ones the self-test on this CPU. Raises DecoderCrashError when no
    process can be started.
    """
    packed = pack(read_manifest_bytes(folder), bundle.data)
    found: list[str] = []
    left = sorted(bundle.manifest.programs)
    while left:
        left = left[_try(packed, bundle, left, found) :]
    return found


def _try(packed: bytes, bundle: Bundle, roles: list[str], found: list[str]) -> int:
    """Try ``roles`` in one process until one ends it; adds to ``found`` and returns how many were tried."""
    fd = create_file()
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(json.dumps(roles).encode() + b"\n" + packed)
        os.lseek(fd, 0, os.SEEK_SET)
        process = DecoderProcess(CHILD, fd, fd, LIMITS)
    finally:
        os.close(fd)
    try:
        for number, role in enumerate(roles, 1):
            try:
                _, payload = process.receive(0)
                found += wire.parse_texts(wire.parse_json(payload).get("problems"))
            except AvguardError:
                name = bundle.manifest.programs[role]
                found.append(f"{name}: the program ended the process in which it was tried. Do not use this bundle.")
                return number
    finally:
        process.kill()
    return len(roles)


def main(task: dict[str, Any]) -> None:
    """The child: send the problems of each role, in order, as they are known."""
    with os.fdopen(task["media_fd"], "rb") as file:
        roles: list[str] = json.loads(file.readline())
        bundle = unpack(file.read())
    # The runtime asks /proc and /sys once what this CPU can do; in the jail it may not.
    _core.Program((default_path() / "face_detector.pte").read_bytes())
    limits = Limits(**task["limits"])
    jail.enter(limits.memory_bytes, int(limits.wall_seconds), task["lifeline_fd"])
    for role in roles:
        os.write(task["up_fd"], wire.pack_json(wire.KIND_INFO, {"problems": problems_of(bundle, role)}))
    os._exit(0)


def problems_of(bundle: Bundle, role: str) -> list[str]:
    """What is wrong with one program, tried in this process."""
    name = bundle.manifest.programs[role]
    try:
        # The core refuses a program that was made for another spec, or does not say so in full.
        program = _core.Program(bundle.data[name], joint=role in SELF_TEST_TOLERANCE)
        if role in SELF_TEST_TOLERANCE:
            self_test(bundle, role)
            return []
        source = program.constant("source")
    except AvguardError as error:
        return [f"{name}: {error}"]
    return origin_problems(name, source, bundle.data.get(NOTICE, b"").decode("utf-8", "replace"))


def pack(manifest: bytes, data: dict[str, bytes]) -> bytes:
    """A bundle as one piece: a line of JSON with the sizes, then the manifest and the files."""
    sizes = [[name, len(content)] for name, content in data.items()]
    return b"".join([json.dumps([len(manifest), sizes]).encode(), b"\n", manifest, *data.values()])


def unpack(packed: bytes) -> Bundle:
    """The bundle that ``pack`` made one piece of."""
    head, _, rest = packed.partition(b"\n")
    size, sizes = json.loads(head)
    data, at = {}, size
    for name, length in sizes:
        data[name], at = rest[at : at + length], at + length
    return Bundle(parse_manifest(rest[:size]), data)
