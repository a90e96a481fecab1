# SPDX-License-Identifier: Apache-2.0
"""Training windows of one cached clip: bona fide, forged and augmented, packed by the core as the product packs them.

Picture and sound are made apart, each with its own labels, and are only put together when a batch is drawn: every
sound variant meets every picture variant of the same moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.spec import load_spec
from avguard.train.augment_audio import augment_audio
from avguard.train.augment_video import augment_video
from avguard.train.forge.audio import forge_audio, partial_splice, real_splice
from avguard.train.forge.video import forge_video

SPEC = load_spec()
FRAMES = SPEC.window.frames
STEPS = SPEC.window.steps
PER_FRAME = SPEC.audio.frames_per_video_frame
UNKNOWN = float("nan")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class VideoWindow:
    """One packed picture window. ``label``: 0, 1 or NaN; ``steps``: (12,) the same per time step."""

    clip: str
    start: int  # first grid frame
    label: float
    steps: Floats
    breaks_sync: Floats  # (12,) 1 where the lips no longer fit the voice of this moment
    family: str
    face: Floats
    mouth: Floats
    motion: Floats


@dataclass(frozen=True)
class AudioWindow:
    """One packed sound window; fields as in VideoWindow."""

    clip: str
    start: int
    label: float
    steps: Floats
    family: str
    mel: Floats
    linear: Floats


@dataclass(frozen=True)
class CachedClip:
    """What ``cache.extract_clip`` kept. Arrays of the track are empty for sound alone."""

    name: str
    indices: NDArray[np.int64]
    canvases: NDArray[np.uint8]
    points: Floats
    poses: Floats
    samples: Floats
    first_sample: int


def load_clip(folder: Path) -> CachedClip:
    """Read one cached clip; canvases stay on disk until they are used."""
    meta = json.loads((folder / "meta.json").read_text())

    def array(name: str) -> NDArray:
        path = folder / f"{name}.npy"
        return np.load(path, mmap_mode="r") if path.exists() else np.zeros(0, np.float32)

    return CachedClip(
        folder.name,
        np.asarray(array("indices"), np.int64),
        array("canvases"),
        array("points"),
        array("poses"),
        np.asarray(array("samples"), np.float32),
        meta["first_sample"],
    )


def window_starts(clip: CachedClip, rng: np.random.Generator | None) -> list[int]:
    """First grid frames of windows about one stride apart; jittered when ``rng`` is given."""
    if len(clip.indices):
        first, end = int(clip.indices[0]), int(clip.indices[-1]) + 1
    else:
        cell = SPEC.audio.hop_samples * PER_FRAME
        first = clip.first_sample // cell
        end = first + len(clip.samples) // cell
    if end - first <= FRAMES:
        return [first]
    starts = list(range(first, end - FRAMES + 1, SPEC.window.stride_frames))
    if rng is None:
        return starts
    reach = SPEC.window.stride_frames // 2
    return [int(np.clip(s + rng.integers(-reach, reach + 1), first, end - FRAMES)) for s in starts]


def gather(clip: CachedClip, start: int) -> tuple[NDArray[np.uint8], Floats, Floats] | None:
    """Canvases, points and poses of one window, gaps held; None when the face is there in less than half of it."""
    position = np.searchsorted(clip.indices, np.arange(start, start + FRAMES), side="right") - 1
    inside = (clip.indices >= start) & (clip.indices < start + FRAMES)
    length = min(FRAMES, int(clip.indices[-1]) + 1 - start) if len(clip.indices) else 0
    if inside.sum() < max(SPEC.window.minimum_frames // 2, min(FRAMES // 2, length // 2)):
        return None
    position = np.maximum(position, int(np.argmax(inside)))
    return clip.canvases[position], np.asarray(clip.points[position]), np.asarray(clip.poses[position])


def pack_video(
    name: str, start: int, canvases: NDArray[np.uint8], points: Floats, poses: Floats, label: float, family: str = ""
) -> VideoWindow:
    """A window through the core's own packing; step labels all equal to ``label``."""
    face, mouth = _core.pack_pixels(np.ascontiguousarray(canvases))
    motion = _core.pack_motion(np.ascontiguousarray(points, np.float32), np.ascontiguousarray(poses, np.float32))
    none = np.zeros(STEPS, np.float32)
    return VideoWindow(name, start, label, np.full(STEPS, label, np.float32), none, family, face, mouth, motion)


