# SPDX-License-Identifier: Apache-2.0
"""Laundering that needs no knowledge of the model: encode again, resize, add noise, play faster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from scipy.signal import resample_poly

from avguard.evaluate.robustness import sound
from avguard.spec import load_spec
from avguard.train.adversarial.stretch import Stretch
from avguard.train.mesh import Pixels
from avguard.train.pixels import rescale
from avguard.train.video_codec import round_trip

RATE_HZ = load_spec().audio.sample_rate_hz
FASTER = (21, 20)
"""Speed change as a ratio: 5 % faster."""


def encode_again(stretch: Stretch, crf: int, kbps: int) -> Stretch:
    """The canvases through H.264, the sound through AAC."""
    samples = sound.aac(stretch.clip.samples, RATE_HZ, kbps, _rng(stretch))
    return _changed(stretch, round_trip(np.ascontiguousarray(stretch.clip.canvases), quality=crf), samples)


def resize(stretch: Stretch, side_px: int) -> Stretch:
    """Canvases down to ``side_px`` and up again."""
    return _changed(stretch, rescale(stretch.clip.canvases, side_px, cv2.INTER_AREA, cv2.INTER_CUBIC))


def add_noise(stretch: Stretch, levels: float, snr_db: float) -> Stretch:
    """White noise of ``levels`` standard deviation on the canvases and at ``snr_db`` under the sound."""
    rng = _rng(stretch)
    noisy = stretch.clip.canvases + rng.normal(0, levels, stretch.clip.canvases.shape)
    samples = sound.hiss(stretch.clip.samples, RATE_HZ, snr_db, rng)
    return _changed(stretch, np.clip(np.rint(noisy), 0, 255).astype(np.uint8), samples)


def play_faster(stretch: Stretch) -> Stretch:
    """Picture and sound ``FASTER``; the pitch rises with it."""
    clip, speed = stretch.clip, FASTER[0] / FASTER[1]
    kept = (np.arange(int(len(clip.canvases) / speed)) * speed).astype(int)
    samples = resample_poly(clip.samples, FASTER[1], FASTER[0]).astype(np.float32)
    changed = replace(clip, canvases=clip.canvases[kept], points=clip.points[kept], poses=clip.poses[kept])
    changed = replace(changed, indices=np.arange(len(kept)), samples=samples)
    return replace(stretch, clip=replace(changed, first_sample=round(clip.first_sample / speed)))


LAUNDERING: dict[str, Callable[[Stretch], Stretch]] = {
    "encoded again, CRF 28 and 48 kbit/s": lambda s: encode_again(s, 28, 48),
    "encoded again, CRF 35 and 24 kbit/s": lambda s: encode_again(s, 35, 24),
    "canvas at half size and back": lambda s: resize(s, 56),
    "noise, 4 levels and 20 dB SNR": lambda s: add_noise(s, 4, 20),
    "5 % faster": play_faster,
}


def _rng(stretch: Stretch) -> np.random.Generator:
    return np.random.default_rng(list(stretch.row.path.encode()))


def _changed(stretch: Stretch, canvases: Pixels, samples: np.ndarray | None = None) -> Stretch:
    own = stretch.clip.samples if samples is None else samples
    return replace(stretch, clip=replace(stretch.clip, canvases=canvases, samples=own))
