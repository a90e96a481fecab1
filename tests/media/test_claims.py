# SPDX-License-Identifier: Apache-2.0
"""Files that are little but a header that claims too much: refused by the limit's name before memory is taken."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from tests.make_media import Film, patch_box, write_clip, write_riff_header

MOST_MB = 150


def raw_picture(path: Path, width: int, height: int) -> Path:
    write_clip(path, Film(codec="rawvideo", pixel_format="uyvy422", seconds=0.2), None)
    return patch_box(path, b"2vuy", 24, struct.pack(">HH", width, height))


def many_streams(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        for stream in [container.add_stream("pcm_s16le", rate=48000, layout="mono") for _ in range(33)]:
            block = av.AudioFrame.from_ndarray(np.zeros((1, 64), np.int16), format="s16", layout="mono")
            block.sample_rate = 48000
            container.mux(stream.encode(block))
    return path


def sparse(path: Path) -> Path:
    write_riff_header(path, 48000, 1, 1 << 20)
    with path.open("r+b") as file:
        file.truncate((2 << 30) + 1)
    return path


def fast(path: Path) -> Path:
    return write_clip(
        path, Film(codec="rawvideo", pixel_format="uyvy422", width=16, height=16, fps=500, seconds=0.1), None
    )


def lasting(path: Path) -> Path:
    """Two pictures, four hours and two seconds apart."""
    return write_clip(path, Film(codec="mpeg4", times_us=[0, 14_402_000_000]), None)


CLAIMS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "side": ("max_side_px", lambda folder: raw_picture(folder / "side.mov", 16386, 16)),
    "pixels": ("max_pixels", lambda folder: raw_picture(folder / "pixels.mov", 16384, 4000)),
    "rate": ("max_fps", lambda folder: fast(folder / "rate.mov")),
    "streams": ("max_streams", lambda folder: many_streams(folder / "streams.mov")),
    "channels": ("max_channels", lambda folder: write_riff_header(folder / "channels.wav", 48000, 17, 1 << 20)),
    "fast sound": ("max_audio_rate_hz", lambda folder: write_riff_header(folder / "fast.wav", 192_001, 1, 1 << 20)),
    "slow sound": ("min_audio_rate_hz", lambda folder: write_riff_header(folder / "slow.wav", 3999, 1, 1 << 20)),
    "duration": ("max_duration_s", lambda folder: lasting(folder / "duration.mkv")),
    "bytes": ("max_file_bytes", lambda folder: sparse(folder / "bytes.wav")),
}
PROGRAM = """
import sys; sys.path[:] = eval(sys.argv[1])
import json, resource
from avguard.media import open_media
from avguard.errors import AvguardError

def told(path):
    try:
        open_media(path).close()
    except AvguardError as error:
        return type(error).__name__ + ": " + str(error)
    return "opened"

texts = [told(path) for path in sys.argv[2:]]
# Not getrusage for this process: that maximum is inherited from the one that started it.
with open("/proc/self/status") as status:
    own_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps([texts, [own_kb / 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[float]]:
    """What each claim was answered, and the peaks in MB of the process that asked and of its largest decoder."""
    folder = tmp_path_factory.mktemp("claims")
    paths = [str(make(folder)) for _, make in CLAIMS.values()]
    command = [sys.executable, "-c", PROGRAM, repr(sys.path), *paths]
    texts, peaks = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return dict(zip(CLAIMS, texts, strict=True)), peaks


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_refused_by_its_limit(answers: tuple[dict[str, str], list[float]], name: str) -> None:
    text = answers[0][name]
    assert text.startswith("LimitError: ")
    assert f"Limits.{CLAIMS[name][0]}" in text


def test_claims_take_no_memory(answers: tuple[dict[str, str], list[float]]) -> None:
    assert max(answers[1]) < MOST_MB
