# SPDX-License-Identifier: Apache-2.0
"""Folders of ONNX and CoreML artefacts: ``artefacts.json`` beside them names each file's sha256; all are verified here.

What an artefact says of itself is read from its own bytes by a small reader of protobuf's wire format, so that neither
onnx nor coremltools is needed to refuse one. Formats: onnx.proto3 (ModelProto.metadata_props) and CoreML's Model.proto
(Model.description.metadata.userDefined).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from avguard.errors import ModelError
from avguard.spec import load_spec

NAME = "artefacts.json"
FORMAT = 1
MAX_BYTES = 256 * 1024
MAX_FILE_BYTES = 64 * 1024 * 1024
KEYS = ("format", "id", "spec_hash", "files", "license_code", "license_weights", "license_data")
METADATA = (
    "model_id",
    "model_name",
    "model_version",
    "spec_hash",
    "spec_json",
    "input_names",
    "output_names",
    "license_weights",
)
"""What every artefact must say of itself."""
NOTICE = "NOTICE.md"
COREML_MODEL = "Data/com.apple.CoreML/model.mlmodel"

# Field numbers on the way to the (key, value) pairs, and to the names of the model's own inputs and outputs.
_ONNX_PATH, _ONNX_PORTS = (14,), {"input_names": (7, 11, 1), "output_names": (7, 12, 1)}
_COREML_PATH, _COREML_PORTS = (2, 100, 100), {"input_names": (2, 1, 1), "output_names": (2, 10, 1)}


def is_artefacts(folder: Path) -> bool:
    """Whether ``folder`` says that it holds artefacts."""
    return (folder / NAME).is_file()


def load_artefacts(folder: Path) -> dict[str, Any]:
    """``artefacts.json``, its structure checked. Raises ModelError."""
    try:
        with (folder / NAME).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        raw = json.loads(data) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{NAME} in {folder.name} cannot be read ({error}). Export the artefacts again.") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ModelError(f"{NAME} is not one of format {FORMAT}. Export the artefacts with this version of avguard.")
    missing = [key for key in KEYS if key not in raw]
    if missing:
        raise ModelError(f"{NAME} lacks {', '.join(missing)}. Export the artefacts again.")
    names = raw["files"]
    if not isinstance(names, dict) or not all(isinstance(digest, str) for digest in names.values()):
        raise ModelError(f"{NAME}: files must map names to sha256. Export the artefacts again.")
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or name != str(path):
            raise ModelError(f"{NAME} names {name!r}, which may lead out of the folder.")
    return raw


def problems_of(folder: Path) -> list[str]:
    """Everything that is wrong with the artefacts in ``folder``, each by name; empty when all is well."""
    try:
        raw = load_artefacts(folder)
    except ModelError as error:
        return [str(error)]
    found = _spec_problem(NAME, raw["spec_hash"])
    for name, digest in sorted(raw["files"].items()):
        found += _file_problems(folder, name, digest, raw)
    listed = set(raw["files"]) | {NAME}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    found += [f"{name} is not named in {NAME}. Remove it or export again." for name in sorted(present - listed)]
    return found


def _file_problems(folder: Path, name: str, digest: str, raw: dict[str, Any]) -> list[str]:
    path = folder / name
    if any(part.is_symlink() for part in (path, *path.parents) if folder in part.parents):
        return [f"{name} is a link; plain files only. Export the artefacts again."]
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return [f"{name} cannot be read ({error.strerror}). Export the artefacts again."]
    if len(data) > MAX_FILE_BYTES:
        return [f"{name} is larger than {MAX_FILE_BYTES} bytes. Export the artefacts again."]
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        return [f"{name} was altered: sha256 {found}, {NAME} says {digest}. Export the artefacts again."]
    if not name.endswith((".onnx", f".mlpackage/{COREML_MODEL}")):
        return []
    return _metadata_problems(name, data, raw, _notice(folder))


def _notice(folder: Path) -> str:
    try:
        with (folder / NOTICE).open(encoding="utf-8") as file:
            return file.read(MAX_BYTES)
    except (OSError, ValueError):
        return ""


def _metadata_problems(name: str, data: bytes, raw: dict[str, Any], notice: str) -> list[str]:
    try:
        said, ports = metadata_of(name, data), ports_of(name, data)
    except ModelError as error:
        return [str(error)]
    missing = [key for key in METADATA if not said.get(key)]
    if missing:
        return [f"{name} lacks the metadata {', '.join(missing)}. Export it again."]
    found = _spec_problem(name, said["spec_hash"])
    text = hashlib.sha256(said["spec_json"].encode()).hexdigest()
    if text != said["spec_hash"]:
        found.append(f"{name} carries a spec_json that hashes to {text}, not to its spec_hash {said['spec_hash']}.")
    for key, wanted in ports.items():
        if said[key] != wanted:
            found.append(f"{name} says the {key} {said[key]}, but has {wanted}. Export it again.")
    if f"{said['model_name']}@{said['model_version']}" != said["model_id"]:
        found.append(f"{name} has a model_name and model_version that are not those of its model_id. Export it again.")
    # Face models have ids and licences of their own, and a source; the joint model's are the folder's.
    if any(part.startswith("joint") for part in PurePosixPath(name).parts):
        return found + _folder_problems(name, said, raw)
    return found + origin_problems(name, said.get("source", ""), notice)


def _folder_problems(name: str, said: dict[str, str], raw: dict[str, Any]) -> list[str]:
    found = []
    if said["model_id"] != raw["id"]:
        found.append(f"{name} is {said['model_id']}, the folder is {raw['id']}. Export the artefacts together.")
    for key in ("license_code", "license_weights", "license_data"):
        if said.get(key) != raw[key]:
            found.append(f"{name} has another {key} than {NAME}. Export the artefacts together.")
    return found


def origin_problems(name: str, source: str, notice: str) -> list[str]:
    """What is wrong with the ``source`` of a converted model: ``notice`` must name its file and sha256 in one line."""
    try:
        said = json.loads(source)
        row = f"{said['file']}`", f"`{said['sha256']}`", said["licence"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return [f"{name} has no source that names file, sha256 and licence. Export it again."]
    if any(all(part in line for part in row[:2]) for line in notice.splitlines()) and row[2]:
        return []
    return [f"{name} has the source {said['file']}, sha256 {said['sha256']}, which {NOTICE} does not name."]


def _spec_problem(name: str, found: object) -> list[str]:
    wanted = load_spec().hash
    if found == wanted:
        return []
    return [f"{name} was made for spec {found}, this build needs {wanted}. Export it with this version of avguard."]


def metadata_of(name: str, data: bytes) -> dict[str, str]:
    """What an ``.onnx`` file or a package's ``model.mlmodel`` says of itself. Raises ModelError on other bytes."""
    path = _ONNX_PATH if name.endswith(".onnx") else _COREML_PATH
    with _format_of(name):
        pairs = [dict(_fields(entry)) for entry in _at(data, path)]
        return {pair[1].decode(): pair.get(2, b"").decode() for pair in pairs}


