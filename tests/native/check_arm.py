# SPDX-License-Identifier: Apache-2.0
"""What `make test-arm` built, under qemu: the camera on 64-bit ARM, and the stations on a bare Cortex-M4.

No part of the plain test suite, which finds files named test_*.py: it needs those builds. Both must print what the
package on this machine computes.
"""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avguard import Checker, _core
from avguard.line import pattern_input
from avguard.media import open_media
from avguard.models import default_path
from tests.conftest import shared_folder

ROOT = Path(__file__).resolve().parents[2]
# Never qemu's default CPU: see cpp/cmake/toolchains/aarch64-linux-gnu.cmake.
AARCH64 = ("qemu-aarch64", "-cpu", "cortex-a76", "-L", "/usr/aarch64-linux-gnu")
CORTEX_M = ("qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none", "-chardev",
            "stdio,id=host", "-semihosting-config", "enable=on,target=native,chardev=host", "-kernel")  # fmt: skip
# Both sides are rounded to 1e-4, and so are the timelines' steps. All that goes into the joint program has the same
# bits on both; the program's own last bits differ, by 1e-5 of a logit at most, so that now and then a digit is rounded
# apart.
SCORES = 1e-4
CUT_S = 3
MAKE_RAW: Callable[..., None] = runpy.run_path(str(ROOT / "cpp" / "examples" / "camera" / "make_raw.py"))["write"]


def cut(clip: Path, out: Path) -> Path:
    """The first seconds of ``clip``: packets as they are, none decoded."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        kept = [*source.streams.video[:1], *source.streams.audio[:1]]
        streams = {stream.index: target.add_stream_from_template(stream) for stream in kept}
        for packet in source.demux(*kept):
            if packet.dts is not None and packet.dts * packet.time_base < CUT_S:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return out


@pytest.fixture
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A short clip: of the shared ones, or for those who have none a synthesised one."""
    shared = shared_folder()
    whole = shared / "data/clips/22e8f28d4e56.mp4" if shared else request.getfixturevalue("demo_clip")
    return cut(whole, tmp_path / "cut.mp4")


def same(ours: Any, theirs: Any, path: str = "verdict") -> None:
    """Equal but for numbers that differ by no more than SCORES."""
    if isinstance(ours, float) and isinstance(theirs, float):
        assert abs(ours - theirs) <= SCORES + 1e-9, f"{path}: {ours} here, {theirs} on ARM"
    elif isinstance(ours, dict):
        assert list(ours) == list(theirs), path
        for key in ours:
            same(ours[key], theirs[key], f"{path}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), path
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            same(*pair, f"{path}[{i}]")
    else:
        assert ours == theirs, path


@pytest.mark.parametrize("precision", ["int8", "float"])
def test_the_camera_on_64_bit_arm_prints_the_verdict_of_avguard_check(
    clip: Path, tmp_path: Path, precision: str
) -> None:
    (tmp_path / "raw").mkdir()
    with open_media(clip) as reader:
        MAKE_RAW(reader, tmp_path / "raw")
    camera = (str(ROOT / "build/aarch64/camera/camera"), str(default_path()), "--file", str(tmp_path / "raw"))
    command = (*AARCH64, *camera, "--pace", "0", "--precision", precision)
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    with Checker(engine=precision) as checker:
        expected = json.loads(checker.check(clip).to_json())
    assert expected["quality"]["face_s"] > 1
    same(expected, json.loads(done.stdout))


@pytest.fixture(scope="module")
def firmware() -> str:
    """What the firmware says."""
    image = ROOT / "build" / "cortex-m" / "firmware.elf"
    done = subprocess.run(
        [*CORTEX_M, str(image)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    return done.stdout


def test_a_cortex_m_hears_what_the_package_hears(firmware: str) -> None:
    rows = [np.frombuffer(bytes.fromhex(row), np.float32) for row in re.findall("^mel (.*)$", firmware, re.MULTILINE)]
    first, expected = _core.log_mel(_core.resample(pattern_input([24000], 0), 48000))
    assert first == 0
    assert np.isfinite(expected).all()
    # To the bit: no function of a C library takes part.
    np.testing.assert_array_equal(np.stack(rows), expected)


FORMATS = ("i420", "nv12", "nv21", "rgb24", "bgra", "rgba", "gray8")
WIDTH, HEIGHT, SIDE = 64, 48, 24


def planes(name: str) -> tuple[NDArray[np.uint8], ...]:
    half = (HEIGHT // 2, WIDTH // 2)
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {
        "i420": ((HEIGHT, WIDTH), half, half), "gray8": ((HEIGHT, WIDTH),), "rgb24": ((HEIGHT, WIDTH, 3),)
    }  # fmt: skip
    shapes |= dict.fromkeys(("nv12", "nv21"), ((HEIGHT, WIDTH), (*half, 2)))
    shapes |= dict.fromkeys(("bgra", "rgba"), ((HEIGHT, WIDTH, 4),))
    sizes = [int(np.prod(shape)) for shape in shapes[name]]
    pixels = (np.arange(sum(sizes)) * 89 % 251).astype(np.uint8)
    return tuple(
        part.reshape(shape) for part, shape in zip(np.split(pixels, np.cumsum(sizes)[:-1]), shapes[name], strict=True)
    )


def test_a_cortex_m_sees_what_the_package_sees(firmware: str) -> None:
    seen = [np.frombuffer(bytes.fromhex(row), np.uint16) for row in re.findall("^rgb (.*)$", firmware, re.MULTILINE)]
    affine = (1.75, 0.25, 4.0, -0.25, 1.75, 8.0)
    for name, rgb in zip(FORMATS, seen, strict=True):
        expected = _core.warp(planes(name), name, WIDTH, HEIGHT, affine, SIDE, SIDE)
        # To the bit: fixed-point arithmetic.
        np.testing.assert_array_equal(rgb.reshape(3, SIDE, SIDE), expected, name)


def test_what_a_cortex_m_needs_fits(firmware: str, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["arm-none-eabi-size", str(ROOT / "build/cortex-m/firmware.elf")]
    code, data, bss = map(int, subprocess.run(size, check=True, capture_output=True, text=True).stdout.split()[6:9])
    said = {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", firmware, re.MULTILINE)}
    rows = {
        "code and constants": (code + data, 48_000),
        "static memory, the arena and the speech gate included": (data + bss, 210_000),
        "arena: resampler from 48 kHz, log-mel, one block": (said["arena"], 90_000),
        "speech gate": (said["speech_state"], 110_000),
        "stack, at most": (said["stack"], 48_000),
    }
    with capsys.disabled():
        print("\nCortex-M4, -Os, bytes")
        for name, (value, _) in rows.items():
            print(f"  {name:56}{value:>8}")
    assert said["speech_frames"] > 0
    for name, (value, limit) in rows.items():
        assert value <= limit, name
