# SPDX-License-Identifier: Apache-2.0
"""avguard.h from Python, with an engine of Python's in its table: what mobile_demo/ios does in Swift."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avguard.media import Frame, open_media

Arrays = dict[str, NDArray[np.float32]]
Network = Callable[[Arrays], Arrays]
OK, ENGINE_ERROR = 0, 7
FLOAT = 1
MATRICES = ("bt601", "bt709", "bt2020")


class File(c.Structure):
    _fields_ = (("name", c.c_char_p), ("data", c.c_void_p), ("size", c.c_size_t))


class Tensor(c.Structure):
    _fields_ = (
        ("name", c.c_char_p), ("type", c.c_int32), ("rank", c.c_int32), ("shape", c.c_int32 * 6),
        ("scale", c.c_float), ("zero_point", c.c_int32), ("data", c.c_void_p),
    )  # fmt: skip

    def sides(self) -> tuple[int, ...]:
        return tuple(self.shape[: self.rank])

    def array(self) -> NDArray[np.float32]:
        """The tensor's own memory."""
        size = int(np.prod(self.sides()))
        return np.ctypeslib.as_array(c.cast(self.data, c.POINTER(c.c_float)), (size,)).reshape(self.sides())


Tensors = c.POINTER(Tensor)
Load = c.CFUNCTYPE(
    c.c_int, c.c_void_p, c.c_char_p, c.POINTER(File), Tensors, c.c_size_t, Tensors, c.c_size_t, c.POINTER(c.c_void_p)
)
Run = c.CFUNCTYPE(c.c_int, c.c_void_p, Tensors, Tensors)
Close = c.CFUNCTYPE(None, c.c_void_p)


class Table(c.Structure):
    _fields_ = (
        ("struct_size", c.c_size_t), ("name", c.c_char_p), ("version", c.c_char_p), ("context", c.c_void_p),
        ("load", Load), ("run", Run), ("close", Close),
    )  # fmt: skip


class ModelOptions(c.Structure):
    _fields_ = (
        ("struct_size", c.c_size_t), ("precision", c.c_int32), ("engine", c.POINTER(Table)),
        ("message", c.c_char_p), ("message_size", c.c_size_t),
    )  # fmt: skip


class FrameRow(c.Structure):
    _fields_ = (
        ("struct_size", c.c_size_t), ("t_us", c.c_int64), ("format", c.c_int32), ("matrix", c.c_int32),
        ("full_range", c.c_int32), ("mirrored", c.c_int32), ("rotation_deg", c.c_int32), ("width", c.c_int32),
        ("height", c.c_int32), ("plane", c.c_void_p * 3), ("stride", c.c_ssize_t * 3),
    )  # fmt: skip


class AudioRow(c.Structure):
    _fields_ = (
        ("struct_size", c.c_size_t), ("t_us", c.c_int64), ("format", c.c_int32), ("channels", c.c_int32),
        ("rate_hz", c.c_int32), ("samples", c.c_void_p), ("count", c.c_size_t),
    )  # fmt: skip


class Engine:
    """An engine whose programs are Python functions; ``asked``: what the core asked of each role, name and shape."""

    def __init__(self, name: str, version: str, programs: dict[str, Network]) -> None:
        self.asked: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]] = {}
        self._programs = programs
        self._roles: list[str] = []
        callbacks = (Load(self._load), Run(self._run), Close(lambda network: None))
        self.table = Table(c.sizeof(Table), name.encode(), version.encode(), None, *callbacks)

    def _load(self, _context, role, _program, inputs, input_count, outputs, output_count, network) -> int:  # noqa: ANN001
        name = role.decode()
        sides = [{row[i].name.decode(): row[i].sides() for i in range(n)}
                 for row, n in ((inputs, input_count), (outputs, output_count))]  # fmt: skip
        self.asked[name] = (sides[0], sides[1])
        if name not in self._programs:
            return ENGINE_ERROR
        self._roles.append(name)
        network[0] = len(self._roles)
        return OK

    def _run(self, network, inputs, outputs) -> int:  # noqa: ANN001
        role = self._roles[network - 1]
        into, out = (len(side) for side in self.asked[role])
        found = self._programs[role]({inputs[i].name.decode(): inputs[i].array() for i in range(into)})
        for i in range(out):
            outputs[i].array()[...] = found[outputs[i].name.decode()]
        return OK


class Core:
    """The library, with one model open. Raises ValueError with what avg_model_open says."""

    def __init__(self, library: Path, bundle: Path, engine: Engine) -> None:
        self._library = c.CDLL(str(library))
        self._bytes = {
            path.name: c.create_string_buffer(path.read_bytes(), path.stat().st_size)
            for path in sorted(bundle.iterdir())
        }
        rows = [File(name.encode(), c.addressof(data), len(data)) for name, data in self._bytes.items()]
        message = c.create_string_buffer(512)
        options = ModelOptions(c.sizeof(ModelOptions), FLOAT, c.pointer(engine.table), c.addressof(message), 512)
        self._model = c.c_void_p()
        self._keep = (engine, (File * len(rows))(*rows))
        status = self._library.avg_model_open(self._keep[1], len(rows), c.byref(options), c.byref(self._model))
        if status != OK:
            raise ValueError(message.value.decode())

    def session_bytes(self) -> int:
        """What a session takes; every program is loaded to find out."""
        size = c.c_size_t()
        self._call("avg_session_size", self._model, None, c.byref(size))
        return size.value

    def check(self, clip: Path) -> str:
        """The verdict's JSON of a clip that PyAV decodes."""
        session = c.c_void_p()
        memory = c.create_string_buffer(self.session_bytes())
        self._call("avg_session_init", memory, c.c_size_t(len(memory)), self._model, None, c.byref(session))
        with open_media(clip) as reader:
            for item in reader:
                if isinstance(item, Frame):
                    self._call("avg_session_push_frame", session, c.byref(frame_row(item)))
                else:
                    samples = np.ascontiguousarray(item.samples, np.float32)
                    said = (item.t_us, 0, 1, item.sample_rate_hz)
                    row = AudioRow(c.sizeof(AudioRow), *said, samples.ctypes.data, len(samples))
                    self._call("avg_session_push_audio", session, c.byref(row))
        # The JSON says it all; a zeroed block that is larger than the struct is a newer header's.
        verdict = (c.c_size_t * 64)()
        verdict[0] = c.sizeof(verdict)
        self._call("avg_session_finish", session, verdict)
        text, length = c.create_string_buffer(1 << 20), c.c_size_t()
        self._call("avg_session_json", session, text, c.c_size_t(1 << 20), c.byref(length))
        self._call("avg_session_close", session)
        return text.value.decode()

    def _call(self, name: str, *values: object) -> None:
        status = getattr(self._library, name)(*values)
        assert status == OK, f"{name} answered {status}"


def frame_row(item: Frame) -> FrameRow:
    assert item.format == "i420"
    flags = (MATRICES.index(item.matrix), int(item.full_range), int(item.mirrored), item.rotation_deg)
    row = FrameRow(c.sizeof(FrameRow), item.t_us, 0, *flags, item.width, item.height)
    for i, plane in enumerate(item.planes):
        row.plane[i], row.stride[i] = plane.ctypes.data, plane.strides[0]
    return row
