# SPDX-License-Identifier: Apache-2.0
"""One table of ratios, all measured in this run on this machine; nothing is asserted.

Usage: python -m tests.bench [--model DIR] [--checkpoint FILE] [--rounds 5]. Times are the fastest of the rounds; what
is compared is measured in turns. Needs the extras ``test``, ``train`` (OpenCV) and, for the checkpoint, ``export``.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from pathlib import Path

from avguard.line import choose_role
from avguard.models import Bundle, default_path, open_bundle
from tests.bench import bench_crop, bench_logmel
from tests.bench.clip import write_clip
from tests.bench.first import first_window
from tests.bench.footprint import import_seconds, peaks_mib
from tests.bench.networks import network_seconds
from tests.bench.session import session_seconds
from tests.bench.stations import check_table

CLIP_S = 10
CHECKPOINT = Path(__file__).resolve().parents[2] / "export" / "checkpoints" / "joint.pt"
Row = tuple[str, str, str]


def check_rows(clip: Path, bundle: Bundle, folder: Path, rounds: int) -> list[Row]:
    rows = []
    for kind, by_name in check_table(clip, bundle, folder, CLIP_S, rounds).items():
        alone_s = next(iter(by_name.values()))
        unit = "ms per second of clip" if kind == "clock" else "ms of processor time"
        rows += [
            (n, f"{1000 * v / CLIP_S:.2f} {unit}", f"{v / alone_s:.3f} x decoding alone") for n, v in by_name.items()
        ]
    alone_s = session_seconds(clip, folder, CLIP_S, rounds)
    faster = f"{CLIP_S / alone_s:.1f} x real time"
    return [*rows, ("session alone, after decoding", faster, "on one core; goal: 25")]


def memory_rows(clip: Path, folder: Path) -> list[Row]:
    parent, child = peaks_mib(clip, folder)
    return [
        ("peak memory, process that checks", f"{parent:.0f} MiB", ""),
        ("peak memory, decoding child", f"{child:.0f} MiB", f"{child / parent:.2f} x the process that checks"),
    ]


def logmel_rows(rounds: int) -> list[Row]:
    kaldi_s, ours_s = bench_logmel.compare(3 * rounds)
    return [("log-mel, 30 s of sound", f"{1000 * ours_s:.2f} ms", f"{ours_s / kaldi_s:.3f} x kaldi-native-fbank")]


def crop_rows(rounds: int) -> list[Row]:
    opencv_s, ours_s = bench_crop.compare(8 * rounds)
    return [("crop and convert, 1280x720 I420", f"{1000 * ours_s:.3f} ms", f"{ours_s / opencv_s:.3f} x OpenCV")]


def network_rows(bundle: Bundle, options: argparse.Namespace) -> list[Row]:
    times = network_seconds(bundle, options.checkpoint, options.rounds)
    rows = []
    for name, value in times.items():
        ours, kind = times["avguard " + name.split()[-1]], name.split()[-1]
        ratio = "" if name.startswith("avguard") else f"avguard {kind} takes {ours / value:.3f} x of it"
        rows.append((f"joint model, one window, {name}", f"{1000 * value:.2f} ms", ratio))
    return rows


def first_window_rows(clip: Path, folder: Path, rounds: int) -> list[Row]:
    clip_s, opening_s, pushing_s = first_window(clip, folder, rounds)
    return [
        ("first scored window: clip that it takes", f"{clip_s:.2f} s", ""),
        ("first scored window: opening model and session", f"{1000 * opening_s:.1f} ms of processor time", ""),
        ("first scored window: pushes until its event", f"{1000 * pushing_s:.1f} ms of processor time", ""),
    ]


def import_rows(rounds: int) -> list[Row]:
    bare_s, door_s = import_seconds(rounds)
    return [
        ("import avguard", f"{1000 * bare_s:.1f} ms", ""),
        ("import avguard; avguard.check", f"{1000 * door_s:.1f} ms", f"{door_s / bare_s:.1f} x import avguard"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--model", type=Path, default=default_path(), help="a bundle instead of the shipped one")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT if CHECKPOINT.is_file() else None,
                        help="the bundle's checkpoint, to compare with ONNX Runtime and PyTorch")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    bundle = open_bundle(options.model)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_clip(clip, CLIP_S)
        rows = check_rows(clip, bundle, options.model, options.rounds)
        rows += first_window_rows(clip, options.model, options.rounds) + memory_rows(clip, options.model)
    rows += (
        logmel_rows(options.rounds)
        + crop_rows(options.rounds)
        + network_rows(bundle, options)
        + import_rows(options.rounds)
    )
    engine = choose_role("auto").removeprefix("joint_")
    print(f"{bundle.manifest.id} ({engine}) on {platform.machine()}; clip: {CLIP_S} s, 1280x720, 25 fps, one face")
    width = max(len(name) for name, _, _ in rows)
    for name, value, ratio in rows:
        print(f"{name:{width}}  {value:>28}  {ratio}".rstrip())


if __name__ == "__main__":
    main()
