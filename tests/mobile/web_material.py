# SPDX-License-Identifier: Apache-2.0
"""What the page's suite is given: clips with Python's verdicts, a clip without a face, a camera and a microphone."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

import avguard

# Test split, all four kinds: real twice, picture fake, sound fake twice, both.
CLIPS = ("f7066ea5d4d2", "bbcc78be3a14", "3597b3fc8745", "07dd07497d37", "d18d3f98ed04", "7fcc7d663cf2")
CAMERA = "bbcc78be3a14"
RATE_HZ = 48_000


def golden(folder: Path) -> dict[str, Any]:
    """For each clip the label and the scores of Python's float program."""
    clips = [folder / f"{name}.mp4" for name in CLIPS]
    with avguard.Checker(engine="float") as checker:
        verdicts = [json.loads(checker.check(clip).to_json()) for clip in clips]
    return {
        str(clip): {"label": verdict["label"], "score": verdict["score"]}
        for clip, verdict in zip(clips, verdicts, strict=True)
    }


def write_faceless(path: Path) -> Path:
    """Three seconds of moving stripes and a tone."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", 25, width=320, height=240, pix_fmt="yuv420p")
        audio = file.add_stream("aac", RATE_HZ, layout="mono")
        columns = np.arange(320)
        for i in range(75):
            row = np.uint8(127 + 100 * np.sin((columns + 4 * i) / 12))
            picture = np.repeat(np.tile(row, (240, 1))[:, :, None], 3, axis=2)
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        tone = np.float32(0.2 * np.sin(np.arange(3 * RATE_HZ) / 20))
        frame = av.AudioFrame.from_ndarray(tone[None], "fltp", "mono")
        frame.sample_rate = RATE_HZ
        file.mux(audio.encode(frame))
        for stream in (video, audio):
            file.mux(stream.encode(None))
    return path


def write_camera(clip: Path, y4m: Path, wav: Path) -> None:
    """A clip as Chromium's fake devices take it: they play it over and over."""
    with av.open(str(clip)) as file, y4m.open("wb") as out:
        video = file.streams.video[0]
        rate = video.average_rate
        size = f"W{video.width} H{video.height} F{rate.numerator}:{rate.denominator}"
        out.write(f"YUV4MPEG2 {size} Ip A1:1 C420jpeg\n".encode())
        for frame in file.decode(video):
            out.write(b"FRAME\n" + frame.to_ndarray(format="yuv420p").tobytes())
    with av.open(str(clip)) as file, wave.open(str(wav), "wb") as out:
        out.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        resampler = av.AudioResampler("s16", "mono", RATE_HZ)
        for frame in [*file.decode(audio=0), None]:
            for part in resampler.resample(frame):
                samples: NDArray[np.int16] = part.to_ndarray()
                out.writeframes(samples.tobytes())
