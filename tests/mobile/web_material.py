# SPDX-License-Identifier: Apache-2.0
"""What the page's suite is given: clips with Python's verdicts, a clip without a face, a camera and a microphone.

How far the page may be from Python: 1e-3, and as far as the clip's own scores move when the page's programs run in this
machine's onnxruntime, or the mesh moves by a millionth of a pixel. Faces are followed from frame to frame and a crop's
samples are whole numbers, so in a few clips such differences grow: 07dd07497d37 moves by 0.007 while its decoded frames
have the same times and sums in both.
"""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnxruntime
from numpy.typing import NDArray

import avguard
from tests.mobile.engine_table import Arrays, Core, Engine, Network

# Test split, all four kinds: real twice, picture fake, sound fake twice, both.
CLIPS = ("f7066ea5d4d2", "bbcc78be3a14", "3597b3fc8745", "07dd07497d37", "d18d3f98ed04", "7fcc7d663cf2")
CAMERA = "bbcc78be3a14"
TOLERANCE = 1.1e-3  # 1e-3, and both sides are rounded to 1e-4
NUDGE_PX = 1e-6
RATE_HZ = 48_000


def runner(data: bytes) -> Network:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]

    def run(given: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, given), strict=True))

    return run


def nudged(mesh: Network) -> Network:
    rng = np.random.default_rng(0)

    def run(given: Arrays) -> Arrays:
        found = mesh(given)
        noise = rng.normal(0, NUDGE_PX, found["landmarks"].shape)
        return found | {"landmarks": (found["landmarks"] + noise).astype(np.float32)}

    return run


def natively(library: Path, bundle: Path, clips: list[Path], move: bool) -> list[dict[str, float]]:
    """Scores of the page's own programs, in the onnxruntime of this machine."""
    roles = ("face_detector", "face_mesh", "joint_float")
    programs = {role: runner((bundle / f"{role}.onnx").read_bytes()) for role in roles}
    if move:
        programs["face_mesh"] = nudged(programs["face_mesh"])
    core = Core(library, bundle, Engine("onnxruntime-web", "1", programs))
    return [json.loads(core.check(clip))["score"] for clip in clips]


def golden(library: Path, bundle: Path, folder: Path) -> dict[str, Any]:
    """For each clip Python's verdict, and for each score how far the page may be from it."""
    clips = [folder / f"{name}.mp4" for name in CLIPS]
    with avguard.Checker(engine="float") as checker:
        wanted = [json.loads(checker.check(clip).to_json()) for clip in clips]
    runs = [natively(library, bundle, clips, move) for move in (False, True)]
    found = {}
    for clip, verdict, *others in zip(clips, wanted, *runs, strict=True):
        scores = verdict["score"]
        moves = {head: max(abs(other[head] - scores[head]) for other in others) for head in scores}
        allowed = {head: TOLERANCE + move for head, move in moves.items()}
        found[str(clip)] = {"label": verdict["label"], "score": scores, "allowed": allowed}
    return found


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
