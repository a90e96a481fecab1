# SPDX-License-Identifier: Apache-2.0
"""Small stores of windows in which one cue, planted, tells bona fide from fake, or lips from other lips."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from avguard.spec import load_spec
from avguard.train.store import encode_audio, encode_video, write_shard
from avguard.train.windows import AudioWindow, VideoWindow
from tests.train.test_dataset import audio, video

SPEC = load_spec()
FRAMES, PER_FRAME = SPEC.window.frames, SPEC.audio.frames_per_video_frame
SIDE = SPEC.video.canvas_px
HEADER = ["clip", "kind", "video_fake", "audio_fake", "generator", "source", "split", "group", "duration_s"]
CLIPS = 4


def names(part: str) -> list[tuple[str, int]]:
    """(clip, label) of a part."""
    return [(f"{part}_{'fake' if label else 'real'}{i}", label) for label in (0, 1) for i in range(CLIPS)]


def face_window(clip: str, label: int, rng: np.random.Generator, family: str = "") -> VideoWindow:
    """A checkerboard on smooth light: fake."""
    window = video(clip, 0, label, family)
    face = np.tile(rng.uniform(-0.5, 0.5, (12, 1, 1, 1)), (1, 4, SIDE, SIDE)).astype(np.float32)
    face += rng.normal(0, 0.05, face.shape)
    board = (np.indices((SIDE, SIDE)).sum(0) // 2 % 2).astype(np.float32)
    face[:, :3] += label * 0.4 * board
    return replace(window, face=np.clip(face, -1, 1).astype(np.float32))


def sound_window(clip: str, label: int, rng: np.random.Generator, family: str = "") -> AudioWindow:
    """A steady tone in the upper bands: fake."""
    window = audio(clip, 0, label, family)
    linear = rng.normal(0, 0.5, window.linear.shape).astype(np.float32)
    linear[90:100] += 2.0 * label
    return replace(window, mel=linear[: SPEC.audio.mel_bands], linear=linear)


def talk(seed: int) -> tuple[VideoWindow, AudioWindow]:
    """Lips and voice of one moment: the mouth is as bright as the voice is loud."""
    rng = np.random.default_rng(seed)
    loud = rng.normal(0, 1, FRAMES)
    loud = np.convolve(loud, [0.5, 1, 0.5], "same").astype(np.float32)
    clip = f"talk{seed}"
    mouth = np.clip(0.3 * loud[:, None, None, None] + np.zeros((1, SPEC.video.mouth_px, SPEC.video.mouth_px)), -1, 1)
    bands = np.repeat(loud, PER_FRAME)[None] + rng.normal(0, 0.1, (SPEC.audio.mel_bands, FRAMES * PER_FRAME))
    seen, heard = video(clip, 0, 0), audio(clip, 0, 0)
    return replace(seen, mouth=mouth.astype(np.float32)), replace(heard, mel=bands.astype(np.float32))


def write_part(folder: Path, videos: list[VideoWindow], audios: list[AudioWindow]) -> None:
    write_shard(folder / "video", "a", encode_video(videos))
    write_shard(folder / "audio", "a", encode_audio(audios))


def world(folder: Path) -> tuple[Path, Path]:
    """(data, store) with the faces' and the sounds' cue, of other clips in every part."""
    data, store, rng = folder / "data", folder / "windows", np.random.default_rng(0)
    data.mkdir()
    held_out = "opendemo-mm/AlignDiT"  # one of splits.VALIDATION_SOURCES
    rows = []
    for part, split, source in (("train", "train", ""), ("validation", "train", held_out), ("natural", "test", "")):
        clips = names(part)
        videos, audios = [face_window(*c, rng) for c in clips], [sound_window(*c, rng) for c in clips]
        if part == "train":
            videos += [face_window(clip, 1, rng, "self_blend") for clip, label in clips if not label]
            audios += [sound_window(clip, 1, rng, "world") for clip, label in clips if not label]
        write_part(store / part, videos, audios)
        for clip, label in clips:
            kind, generator = ("fake", "Wav2Lip") if label else ("real", "")
            rows.append([f"clips/{clip}.mp4", kind, label, label, generator, source or f"s/{clip}", split, clip, 2])
    with (data / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return data, store
