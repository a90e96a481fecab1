# SPDX-License-Identifier: Apache-2.0
"""The same program in fewer bytes: what XNNPACK reads of a ``.pte`` stays as it is, what nobody reads is not stored.

ExecuTorch stores each constant of the delegate apart, under a key of 64 digits that stands in the file twice, at a
multiple of 128 bytes. Here they lie in the delegate's own blob one after the other, which the runtime reads as well
(ConstantDataOffset in XNNPACK's schema.fbs). The scales of a bias follow from those of input and weight; XNNPACK only
looks whether they are positive, so that a bias points to the scales of its weight.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import flatbuffers
from executorch.backends.xnnpack import serialization
from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
from executorch.exir._serialize import _deserialize_pte_binary, _serialize_pte_binary
from executorch.exir._serialize._flatbuffer import _run_flatc

from avguard.errors import ModelError

# As ExecuTorch aligns constants in the blob; kernels may read as far past the end of one (XNN_EXTRA_BYTES).
ALIGNMENT = 16
CREATORS = {"XNNQuantParams": "XnnquantParams", "XNodeUnion": "XnodeUnion", "XValueUnion": "XvalueUnion"}
Constant = Callable[[str], bytes]


def compact(program: bytes) -> bytes:
    """``program`` with the constants inside its one XNNPACK delegate. Raises ModelError when it is not such a one."""
    file = _deserialize_pte_binary(program)
    delegates = [delegate.id for plan in file.program.execution_plan for delegate in plan.delegates]
    if delegates != ["XnnpackBackend"]:
        raise ModelError(f"only a program of one XNNPACK delegate can be made compact, this one has {delegates}")
    (inline,) = file.program.backend_delegate_data
    named = file.named_data

    def constant(key: str) -> bytes:
        assert named is not None
        return bytes(named.buffers[named.pte_data[key].buffer_index])

    inline.data = _compact_blob(bytes(inline.data), constant)
    file.named_data = None
    return bytes(_serialize_pte_binary(file, extract_delegate_segments=True, segment_alignment=ALIGNMENT))


def _compact_blob(blob: bytes, constant: Constant) -> bytes:
    header = XNNHeader.from_bytes(blob[: XNNHeader.EXPECTED_LENGTH])
    if not header.is_valid():
        raise ModelError("the delegate's blob has no header that this release of ExecuTorch writes")
    schema = _schema()
    graph = schema.XNNGraphT.InitFromPackedBuf(blob, header.flatbuffer_offset)
    _share_scales(graph)
    inside = blob[header.constant_data_offset :]
    data = _gathered(graph, lambda entry: _bytes_of(entry, inside, constant))
    builder = _SharingBuilder(len(blob))
    builder.Finish(graph.Pack(builder), b"XN01")
    packed = bytes(builder.Output())
    start, size = _aligned(XNNHeader.EXPECTED_LENGTH), _aligned(len(packed))
    head = XNNHeader(start, len(packed), start + size, len(data)).to_bytes()
    return head.ljust(start, b"\0") + packed.ljust(size, b"\0") + data


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc] - untyped library
    """Writes a vector of numbers once, however often it is asked for: most tensors have a shape that others have."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._known: dict[bytes, int] = {}
        # Size of the vector that is being written while it holds numbers only; offsets mean another thing elsewhere.
        self._size, self._before = 0, 0

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:
        self._size, self._before = elemSize * numElems + 4, self.Offset()
        return int(super().StartVector(elemSize, numElems, alignment))

    def PrependUOffsetTRelative(self, off: int) -> None:
        self._size = 0
        super().PrependUOffsetTRelative(off)

    def EndVector(self, *count: int) -> int:
        end, size, self._size = int(super().EndVector(*count)), self._size, 0
        if not size:
            return end
        known = self._known.setdefault(bytes(self.Bytes[self.Head() : self.Head() + size]), end)
        if known != end:
            self.head += end - self._before
        return known


@cache
def _schema() -> ModuleType:
    """Bindings of the installed schema, by ExecuTorch's own flatc. (Its JSON would round floats to six digits.)"""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "schema.fbs"
        source.write_bytes(importlib.resources.files(serialization).joinpath("schema.fbs").read_bytes())
        _run_flatc(["--python", "--gen-object-api", "--gen-onefile", "-o", folder, str(source)])
        found = importlib.util.spec_from_file_location("xnnpack_schema", Path(folder) / "schema_generated.py")
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
    # flatc calls these three by another case than it writes.
    for name, written in CREATORS.items():
        setattr(module, f"{name}Creator", getattr(module, f"{written}Creator"))
    return module


def _share_scales(graph: Any) -> None:  # noqa: ANN401 - generated class
    """Let every bias of a convolution name the scales of its weight, where they are as many."""
    values = {_tensor(value).idOut: value for value in graph.xvalues}
    for node in (node.xnodeUnion for node in graph.xnodes):
        if not hasattr(node, "filterId"):
            continue
        weight, bias = (_per_channel(values.get(number)) for number in (node.filterId, node.biasId))
        if weight is not None and bias is not None and weight.numScales == bias.numScales:
            bias.scaleBufferIdx = weight.scaleBufferIdx


def _tensor(value: Any) -> Any:  # noqa: ANN401 - generated class
    return getattr(value.xvalueUnion, "tensorValue", value.xvalueUnion)


def _per_channel(value: Any) -> Any:  # noqa: ANN401 - generated class
    params = getattr(value.xvalueUnion, "quantParams", None) if value is not None else None
    return params if getattr(params, "scaleBufferIdx", 0) else None


def _gathered(graph: Any, read: Callable[[Any], bytes]) -> bytes:  # noqa: ANN401 - generated class
    """Bytes of the constants that are still named, each once; ``graph`` points into them by offset."""
    kept, numbers, out = [graph.constantData[0]], {0: 0}, bytearray()
    at: dict[bytes, int] = {}
    for holder, name in _references(graph):
        number = getattr(holder, name)
        if number not in numbers:
            entry = graph.constantData[number]
            data = read(entry)
            if data not in at:
                at[data] = len(out)
                out += data.ljust(_aligned(len(data)), b"\0")
            entry.offset, entry.namedKey = at[data], None
            numbers[number] = len(kept)
            kept.append(entry)
        setattr(holder, name, numbers[number])
    graph.constantData = kept
    return bytes(out) + bytes(ALIGNMENT)


def _references(graph: Any) -> Iterator[tuple[Any, str]]:  # noqa: ANN401 - generated class
    """Every (table, field) that names a constant by its number."""
    for value in graph.xvalues:
        yield _tensor(value), "constantBufferIdx"
        if _per_channel(value) is not None:
            yield value.xvalueUnion.quantParams, "scaleBufferIdx"


def _bytes_of(entry: Any, inside: bytes, constant: Constant) -> bytes:  # noqa: ANN401 - generated class
    if entry.namedKey:
        return constant(entry.namedKey.decode())
    return inside[entry.offset : entry.offset + entry.size]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
