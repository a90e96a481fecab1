# SPDX-License-Identifier: Apache-2.0
"""What is attacked: three seconds of a face and its sound, and the windows the product would judge there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.evaluate.manifest import Row
from avguard.spec import load_spec
from avguard.train.cache import folder_of
from avguard.train.windows import FRAMES, PER_FRAME, CachedClip, gather, load_clip, sound_windows, window_starts

SPEC = load_spec()
STRIDE = SPEC.window.stride_frames
CELL = SPEC.audio.hop_samples * PER_FRAME
"""Samples of one video frame."""
MARGIN = SPEC.audio.sample_rate_hz // 2

Inputs = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Stretch:
    """``FRAMES + STRIDE`` frames, counted from 0, of a clip that is labelled by ``row``."""

    row: Row
    clip: CachedClip

    def ends(self) -> list[int]:
        """First frames of the windows that the product judges: two, one stride apart."""
        return [0, len(self.clip.canvases) - FRAMES]


def load_stretch(cache: Path, row: Row) -> Stretch | None:
    """The first stretch with a face and sound throughout; None when the clip has none."""
    folder = folder_of(cache, row)
    if not (folder / "canvases.npy").exists():
        return None
    clip = load_clip(folder)
    for start in window_starts(clip, None):
        parts = gather(clip, start), gather(clip, start + STRIDE)
        if parts[0] is None or parts[1] is None:
            continue
        canvases, points, poses = (np.concatenate([a, b[-STRIDE:]]) for a, b in zip(*parts, strict=True))
        begin = clip.first_sample - start * CELL
        cut = max(0, -MARGIN - begin)
        samples = clip.samples[cut : cut + len(canvases) * CELL + 2 * MARGIN]
        own = replace(clip, canvases=canvases, points=points, poses=poses, samples=samples, first_sample=begin + cut)
        stretch = Stretch(row, replace(own, indices=np.arange(len(canvases))))
        if sounds(stretch, stretch.ends()) is not None:
            return stretch
    return None


def sounds(stretch: Stretch, starts: list[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """(mel, linear) of each window; None when one has no sound."""
    windows = list(sound_windows(stretch.clip, starts, stretch.clip.samples, None, 0.0, ""))
    if len(windows) != len(starts):
        return None
    return np.stack([w.mel for w in windows])[:, None], np.stack([w.linear for w in windows])[:, None]


def inputs_of(stretch: Stretch, starts: list[int]) -> Inputs | None:
    """Model inputs of the windows that begin at ``starts``, packed by the core; None when one has no sound."""
    clip, heard = stretch.clip, sounds(stretch, starts)
    if heard is None:
        return None
    pixels = [_core.pack_pixels(np.ascontiguousarray(clip.canvases[s : s + FRAMES])) for s in starts]
    motion = [
        _core.pack_motion(
            np.ascontiguousarray(clip.points[s : s + FRAMES], np.float32),
            np.ascontiguousarray(clip.poses[s : s + FRAMES], np.float32),
        )
        for s in starts
    ]
    return np.stack([p[0] for p in pixels]), np.stack([p[1] for p in pixels]), np.stack(motion), *heard
