# SPDX-License-Identifier: Apache-2.0
"""The SDK as a C program meets it: built and installed once, in folders that the next run goes on with."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from avguard.models import default_path
from tests.core import talking
from tests.native import clip

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "native"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Sdk:
    """Where `cmake --install` put the SDK, and the programs built against that."""

    prefix: Path
    consumer: Path
    camera: Path

    @property
    def library(self) -> Path:
        return self.prefix / "lib" / "libavguard.so"


def run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"


def output(*command: str | Path) -> str:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def judge(program: Path, raw: Path, *what: str) -> str:
    """What cpp/tests/consumer/judge.c prints of the clip in ``raw``."""
    return output(program, default_path(), raw, *what)


def build(source: Path, folder: Path, *options: str) -> Path:
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={BIN / 'ninja'}", "-DCMAKE_BUILD_TYPE=Release"]
    run(BIN / "cmake", "-S", source, "-B", folder, *generator, *options)
    run(BIN / "cmake", "--build", folder, "--parallel", "2")
    return folder


@contextmanager
def alone() -> Iterator[None]:
    """One process of the suite at a time: they build in the same folders, and Ninja does not lock them."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def sdk() -> Sdk:
    """The installed SDK, cpp/tests/consumer and cpp/examples/camera."""
    with alone():
        return installed()


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The talking clip as cpp/tests/consumer/judge.c reads it."""
    items = talking.by_time([*talking.pictures(), *talking.blocks([1024])])
    return clip.write(tmp_path_factory.mktemp("raw") / "clip.raw", clip.of_items(items))


def installed() -> Sdk:
    options = [f"-DPython_EXECUTABLE={sys.executable}", "-DAVG_PYTHON=OFF", "-DAVG_SDK=ON"]
    options.append("-DCMAKE_INSTALL_LIBDIR=lib")
    folder = build(ROOT / "cpp", BUILD / "sdk", *options)
    prefix = BUILD / "prefix"
    run(BIN / "cmake", "--install", folder, "--prefix", prefix)
    package = f"-DCMAKE_PREFIX_PATH={prefix}"
    consumer = build(ROOT / "cpp" / "tests" / "consumer", BUILD / "consumer", package)
    camera = build(ROOT / "cpp" / "examples" / "camera", BUILD / "camera", package)
    return Sdk(prefix, consumer, camera / "camera")
