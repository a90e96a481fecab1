# SPDX-License-Identifier: Apache-2.0
"""Seconds that a check takes: as a whole on the clock, and by station in processor time.

Each station is timed alone on pictures of the same clip. Processor time is what a busy machine changes least.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

import avguard
from avguard import _core
from avguard.line import choose_role, open_model, pattern_input
from avguard.media import Frame, Pcm, open_media
from avguard.models import Bundle
from avguard.spec import load_spec
from tests.soak.crew import cpu_s

SAMPLES = 25  # pictures that a station is timed on


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def processor_seconds(action: Callable[[], object]) -> float:
    """Of this process, of the children that ended meanwhile, and of a fork server and its children."""
    start = cpu_s(os.getpid())
    action()
    return cpu_s(os.getpid()) - start


def thread_seconds(action: Callable[[], object]) -> float:
    start = time.thread_time()
    action()
    return time.thread_time() - start


def decode(path: Path) -> None:
    """Both streams by PyAV in this process, one thread each, into nothing."""
    with av.open(str(path)) as container:
        streams = [*container.streams.video, *container.streams.audio]
        for stream in streams:
            stream.codec_context.thread_count = 1
        for packet in container.demux(*streams):
            packet.decode()


def drain(path: Path) -> None:
    """Everything through the decoding child, taken and dropped."""
    with open_media(path) as reader:
        for _ in reader:
            pass


def push(session: _core.Session, item: Frame | Pcm, release: Callable[[], object] | None = None) -> None:
    if isinstance(item, Frame):
        session.push_frame(
            item.planes, item.format, item.width, item.height, item.t_us, matrix=item.matrix, release=release
        )
    else:
        session.push_audio(item.samples, item.sample_rate_hz, item.t_us)


def core_seconds(path: Path, model: _core.Model) -> float:
    """Processor time inside the core of one check."""
    session, spent = _core.Session(model), 0.0
    with open_media(path) as reader:
        for item in reader:
            release = reader.keep() if isinstance(item, Frame) else None
            spent += thread_seconds(lambda: push(session, item, release))  # noqa: B023
    return spent + thread_seconds(session.finish)


class Stations:
    """One clip's material for timing stations alone. ``self.frames``: the first pictures' planes."""

    def __init__(self, path: Path, bundle: Bundle) -> None:
        self._bundle = bundle
        self.frames: list[tuple[NDArray[np.uint8], ...]] = []
        blocks = []
        with open_media(path) as reader:
            for item in reader:
                if not isinstance(item, Frame):
                    blocks.append(item.samples)
                    self._rate_hz = item.sample_rate_hz
                    continue
                self._format, self._size = item.format, (item.width, item.height)
                if len(self.frames) < SAMPLES:
                    self.frames.append(tuple(plane.copy() for plane in item.planes))
        self._sound = np.concatenate(blocks)
        self._eyes, self._eye_distance_px = self._face()

    def _face(self) -> tuple[tuple[float, float], float]:
        """Centre between the eyes and their distance in the first picture, by the detector."""
        ((regressors, logits),) = self._network("face_detector", [self._detector_input(self.frames[0])])()
        count = len(logits)
        faces = _core.decode_faces(regressors.reshape(count, -1), logits, *self._size)
        right, left = np.asarray(faces[0][2][0]), np.asarray(faces[0][2][1])
        x, y = (right + left) / 2
        return (float(x), float(y)), float(np.hypot(*(right - left)))

    def _network(self, role: str, pictures: list[NDArray[np.uint16]]) -> Callable[[], list[list[NDArray[np.float32]]]]:
        """One run over all the pictures, which are converted beforehand."""
        program = _core.Program(self._bundle.program(role))
        ready = [np.ascontiguousarray(rgb[None] / (256 * 127.5) - 1, np.float32) for rgb in pictures]
        return lambda: [program.run([values]) for values in ready]

    def _warp(
        self, planes: tuple[NDArray[np.uint8], ...], side_px: int, left: float, top: float, scale: float
    ) -> NDArray[np.uint16]:
        affine = (scale, 0.0, left, 0.0, scale, top)
        return _core.warp(planes, self._format, *self._size, affine, side_px, side_px)

    def _detector_input(self, planes: tuple[NDArray[np.uint8], ...]) -> NDArray[np.uint16]:
        width, height = self._size
        px, side = load_spec().face.detector_px, max(self._size)
        affine = (side / px, 0.0, (width - side) / 2, 0.0, side / px, (height - side) / 2)
        return _core.warp(planes, self._format, width, height, affine, px, px, black_border=True)

    def _crop(
        self, planes: tuple[NDArray[np.uint8], ...], side_px: int, eyes_px: float, eye_y: float
    ) -> NDArray[np.uint16]:
        """A crop of ``side_px`` with the eyes ``eyes_px`` apart, centred, at ``eye_y``."""
        scale = self._eye_distance_px / eyes_px
        x, y = self._eyes
        return self._warp(planes, side_px, x - scale * side_px / 2, y - scale * eye_y, scale)

    def measure(self, pictures: int, rounds: int) -> dict[str, float]:
        """Seconds per station for a clip of ``pictures`` frames on the grid: the fastest of ``rounds``."""
        spec = load_spec()
        mesh_px = spec.face.mesh_px
        eyes_in_mesh_px = mesh_px / (2.6 * spec.face.mesh_margin)  # a face is about 2.6 eye distances wide
        canvas = (spec.video.canvas_px, spec.video.canvas_eye_distance_px, spec.video.canvas_eye_y_px)
        mesh = (mesh_px, eyes_in_mesh_px, 0.4 * mesh_px)
        small = [self._detector_input(planes) for planes in self.frames]
        crops = [self._crop(planes, *mesh) for planes in self.frames]
        joint = _core.Program(self._bundle.program(choose_role("auto")))
        inputs = [pattern_input(shape, seed) for seed, shape in enumerate(joint_shapes(self._bundle))]
        looks = pictures / spec.face.detector_every
        meshes = pictures / spec.face.mesh_every
        windows = max(1, -(-(pictures - spec.window.frames) // spec.window.stride_frames) + 1)
        once: dict[str, tuple[Callable[[], object], float]] = {
            "face detector, picture": (lambda: [self._detector_input(p) for p in self.frames], looks / SAMPLES),
            "face detector, network": (self._network("face_detector", small), looks / SAMPLES),
            "face mesh, picture": (lambda: [self._crop(p, *mesh) for p in self.frames], meshes / SAMPLES),
            "face mesh, network": (self._network("face_mesh", crops), meshes / SAMPLES),
            "canvas": (lambda: [self._crop(p, *canvas) for p in self.frames], pictures / SAMPLES),
            "16 kHz and log-mel": (lambda: _core.log_mel(_core.resample(self._sound, self._rate_hz)), 1.0),
            "joint model": (lambda: joint.run(inputs), float(windows)),
        }
        return {
            name: times * min(thread_seconds(action) for _ in range(rounds)) for name, (action, times) in once.items()
        }


def joint_shapes(bundle: Bundle) -> list[list[int]]:
    """Input shapes of the joint model, as its golden vectors say."""
    shapes: list[list[int]] = json.loads(bundle.data[bundle.manifest.self_test])["shapes"]
    return shapes


def check_table(path: Path, bundle: Bundle, folder: Path, clip_s: int, rounds: int) -> dict[str, dict[str, float]]:
    """{"clock" or "processor": {name: seconds}}, the first name being decoding alone: the fastest of ``rounds``, taken
    in turns.
    """
    model, checker = open_model(folder), avguard.Checker(folder)
    checker.check(path)
    actions: dict[str, Callable[[], object]] = {
        "decoding alone, in this process": lambda: decode(path),
        "avguard.check": lambda: avguard.check(path, model=folder),
        "Checker.check, not its first": lambda: checker.check(path),
        "  opening the model": lambda: open_model(folder),
        "  decoding in the child": lambda: drain(path),
    }
    turns = [
        (kind, name, timer(action))
        for _ in range(rounds)
        for kind, timer in (("clock", seconds), ("processor", processor_seconds))
        for name, action in actions.items()
    ]
    table: dict[str, dict[str, float]] = {"clock": {}, "processor": {}}
    for kind, name, value in turns:
        table[kind][name] = min(value, table[kind].get(name, value))
    checker.close()
    core_s = min(core_seconds(path, model) for _ in range(rounds))
    parts = Stations(path, bundle).measure(clip_s * 1_000_000 // load_spec().video.period_us, rounds)
    parts["rest: copying, tracking, packing, decision"] = core_s - sum(parts.values())
    table["processor"] |= {"  core": core_s} | {f"    {name}": value for name, value in parts.items()}
    return table
