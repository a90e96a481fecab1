# SPDX-License-Identifier: Apache-2.0
"""Two hours of 1080p, mostly a still picture with a face that talks now and then: memory of all processes by minute.

The clip is 40 seconds, encoded once; its packets are written again and again, so that making it takes seconds.
"""

from __future__ import annotations

import os
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from avguard import Checker
from tests import make_demo
from tests.soak.crew import descendants

FPS, RATE_HZ, PART_S = 25, 48000, 40
FACE_S = 2.4
WIDTH, HEIGHT = 1920, 1080
MOST_MB = 900.0
MOST_GROWTH_MB = 8.0
"""After the first minute, over the whole rest: an allocator's slack, not a leak."""


def pictures() -> list[np.ndarray]:
    """RGB (1080, 1920, 3) of one part: a face for FACE_S, then a still scene."""
    scene = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    scene[::8] = 80
    shown = []
    for face in make_demo.pictures(FACE_S):
        picture = scene.copy()
        picture[300:812, 700:1212] = face
        shown.append(picture)
    return [*shown, *[scene] * (PART_S * FPS - len(shown))]


def write_part(path: Path) -> Path:
    """One part: H.264 that begins with a key frame and holds only one, and a whole number of AAC blocks."""
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(PART_S * FPS), "crf": "28"}
        film = container.add_stream("libx264", rate=FPS, options=options)
        film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for k, picture in enumerate(pictures()):
            image = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            image.pts, image.time_base = k, Fraction(1, FPS)
            container.mux(film.encode(image))
        container.mux(film.encode(None))
        voice = np.tile(make_demo.voice(4.0), PART_S // 4)
        for begin in range(0, PART_S * RATE_HZ, 1024):
            block = av.AudioFrame.from_ndarray(voice[None, begin : begin + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = RATE_HZ, begin, Fraction(1, RATE_HZ)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def write_long(path: Path, seconds: int) -> Path:
    """``seconds`` of the part's packets."""
    part = write_part(path.with_name("part.mp4"))
    with av.open(str(part)) as given, av.open(str(path), "w", options={"movflags": "faststart"}) as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for round_ in range(-(-seconds // PART_S)):
            given.seek(0)
            for packet in given.demux():
                if packet.dts is None or packet.pts is None or packet.time_base is None:
                    continue
                shift = int(round_ * PART_S / packet.time_base)
                if packet.pts * packet.time_base < 0 or packet.pts * packet.time_base >= PART_S:
                    continue  # AAC's priming and its tail
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
    part.unlink()
    return path


def resident_mb(pid: int) -> float:
    """Resident memory of a process, 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024 if "VmRSS:" in status else 0.0


def watch(path: Path) -> tuple[list[float], str]:
    """(MB of all processes at every minute of media, label); the clip is checked in this process."""
    sizes: list[float] = []

    def look(_: str, done_s: float, __: float) -> None:
        if done_s >= 60 * (len(sizes) + 1):
            sizes.append(resident_mb(os.getpid()) + sum(map(resident_mb, descendants(os.getpid()))))

    with Checker() as checker:
        verdict = checker.check(path, progress=look)
    return sizes, verdict.label


def run(folder: Path, seconds: int = 7200) -> tuple[str, list[str]]:
    """(table, faults)."""
    path = folder / f"long-{seconds}.mp4"
    if not path.exists():
        write_long(path.with_suffix(".making.mp4"), seconds).rename(path)
    began_s, began_cpu_s = time.monotonic(), sum(os.times()[:4])
    sizes, label = watch(path)
    wall_s, cpu_s = time.monotonic() - began_s, sum(os.times()[:4]) - began_cpu_s
    growth = max(sizes[1:]) - sizes[1]
    text = "| media | frames | label | most | after 2 min | growth since | wall | processor |\n" + "|---" * 8 + "|\n"
    text += (
        f"| {seconds / 3600:.2f} h 1080p{FPS} | {seconds * FPS} | {label} | {max(sizes):.0f} MB | {sizes[1]:.0f} MB "
    )
    text += f"| {growth:+.1f} MB | {wall_s:.0f} s | {cpu_s:.0f} s |"
    faults = [f"long: {max(sizes):.0f} MB"] if max(sizes) > MOST_MB else []
    return text, faults + ([f"long: grew by {growth:.1f} MB"] if growth > MOST_GROWTH_MB else [])
