# SPDX-License-Identifier: Apache-2.0
"""The clip that is timed: one talking-head shot of 1280 x 720, H.264 and AAC in mp4."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skimage.data
import skimage.transform
from numpy.typing import NDArray

from tests.core.talking import voice

WIDTH, HEIGHT, FPS, RATE_HZ = 1280, 720, 25, 48000
ENLARGED = 1.8  # of the 512 px photo: 78 px between the eyes
ROOM_PX = 16
NOISES = 8


def scene() -> NDArray[np.uint8]:
    """The astronaut of scikit-image in the middle, (720 + 32, 1280 + 32, 3)."""
    side = round(512 * ENLARGED)
    photo = skimage.transform.resize(skimage.data.astronaut(), (side, side), anti_aliasing=False)[
        : HEIGHT + 2 * ROOM_PX
    ]
    beside = WIDTH + 2 * ROOM_PX - side
    padded = np.pad(photo, ((0, 0), (beside // 2, beside - beside // 2), (0, 0)), mode="edge")
    return np.rint(255 * padded).astype(np.uint8)


def pictures(seconds: int) -> Iterator[NDArray[np.uint8]]:
    """RGB (720, 1280, 3): the scene drifts by up to 12 px under the noise of a sensor."""
    whole, rng = scene(), np.random.default_rng(5)
    noises = [rng.normal(0, 1.5, (HEIGHT, WIDTH, 1)).astype(np.int16) for _ in range(NOISES)]
    for k in range(seconds * FPS):
        left = ROOM_PX + round(12 * np.sin(k / 9))
        top = ROOM_PX + round(8 * np.sin(k / 7 + 1))
        view = whole[top : top + HEIGHT, left : left + WIDTH]
        yield np.clip(view + noises[k % NOISES], 0, 255).astype(np.uint8)


def write_clip(path: Path, seconds: int) -> None:
    """Encode with x264's and FFmpeg's own defaults."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.thread_count = 1
        audio = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        samples = voice(seconds, RATE_HZ)
        for k, picture in enumerate(pictures(seconds)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = k, Fraction(1, FPS)
            container.mux(video.encode(frame))
            second = samples[k * RATE_HZ // FPS : (k + 1) * RATE_HZ // FPS]
            block = av.AudioFrame.from_ndarray(second[None], "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = RATE_HZ, k * RATE_HZ // FPS, Fraction(1, RATE_HZ)
            container.mux(audio.encode(block))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