def ports_of(name: str, data: bytes) -> dict[str, str]:
    """``input_names`` and ``output_names`` as the model itself has them, by comma. Raises ModelError on other bytes."""
    paths = _ONNX_PORTS if name.endswith(".onnx") else _COREML_PORTS
    with _format_of(name):
        return {key: ",".join(port.decode() for port in _at(data, path)) for key, path in paths.items()}


@contextmanager
def _format_of(name: str) -> Iterator[None]:
    try:
        yield
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise ModelError(f"{name} is not a model in the format that its name says. Export it again.") from error


def _at(data: bytes, path: tuple[int, ...]) -> Iterator[bytes]:
    for number, value in _fields(data):
        if number == path[0]:
            yield from _at(value, path[1:]) if len(path) > 1 else [value]


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of every length-delimited field of one message. Raises IndexError when it is none."""
    view, at = memoryview(data), 0
    while at < len(view):
        key, at = _varint(view, at)
        kind = key & 7
        if kind == 0:
            _, at = _varint(view, at)
            continue
        if kind == 2:
            size, at = _varint(view, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise IndexError(f"wire type {kind}")
        if at + size > len(view):
            raise IndexError("cut short")
        if kind == 2:
            yield key >> 3, bytes(view[at : at + size])
        at += size


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise IndexError("no number")
