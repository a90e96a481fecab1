# SPDX-License-Identifier: Apache-2.0
"""Facts of a file: what is read of a clip that is made here, and that a shortcut is found where there is one."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from avguard.evaluate.manifest import Row
from avguard.evaluate.robustness.material import Material, stamp, write
from avguard.evaluate.trivial import measure, measure_all
from avguard.train.baselines.metadata import FACTS, clip_scores, facts

VALIDATION = "opendemo-mm/AlignDiT"


def make(path: Path, seconds: float, width: int, silence_s: float = 0.0) -> Path:
    frames = [av.VideoFrame.from_ndarray(np.full((96, width), 90, np.uint8), "gray8") for _ in range(int(25 * seconds))]
    noise = np.random.default_rng(0).normal(0, 0.1, int(16_000 * seconds)).astype(np.float32)
    noise[: int(16_000 * silence_s)] = 0
    timed = tuple(stamp(frame.reformat(format="yuv420p"), i / 25) for i, frame in enumerate(frames))
    path.parent.mkdir(exist_ok=True)
    write(Material(timed, noise, 16_000), path)
    return path


def test_facts_of_a_clip_are_the_file_s_own(tmp_path: Path) -> None:
    found = dict(zip(FACTS, facts(measure(make(tmp_path / "a.mp4", 2.0, 128, 0.5), "a")), strict=True))
    assert found["duration_s"] == pytest.approx(2.0, abs=0.1)
    assert (found["width_px"], found["height_px"], found["frame_rate_hz"]) == (128, 96, 25)
    assert found["silence_ms"] == pytest.approx(500, abs=30)
    assert found["sample_rate_hz"] == 16_000
    assert found["bytes_per_s"] > 0
    assert not any(name.startswith("border") for name in FACTS)


def test_sound_alone_has_no_picture_s_facts(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    write(Material((), np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32), 16_000), path)
    found = dict(zip(FACTS, facts(measure(path, "sound")), strict=True))
    assert np.isnan(found["width_px"])
    assert np.isfinite(found["duration_s"])


def test_fakes_of_another_size_are_found_by_it_alone(tmp_path: Path) -> None:
    rows = []
    for split, source in (("train", ""), ("train", VALIDATION), ("test", "")):
        for i in range(6):
            label, name = i % 2, f"{split}{source[:4]}{i}"
            make(tmp_path / f"clips/{name}.mp4", 1.0 + 0.2 * (i // 2), 160 if label else 96)
            rows.append(
                Row(
                    f"clips/{name}.mp4", "clips", "fake" if label else "real", label, label, "X" * label,
                    source or f"s/{name}", name, split, 1.0,
                )
            )  # fmt: skip
    measured = measure_all(tmp_path, [row.path for row in rows], None)
    for part, split in (("validation", "train"), ("test", "test")):
        scores = clip_scores(rows, measured, "video", part)
        own = {
            n for n in (Path(r.path).stem for r in rows) if n.startswith(split) and ("open" in n) == (part != "test")
        }
        assert set(scores) == own
        fakes = [s for n, s in scores.items() if int(n[-1]) % 2]
        assert min(fakes) > max(s for n, s in scores.items() if not int(n[-1]) % 2)
