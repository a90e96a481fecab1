# SPDX-License-Identifier: Apache-2.0
"""Decoder processes gone bad: stand-ins for avguard.media.child, each a module-like object for the tests."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from types import ModuleType
from typing import Any

from avguard.media import jail, wire
from avguard.media.info import MediaInfo, VideoInfo

FILM = MediaInfo("fake", None, VideoInfo("fake", 64, 48, 0, False, (1, 1), 0, 25.0), None)


def _segfault(task: dict[str, Any]) -> None:
    ctypes.string_at(0)


def _abort(task: dict[str, Any]) -> None:
    os.abort()


def _loop(task: dict[str, Any]) -> None:
    while True:
        pass


def _gobble(task: dict[str, Any]) -> None:
    hoard = [bytearray(64 << 20) for _ in range(160)]
    os.write(task["up_fd"], bytes(len(hoard)))


def _fork(task: dict[str, Any]) -> None:
    for _ in range(1000):
        os.fork()
    time.sleep(60)


def _garbage(task: dict[str, Any]) -> None:
    os.write(task["up_fd"], os.urandom(4096))
    time.sleep(60)


def _flood(task: dict[str, Any]) -> None:
    while True:
        os.write(task["up_fd"], wire.HEAD.pack(wire.MAGIC, wire.KIND_INFO, 0xFFFFFFFF) + bytes(4096))


def _huge_info(task: dict[str, Any]) -> None:
    info = {"container": "fake", "duration_us": None, "warnings": [], "audio": None}
    video = {"codec": "fake", "width": 1 << 40, "height": 1 << 40, "rotation_deg": 0, "mirrored": False}
    info["video"] = video | {"sample_aspect": [1, 1], "start_us": 0, "fps": 25.0}
    os.write(task["up_fd"], wire.pack_json(wire.KIND_INFO, info))
    time.sleep(60)


def _deep_json(task: dict[str, Any]) -> None:
    os.write(task["up_fd"], wire.pack(wire.KIND_INFO, b"[" * 60000))
    time.sleep(60)


def _begin(task: dict[str, Any]) -> None:
    os.write(task["up_fd"], wire.pack_info(FILM))
    os.read(task["down_fd"], wire.RING.size)


def _linger(task: dict[str, Any]) -> None:
    _begin(task)
    os.write(task["up_fd"], wire.pack_json(wire.KIND_END, {"warnings": []}))
    time.sleep(60)


def _oversize_frame(task: dict[str, Any]) -> None:
    _begin(task)
    head = wire.FrameHead(0, "i420", "bt601", False, False, 0, 4000, 4000, 0, (4000, 2000, 2000))
    os.write(task["up_fd"], wire.pack_frame(head))
    time.sleep(60)


def _no_such_slot(task: dict[str, Any]) -> None:
    _begin(task)
    head = wire.FrameHead(200, "i420", "bt601", False, False, 0, 64, 48, 0, (64, 32, 32))
    os.write(task["up_fd"], wire.pack_frame(head))
    time.sleep(60)


def _strange_error(task: dict[str, Any]) -> None:
    os.write(task["up_fd"], wire.pack(wire.KIND_ERROR, json.dumps({"error": "SystemExit", "text": "x"}).encode()))
    time.sleep(60)


def _shrink(task: dict[str, Any]) -> None:
    _begin(task)
    try:
        os.ftruncate(task["ring_fd"], 0)
    except PermissionError:
        sys.stderr.write("the ring is sealed\n")
        os._exit(7)


def _talkative(task: dict[str, Any]) -> None:
    sys.stderr.write("noise " * 200_000 + "\nlast words\n")
    sys.stderr.flush()
    os._exit(3)


def _module(name: str) -> ModuleType:
    module = ModuleType(f"{__name__}.{name}")

    def main(task: dict[str, Any]) -> None:
        jail.enter(task["limits"]["memory_bytes"], 60, task["lifeline_fd"])
        globals()[f"_{name}"](task)

    module.main = main  # type: ignore[attr-defined]
    return module


NAMES = ("segfault", "abort", "loop", "gobble", "fork", "garbage", "flood", "huge_info", "deep_json")
NAMES += ("linger", "oversize_frame", "no_such_slot", "strange_error", "shrink", "talkative")
for _name in NAMES:
    sys.modules[f"{__name__}.{_name}"] = _module(_name)
