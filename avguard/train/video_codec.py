# SPDX-License-Identifier: Apache-2.0
"""Frames through a real video codec in memory, so that training sees compression's own motion and blocks."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from avguard.errors import UsageError
from avguard.train.mesh import Pixels

CODECS = ("libx264", "mpeg4")


def _options(codec: str, quality: float, preset: str) -> dict[str, str]:
    if codec == "libx264":
        return {"crf": f"{quality:.0f}", "preset": preset}
    # mpeg4 has a quantiser of 2..31 where x264 has a crf of 0..51; pinning it is the only lever PyAV's options reach.
    quantiser = f"{min(31, max(2, round((quality - 14) / 1.6)))}"
    return {"qmin": quantiser, "qmax": quantiser}


def round_trip(frames: Pixels, codec: str = "libx264", quality: float = 28, preset: str = "veryfast",
               rate: int = 25) -> Pixels:  # fmt: skip
    """Encode and decode frames uint8 (T,H,W,3), H and W even; same shape out.

    ``quality`` is an x264 CRF (mpeg4: mapped to its quantiser). Raises UsageError for an unknown codec or odd sides.
    """
    if codec not in CODECS or frames.shape[1] % 2 or frames.shape[2] % 2:
        raise UsageError(f"round_trip knows {CODECS} and even sides, not {codec} and {frames.shape[1:3]}")
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, rate), Fraction(rate)
    encoder.options = _options(codec, quality, preset)
    # One thread: a pool per 112 px window costs more than it gives, and training runs a process per core.
    encoder.thread_count = 1
    packets = []
    for t, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p")
        picture.pts = t
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264" if codec == "libx264" else codec, "r")
    decoder.thread_count = 1
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    decoded = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    return np.stack([picture.to_ndarray(format="rgb24") for picture in decoded])