def per_step(frames: NDArray[np.bool_]) -> Floats:
    """bool (48,) -> float32 (12,): 1 where most frames of a step are set."""
    return (frames.reshape(STEPS, -1).mean(1) >= 0.5).astype(np.float32)


def window_label(steps: Floats) -> float:
    """1 when a quarter of the steps are forged, 0 when none is, unknown in between."""
    share = float(steps.mean())
    return 1.0 if share >= 0.25 else 0.0 if share == 0 else UNKNOWN


def forged_video(
    clip: CachedClip, start: int, donor: CachedClip, rng: np.random.Generator, augmentation: int
) -> VideoWindow | None:
    """A pseudo-fake of one real window; ``augmentation`` seeds what is done to it afterwards."""
    own, other = gather(clip, start), None
    if own is None:
        return None
    for candidate in window_starts(donor, rng)[:4]:
        other = gather(donor, candidate)
        if other is not None:
            break
    donated = None if other is None else (np.asarray(other[0]), other[1])
    family = None if donated else "self_blend"
    fake = forge_video(np.asarray(own[0]), own[1], rng, family=family, donor=donated)
    steps = per_step(fake.frame_fake)
    canvases, points = augment_video(fake.canvases, fake.points, np.random.default_rng(augmentation))
    packed = pack_video(clip.name, start, canvases, points, own[2], window_label(steps), fake.family)
    return replace(packed, steps=steps, breaks_sync=steps * float(fake.breaks_sync))


def plain_video(clip: CachedClip, start: int, label: float, rng: np.random.Generator | None) -> VideoWindow | None:
    """One window as it is, augmented when ``rng`` is given."""
    own = gather(clip, start)
    if own is None:
        return None
    canvases, points = (np.asarray(own[0]), own[1]) if rng is None else augment_video(np.asarray(own[0]), own[1], rng)
    return pack_video(clip.name, start, canvases, points, own[2], label)


def forged_sound(samples: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, str]:
    """(pcm, 0/1 per sample, family): wholly forged, partly forged, or spliced from itself (which stays bona fide)."""
    kind = rng.random()
    if kind < 0.12:
        pcm, _ = real_splice(samples, rng)
        return pcm, np.zeros(len(pcm), np.float32), "real_splice"
    fake, family = forge_audio(samples, rng)
    if kind < 0.32:
        mixed, mask = partial_splice(samples, fake, rng)
        return mixed, mask.astype(np.float32), f"partial_{family}"
    return fake, np.ones(len(fake), np.float32), family


def sound_windows(
    clip: CachedClip, starts: list[int], samples: Floats, truth: Floats | None, label: float, family: str
) -> Iterator[AudioWindow]:
    """Packed windows of ``samples`` (as long as the clip's own). ``truth``: 0/1 per sample, None: all ``label``."""
    first, rows = _core.log_mel(np.ascontiguousarray(samples, np.float32), clip.first_sample)
    for start in starts:
        begin = start * PER_FRAME + SPEC.audio.frame_offset
        wanted = np.arange(begin, begin + FRAMES * PER_FRAME) - first
        valid = (wanted >= 0) & (wanted < len(rows))
        picked = rows[np.clip(wanted, 0, max(len(rows) - 1, 0))]
        mel, linear, ok = _core.audio_window(np.ascontiguousarray(picked), valid)
        if not ok:
            continue
        steps = np.full(STEPS, label, np.float32)
        if truth is not None:
            hop = SPEC.audio.hop_samples
            centre = np.clip((wanted + first) * hop + hop // 2 - clip.first_sample, 0, len(truth) - 1)
            steps = (truth[centre].reshape(STEPS, -1).mean(1) >= 0.5).astype(np.float32)
        yield AudioWindow(clip.name, start, label if truth is None else window_label(steps), steps, family, mel, linear)


def audio_variant(
    clip: CachedClip, starts: list[int], label: float, rng: np.random.Generator, forge: bool
) -> list[AudioWindow]:
    """Windows of one augmented take of the clip's sound, forged first when asked. Too short a sound gives none."""
    if len(clip.samples) < SPEC.audio.sample_rate_hz // 2:
        return []
    samples, truth, family = clip.samples, None, ""
    if forge:
        samples, truth, family = forged_sound(clip.samples, rng)
    return list(sound_windows(clip, starts, augment_audio(samples, rng), truth, label, family))
