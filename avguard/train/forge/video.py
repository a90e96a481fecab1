# SPDX-License-Identifier: Apache-2.0
"""Forge video pseudo-fakes from the aligned face canvases of a real window: one name per family, one entry point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avguard.errors import UsageError
from avguard.train import mesh
from avguard.train.forge import masks
from avguard.train.forge.blends import (
    Forged,
    envelope,
    fake_frames,
    low_res_mouth,
    other_moment_mouth,
    self_blend,
    time_shift_blend,
)
from avguard.train.forge.faces import face_swap, lip_reenact, still_animation
from avguard.train.forge.textures import (
    autoencoder_like,
    denoise_time,
    over_smooth,
    texture_flicker,
    upsample_artefacts,
)
from avguard.train.mesh import Floats, Pixels

__all__ = [
    "FAMILIES",
    "WEIGHTS",
    "Clip",
    "ForgedVideo",
    "autoencoder_like",
    "denoise_time",
    "face_swap",
    "forge_video",
    "lip_reenact",
    "low_res_mouth",
    "other_moment_mouth",
    "over_smooth",
    "self_blend",
    "still_animation",
    "texture_flicker",
    "time_shift_blend",
    "upsample_artefacts",
]

Clip = tuple[Pixels, Floats]
"""canvases uint8 (T,112,112,3) and points float32 (T,468,2) of one window."""


@dataclass(frozen=True)
class ForgedVideo:
    """A forged window.

    ``canvases`` uint8 (T,112,112,3); ``points`` float32 (T,468,2), the mesh of the forged face (lips that were replaced
    moved with their points); ``frame_fake`` bool (T,); ``breaks_sync``: where frame_fake, the lips no longer fit
    the window's voice.
    """

    canvases: Pixels
    points: Floats
    frame_fake: NDArray[np.bool_]
    breaks_sync: bool
    family: str


@dataclass(frozen=True)
class _Job:
    canvases: Pixels
    points: Floats
    rng: np.random.Generator
    donor: Clip | None
    same_person: Clip | None


def _swap(job: _Job) -> Forged:
    if job.donor is None:
        raise UsageError("face_swap needs donor=(canvases, points) of another person")
    return face_swap(job.canvases, job.points, *job.donor, job.rng)


def _other_moment(job: _Job) -> Forged:
    other = job.same_person if job.same_person is not None and job.rng.random() < 0.6 else (None, None)
    return other_moment_mouth(job.canvases, job.points, job.rng, *other)


def _reenact(job: _Job) -> Forged:
    others = [clip[1] for clip in (job.same_person, job.donor) if clip is not None]
    driver = others[0] if others and job.rng.random() < 0.6 else None
    return lip_reenact(job.canvases, job.points, job.rng, driver)


def _animate(job: _Job) -> Forged:
    """A still of this person or of the donor, moved by this window (sync holds) or by another clip (sync breaks)."""
    rng, face, driver = job.rng, (job.canvases, job.points), job.points
    stranger = job.same_person or job.donor
    breaks_sync = stranger is not None and rng.random() < 0.3
    if breaks_sync and stranger is not None:
        driver = _fitted(stranger[1], len(job.points))
    elif job.donor is not None and rng.random() < 0.3:
        face = job.donor
    at = int(rng.integers(len(face[0])))
    return still_animation(face[0][at], face[1][at], driver, rng, breaks_sync)


def _fitted(points: Floats, frames: int) -> Floats:
    """``frames`` frames of ``points``, played to and fro when too short."""
    walk = np.arange(frames) % max(1, 2 * len(points) - 2)
    return points[np.where(walk < len(points), walk, 2 * len(points) - 2 - walk)]


Family = Callable[[_Job], Forged]


def alone(forge: Callable[[Pixels, Floats, np.random.Generator], Forged]) -> Family:
    """A family that needs nothing but the window."""
    return lambda job: forge(job.canvases, job.points, job.rng)


FAMILIES: dict[str, Family] = {
    "self_blend": alone(self_blend),
    "time_shift_blend": alone(time_shift_blend),
    "low_res_mouth": alone(low_res_mouth),
    "other_moment_mouth": _other_moment,
    "lip_reenact": _reenact,
    "face_swap": _swap,
    "still_animation": _animate,
    "over_smooth": alone(over_smooth),
    "denoise_time": alone(denoise_time),
    "texture_flicker": alone(texture_flicker),
    "upsample_artefacts": alone(upsample_artefacts),
    "autoencoder_like": alone(autoencoder_like),
}

# Shares, not a measurement: blends and mouths are what the literature found to transfer; textures add kinds.
WEIGHTS: dict[str, float] = {
    "self_blend": 4, "time_shift_blend": 2, "low_res_mouth": 3, "other_moment_mouth": 2, "lip_reenact": 2,
    "face_swap": 3, "still_animation": 3, "over_smooth": 1, "denoise_time": 1, "texture_flicker": 1,
    "upsample_artefacts": 1.5, "autoencoder_like": 1.5,
}  # fmt: skip
# A still has no seam-free way back into the real clip; time shifts draw their own stretches.
_WHOLE_WINDOW = ("still_animation", "time_shift_blend")
_PARTIAL_SHARE = 0.3


def _draw_family(rng: np.random.Generator, donor: Clip | None) -> str:
    names = [name for name in FAMILIES if donor is not None or name != "face_swap"]
    weights = np.array([WEIGHTS[name] for name in names])
    return str(rng.choice(names, p=weights / weights.sum()))


def _partly(source: Clip, result: Forged, rng: np.random.Generator) -> Forged:
    """``result`` in one stretch of the window only, faded in and out over up to four frames."""
    frames = len(source[0])
    over_time = envelope(frames, rng, max(4, frames // 5), max(5, frames * 3 // 4), int(rng.integers(0, 5)))
    canvases = masks.paste(source[0], result.canvases, over_time[:, None, None])
    mask = result.mask * over_time[:, None, None]
    points = source[1] + over_time[:, None, None] * (result.points - source[1])
    frame_fake = result.frame_fake & fake_frames(source[0], canvases, mask)
    return replace(result, canvases=canvases, mask=mask, points=points.astype(np.float32), frame_fake=frame_fake)


def forge_video(canvases: Pixels, points: Floats, rng: np.random.Generator, family: str | None = None,
                donor: Clip | None = None, same_person: Clip | None = None) -> ForgedVideo:  # fmt: skip
    """Forge one real window.

    canvases uint8 (T,112,112,3) and points float32 (T,468,2); ``family``: a key of FAMILIES, drawn by WEIGHTS if None;
    ``donor``: another person's window (face_swap needs one); ``same_person``: another window of this person. About a
    third of the windows are forged in a stretch only (``frame_fake`` says where). Degradation is left to
    ``augment_video``, which real and forged windows pass alike. Raises UsageError on wrong shapes, an unknown
    family, or face_swap without a donor.
    """
    mesh.check_window(canvases, points)
    for other in (donor, same_person):
        if other is not None:
            mesh.check_window(*other)
    family = family or _draw_family(rng, donor)
    if family not in FAMILIES:
        raise UsageError(f"unknown forge family {family!r}; known: {', '.join(FAMILIES)}")
    result = FAMILIES[family](_Job(canvases, points, rng, donor, same_person))
    if family not in _WHOLE_WINDOW and rng.random() < _PARTIAL_SHARE:
        result = _partly((canvases, points), result, rng)
    return ForgedVideo(result.canvases, result.points, result.frame_fake, result.breaks_sync, family)
