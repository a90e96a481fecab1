# SPDX-License-Identifier: Apache-2.0
"""Arrays that cross into and out of the core live as long as somebody looks at them.

``make test-asan-python`` runs this on a core built with AddressSanitizer. NumPy itself is not, so everything is read
with ``tobytes``: a memcpy, which the sanitizer does watch.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avguard import _core
from avguard.line import pattern_input
from avguard.models import default_path
from avguard.spec import load_spec
from tests.core import faces, talking

Kept = list[NDArray[Any]]
WINDOW = load_spec().window.frames
CANVAS_PX = load_spec().video.canvas_px


def noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.1, count).astype(np.float32)


def reuse_freed_memory() -> None:
    """Whoever looks at what was given back now sees something else."""
    gc.collect()
    for size in (100, 4_000, 70_000, 1_000_000):
        for block in [np.full(size, 0xA5, np.uint8) for _ in range(8)]:
            del block


# Each gives arrays, then goes on with what made them; when it ends, that is gone.


def log_mel() -> Iterator[Kept]:
    maker = _core.LogMel()
    maker.push(noise(16_000))
    yield [maker.frames()[1]]
    maker.push(noise(16_000, 1))
    yield [maker.frames()[1]]
    maker.discard_before(120)
    maker.finish()
    yield [maker.frames()[1]]
    maker.discard_before(10_000)
    yield []


def resampler() -> Iterator[Kept]:
    maker = _core.Resampler(44_100)
    for seed in range(3):
        yield [maker.push(noise(30_000, seed))]
    yield [maker.finish()]


def program() -> Iterator[Kept]:
    maker = _core.Program((default_path() / "face_mesh.pte").read_bytes())
    for start in (0, 7):
        yield list(maker.run([pattern_input([1, 3, 192, 192], start).reshape(-1)]))


def extract() -> Iterator[Kept]:
    session = _core.Session(faces.extractor(), expect_audio=False, extract=True)
    for picture in talking.pictures()[:20]:
        talking.push(session, picture)
    yield arrays(session.extracted())
    for picture in talking.pictures()[20:60]:
        talking.push(session, picture)
    yield arrays(session.extracted())
    session.finish()
    yield arrays(session.extracted())


def arrays(value: Any) -> Kept:
    if isinstance(value, np.ndarray):
        return [value]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [array for item in values for array in arrays(item)]


def functions() -> Iterator[Kept]:
    frames = _core.log_mel(noise(32_000))[1]
    canvases = np.full((WINDOW, CANVAS_PX, CANVAS_PX, 3), 9, np.uint8)
    yield [frames, _core.resample(noise(9_000), 48_000), _core.spectrum(noise(512)), _core.speech_activity(frames)]
    yield arrays(_core.audio_window(frames[:192].copy(), np.ones(192, bool)))
    yield arrays(_core.pack_pixels(canvases))
    yield [_core.warp([noise(64 * 64).view(np.uint8).reshape(128, 128)], "gray8", 99, 99, (1, 0, 0, 0, 1, 0), 300, 300)]


@pytest.mark.parametrize("story", [log_mel, resampler, program, extract, functions])
def test_what_was_given_stays_as_it_was(story: Callable[[], Iterator[Kept]]) -> None:
    kept: Kept = []
    copies: list[bytes] = []
    for given in story():
        kept += given
        copies += [array.tobytes() for array in given]
        reuse_freed_memory()
        assert [array.tobytes() for array in kept] == copies
    reuse_freed_memory()
    assert [array.tobytes() for array in kept] == copies
    assert sum(map(len, copies)) > 10_000
    # They are the caller's own.
    assert all(array.flags.writeable for array in kept)
    for array in kept:
        array[...] = 0


def test_what_was_pushed_may_go_at_once() -> None:
    session = _core.Session(talking.model())
    for item in talking.by_time([*talking.pictures(), *talking.blocks([1024])]):
        if isinstance(item, talking.Picture):
            pixels = item.rgb.copy()
            faces.push(session, pixels, item.t_us)
            pixels[:] = 255
        else:
            samples = item.samples.copy()
            session.push_audio(samples, talking.RATE_HZ, item.t_us)
            samples[:] = np.nan
    reuse_freed_memory()
    assert session.finish() == talking.expected()


def test_a_program_keeps_what_it_was_made_of() -> None:
    data = bytearray((default_path() / "face_mesh.pte").read_bytes())
    inputs = [pattern_input([1, 3, 192, 192], 0).reshape(-1)]
    first, second = _core.Program(bytes(data)), _core.Program(bytes(data))
    expected = [array.tobytes() for array in first.run(inputs)]
    del first
    reuse_freed_memory()
    assert [array.tobytes() for array in second.run(inputs)] == expected


@pytest.mark.parametrize("ends", ["finish", "delete"])
def test_lent_planes_outlive_every_name_but_the_sessions(ends: str) -> None:
    session = _core.Session(talking.model(), expect_audio=False)
    planes: list[weakref.ref[NDArray[np.uint8]]] = []
    back: list[int] = []
    for picture in talking.pictures()[:60]:
        rgb = picture.rgb.copy()
        planes.append(weakref.ref(rgb))
        faces.push(session, rgb, picture.t_us, release=partial(back.append, len(planes) - 1))
        del rgb
        reuse_freed_memory()
        assert [k for k, plane in enumerate(planes) if plane() is None] == sorted(back)
        assert 1 <= len(planes) - len(back) <= 2
    if ends == "finish":
        assert '"tracks":[{' in session.finish()
    del session
    gc.collect()
    assert sorted(back) == list(range(60))
    assert all(plane() is None for plane in planes)
