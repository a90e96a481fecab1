# SPDX-License-Identifier: Apache-2.0
"""Pictures with a face, made from scikit-image's astronaut (NASA, public domain), and what the core sees there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import skimage.color
import skimage.data
import skimage.transform
from numpy.typing import NDArray

from avguard import _core
from avguard.line import open_extractor
from avguard.spec import load_spec

Bytes = NDArray[np.uint8]
PERIOD_US = load_spec().video.period_us
# The eye centres of the photo (512 x 512), the person's right eye first: found by hand, good to 2 px.
EYES = np.array([[202.2, 101.3], [247.2, 103.4]])


@cache
def astronaut() -> Bytes:
    """(512, 512, 3); do not write into it."""
    photo: Bytes = skimage.data.astronaut()
    photo.setflags(write=False)
    return photo


@cache
def extractor() -> _core.Model:
    """The shipped face programs without a joint model."""
    return open_extractor()


def moved(
    angle_deg: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0), side_px: int = 512
) -> tuple[Bytes, NDArray[np.float64]]:
    """(photo, its eyes): turned about the face, scaled, then shifted, on a square of ``side_px``."""
    centre = EYES.mean(0)
    turn = skimage.transform.SimilarityTransform(translation=-centre)
    turn += skimage.transform.SimilarityTransform(scale=scale, rotation=np.radians(angle_deg))
    turn += skimage.transform.SimilarityTransform(translation=centre + shift)
    # skimage counts from the first pixel's centre, the core from its corner.
    warped = skimage.transform.warp(astronaut(), turn.inverse, output_shape=(side_px, side_px), mode="edge")
    return np.asarray(np.rint(warped * 255), np.uint8), turn(EYES - 0.5) + 0.5


def nv12_planes(rgb: Bytes) -> tuple[Bytes, Bytes]:
    """BT.601 limited-range planes of a picture with even sides, chroma sited on even columns and between rows."""
    yuv = skimage.color.rgb2ycbcr(rgb)
    rows = (yuv[0::2] + yuv[1::2]) / 2
    left = np.concatenate([rows[:, :1], rows[:, 1:-1:2]], axis=1)
    chroma = (rows[:, 0::2] * 2 + left + rows[:, 1::2]) / 4
    packed = chroma[:, :, 1:].reshape(chroma.shape[0], -1)
    return np.rint(yuv[:, :, 0]).astype(np.uint8), np.rint(packed).astype(np.uint8)


def push(session: _core.Session, picture: Bytes, t_us: int, **options: Any) -> None:
    """Push an RGB picture."""
    session.push_frame([picture], "rgb24", picture.shape[1], picture.shape[0], t_us, **options)


def extract(pictures: Sequence[Bytes], **options: Any) -> list[dict[str, Any]]:
    """Tracks of RGB pictures at 25 per second."""
    session = _core.Session(extractor(), extract=True)
    for k, picture in enumerate(pictures):
        push(session, picture, k * PERIOD_US, **options)
    session.finish()
    tracks: list[dict[str, Any]] = session.extracted()["tracks"]
    return tracks
