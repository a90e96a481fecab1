# SPDX-License-Identifier: Apache-2.0
"""Small trees in the layouts in which the data sets' owners ship them; the films are empty files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

META = "source,target1,target2,method,category,type,race,gender,path,\n"


def touch(root: Path, paths: Iterable[str]) -> Path:
    """Empty files; returns the root."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def write_json(path: Path, value: object) -> Path:
    """A JSON file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def fakeavceleb(root: Path) -> Path:
    """One clip of every quadrant, one of them listed twice under two methods, and one that was not downloaded."""
    where = "African/men/id00076"
    lines = [
        f"id00076,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,FakeAVCeleb/RealVideo-RealAudio/{where}",
        f"id00076,-,-,rtvc,B,RealVideo-FakeAudio,African,men,00109_fake.mp4,FakeAVCeleb/RealVideo-FakeAudio/{where}",
        f"id00076,id00166,-,fsgan,C,FakeVideo-RealAudio,African,men,1.mp4,FakeAVCeleb/FakeVideo-RealAudio/{where}",
        f"id00076,-,-,wav2lip,D,FakeVideo-FakeAudio,African,men,2.mp4,FakeAVCeleb/FakeVideo-FakeAudio/{where}",
        f"id00076,-,-,faceswap-wav2lip,D,FakeVideo-FakeAudio,African,men,2.mp4,FakeAVCeleb/FakeVideo-FakeAudio/{where}",
        f"id00076,-,-,wav2lip,D,FakeVideo-FakeAudio,African,men,9.mp4,FakeAVCeleb/FakeVideo-FakeAudio/{where}",
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "meta_data.csv").write_text(META + "\n".join(lines) + "\n", encoding="utf-8")
    paths = ["RealVideo-RealAudio/{}/00109.mp4", "RealVideo-FakeAudio/{}/00109_fake.mp4"]
    paths += ["FakeVideo-RealAudio/{}/1.mp4", "FakeVideo-FakeAudio/{}/2.mp4"]
    return touch(root, [path.format(where) for path in paths])


def dfdc(root: Path) -> Path:
    """A training part, and a test folder with labels.csv."""
    part = root / "train" / "dfdc_train_part_0"
    records = {
        "aaa.mp4": {"label": "FAKE", "split": "train", "original": "bbb.mp4"},
        "bbb.mp4": {"label": "REAL", "split": "train", "original": None},
    }
    write_json(part / "metadata.json", records)
    touch(root, [f"train/dfdc_train_part_0/{name}" for name in records])
    touch(root, ["test/videos/ccc.mp4", "test/videos/ddd.mp4"])
    (root / "test" / "labels.csv").write_text("filename,label\nccc.mp4,1\nddd.mp4,0\n", encoding="utf-8")
    return root


def lavdf(root: Path) -> Path:
    """A real clip, one forged in its sound, and one forged in both."""

    def entry(file: str, video: bool, audio: bool, periods: list[list[float]]) -> dict[str, object]:
        original = "test/000001.mp4" if periods else None
        return {
            "file": file,
            "n_fakes": len(periods),
            "fake_periods": periods,
            "duration": 8.16,
            "original": original,
            "modify_video": video,
            "modify_audio": audio,
            "split": file.split("/")[0],
            "video_frames": 204,
            "audio_channels": 1,
            "audio_frames": 130560,
        }

    entries = [entry("test/000001.mp4", False, False, []), entry("test/000002.mp4", False, True, [[1.5, 2.25]])]
    entries.append(entry("dev/000003.mp4", True, True, [[5.0, 5.5], [0.5, 1.0]]))
    write_json(root / "metadata.min.json", entries)
    return touch(root, [str(item["file"]) for item in entries])


def avdeepfake1m(root: Path, both: str = "both_modified") -> Path:
    """One clip of every kind; the one with forged sound has the copied visual segment of the release."""
    folder = "id00012/21Uxsk56VDQ/00001"

    def entry(name: str, kind: str, visual: list[list[float]], audio: list[list[float]]) -> dict[str, object]:
        return {
            "file": f"{folder}/{name}.mp4",
            "original": f"{folder}/real.mp4",
            "split": "val",
            "modify_type": kind,
            "audio_model": "yourtts" if audio else None,
            "fake_segments": sorted(visual + audio),
            "audio_fake_segments": audio,
            "visual_fake_segments": visual,
            "video_frames": 237,
            "audio_frames": 151680,
        }

    entries = [
        entry("real", "real", [], []),
        entry("real_video_fake_audio", "audio_modified", [[3.28, 3.46]], [[3.28, 3.46]]),
        entry("fake_video_real_audio", "visual_modified", [[3.2, 3.5]], []),
        entry("fake_video_fake_audio", both, [[3.2, 3.5]], [[3.28, 3.46]]),
    ]
    write_json(root / "val_metadata.json", entries)
    return touch(root, [f"val/{item['file']}" for item in entries])


def faceforensics(root: Path, splits: bool = True) -> Path:
    """Two originals and their swaps in both orders, an actor, and a second compression."""
    if splits:
        write_json(root / "splits" / "test.json", [["953", "974"]])
        write_json(root / "splits" / "train.json", [["071", "054"]])
    names = ["original_sequences/youtube/c23/videos/953.mp4", "original_sequences/youtube/c23/videos/071.mp4"]
    names += [f"manipulated_sequences/Deepfakes/c23/videos/{pair}.mp4" for pair in ("953_974", "974_953")]
    names += ["manipulated_sequences/NeuralTextures/c40/videos/071_054.mp4"]
    names += ["original_sequences/actors/c23/videos/01__walking.mp4"]
    names += ["manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking__YVGY8LOK.mp4"]
    return touch(root, names)


def dftimit(root: Path) -> Path:
    """A sentence in both qualities and its original."""
    names = [f"{quality}/fadg0/sa1-video-fram1.{suffix}" for quality in ("higher_quality", "lower_quality")
             for suffix in ("avi", "wav")]  # fmt: skip
    return touch(root, [*names, "real/fadg0/sa1.avi"])


def kodf(root: Path) -> Path:
    """An original and two models, below the release's top folder."""
    top = "kodf_release"
    names = [f"{top}/original_videos/401/401_001.mp4", f"{top}/synthesized_videos/fo/401/401_001_402.mp4"]
    return touch(root, [*names, f"{top}/synthesized_videos/audio-driven/401/401_001_403.mp4"])
