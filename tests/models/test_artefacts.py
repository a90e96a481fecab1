# SPDX-License-Identifier: Apache-2.0
"""ONNX and CoreML artefacts: a flipped byte, another spec or a missing key is refused by name, by us alone."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avguard.errors import ModelError
from avguard.models import artefacts
from avguard.spec import load_spec

ID = "test-joint@1"
ONNX = "onnx/joint_fp32.onnx"
COREML = f"coreml/joint_fp16.mlpackage/{artefacts.COREML_MODEL}"
WEIGHTS = "coreml/joint_fp16.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
FACE = "onnx/face_mesh.onnx"
LICENCES = {"license_code": "a", "license_weights": "b", "license_data": "c"}
DIGEST = "0123456789abcdef" * 4
NOTICE = f"| `face.tflite` (a mesh) | `{DIGEST}` |\n| `other.tflite` | `{'0' * 64}` |\n"


def said(**changed: str) -> dict[str, str]:
    spec = load_spec()
    right = {"model_id": ID, "model_name": "test-joint", "model_version": "1", "spec_hash": spec.hash}
    return right | {"spec_json": spec.text, "input_names": "a,c", "output_names": "b", **LICENCES} | changed


def said_of_face(**changed: str) -> dict[str, str]:
    source = {"file": "face.tflite", "sha256": DIGEST, "licence": "Apache-2.0"}
    ours = said(model_id="face_mesh@1", model_name="face_mesh", license_weights="others", source=json.dumps(source))
    return {key: value for key, value in ours.items() if key not in ("license_code", "license_data")} | changed


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def pairs(values: dict[str, str], number: int) -> bytes:
    return b"".join(field(number, field(1, k.encode()) + field(2, v.encode())) for k, v in values.items())


def onnx_bytes(values: dict[str, str]) -> bytes:
    """A ModelProto: ir_version 10, a graph of a name, two inputs and an output, metadata."""
    ports = [field(11, field(1, b"a")), field(11, field(1, b"c")), field(12, field(1, b"b"))]
    return varint(1 << 3) + varint(10) + field(7, field(2, b"graph" * 99) + b"".join(ports)) + pairs(values, 14)


PORTS = ((1, field(1, b"a")), (1, field(1, b"c")), (10, field(1, b"b")))


def coreml_bytes(values: dict[str, str]) -> bytes:
    """A Model: specificationVersion 8, a description that holds the metadata, the program."""
    return (
        varint(1 << 3)
        + varint(8)
        + field(2, b"".join(field(*port) for port in PORTS) + field(100, pairs(values, 100)))
        + field(502, b"x")
    )


def made(folder: Path, **files: bytes) -> Path:
    """A folder of five files, and its manifest with their true hashes; ``files`` by constant's name."""
    contents = {ONNX: onnx_bytes(said()), COREML: coreml_bytes(said()), WEIGHTS: bytes(range(256))}
    contents |= {FACE: onnx_bytes(said_of_face()), artefacts.NOTICE: NOTICE.encode()}
    contents |= {globals()[name]: data for name, data in files.items()}
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    raw = {
        "format": artefacts.FORMAT, "id": ID, "spec_hash": load_spec().hash,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
        **LICENCES,
    }  # fmt: skip
    (folder / artefacts.NAME).write_text(json.dumps(raw))
    return folder


def change(folder: Path, act: Callable[[dict[str, Any]], object]) -> Path:
    raw = json.loads((folder / artefacts.NAME).read_text())
    act(raw)
    (folder / artefacts.NAME).write_text(json.dumps(raw))
    return folder


def test_a_sound_folder_has_no_problems(tmp_path: Path) -> None:
    assert not artefacts.is_artefacts(tmp_path)
    assert artefacts.problems_of(made(tmp_path)) == []
    assert artefacts.is_artefacts(tmp_path)


@pytest.mark.parametrize("name", [ONNX, COREML, WEIGHTS])
def test_a_flipped_byte_is_named(tmp_path: Path, name: str) -> None:
    path = made(tmp_path) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (problem,) = artefacts.problems_of(tmp_path)
    assert problem.startswith(f"{name} was altered: sha256 ")
    path.unlink()
    (problem,) = artefacts.problems_of(tmp_path)
    assert problem.startswith(f"{name} cannot be read")


MAKERS = {"ONNX": (onnx_bytes, said), "COREML": (coreml_bytes, said), "FACE": (onnx_bytes, said_of_face)}
CASES = [(kind, key) for kind, (_, right) in MAKERS.items() for key in right()]


@pytest.mark.parametrize(("kind", "key"), CASES)
def test_every_key_counts(tmp_path: Path, kind: str, key: str) -> None:
    """Left out, emptied or changed, with the file's true sha256 in the manifest: the file and the key are named."""
    make, right = MAKERS[kind]
    without, name = {k: v for k, v in right().items() if k != key}, globals()[kind]
    # The licence of a face model is its own: there is nothing to compare it with, so only that it is there counts.
    others = [""] if (kind, key) == ("FACE", "license_weights") else ["", right()[key][:-1] + "?"]
    for values in (without, *(without | {key: other} for other in others)):
        problems = artefacts.problems_of(made(tmp_path, **{kind: make(values)}))
        assert problems
        assert all(problem.startswith(f"{name} ") for problem in problems)
        assert any(key.replace("spec_hash", "spec") in problem for problem in problems)


@pytest.mark.parametrize("kind", ["ONNX", "COREML"])
def test_another_spec_is_named_with_both_hashes(tmp_path: Path, kind: str) -> None:
    other = hashlib.sha256(b"{}").hexdigest()
    data = MAKERS[kind][0](said(spec_hash=other, spec_json="{}"))
    (problem,) = artefacts.problems_of(made(tmp_path, **{kind: data}))
    assert problem.startswith(f"{globals()[kind]} was made for spec {other}")
    assert load_spec().hash in problem


@pytest.mark.parametrize("kind", ["ONNX", "COREML"])
def test_a_spec_that_is_not_the_hashed_one_and_another_model_are_named(tmp_path: Path, kind: str) -> None:
    values = said(spec_json=load_spec().text.replace("16000", "8000"), model_id="other@1", model_name="other")
    spec, model = artefacts.problems_of(made(tmp_path, **{kind: MAKERS[kind][0](values)}))
    assert "carries a spec_json that hashes to" in spec
    assert f"is other@1, the folder is {ID}" in model


@pytest.mark.parametrize("data", [b"\x0a", b"\x0f", b"\xff" * 20, field(14, b"\x0a\x05ab"), field(14, field(2, b"v"))])
def test_bytes_that_are_no_model_are_named(tmp_path: Path, data: bytes) -> None:
    (problem,) = artefacts.problems_of(made(tmp_path, ONNX=data))
    assert problem.startswith(f"{ONNX} is not a model in the format")


@pytest.mark.parametrize("kind", MAKERS)
def test_spoilt_bytes_are_read_or_refused_whatever_their_hash(kind: str) -> None:
    """500 flipped bytes and 50 cuts: what the artefact says, or ModelError; never another error."""
    make, right = MAKERS[kind]
    data, name = make(right()), globals()[kind]
    whole = artefacts.metadata_of(name, data), artefacts.ports_of(name, data)
    generator, refused, changed = random.Random(kind), 0, 0
    spoilt = [bytearray(data) for _ in range(500)] + [bytearray(data[: len(data) * k // 50]) for k in range(50)]
    for broken in spoilt[:500]:
        broken[generator.randrange(len(broken))] ^= generator.randrange(1, 256)
    for broken in map(bytes, spoilt):
        try:
            changed += (artefacts.metadata_of(name, broken), artefacts.ports_of(name, broken)) != whole
        except ModelError:
            refused += 1
    assert refused > 50
    assert refused + changed > 400


@pytest.mark.parametrize("source", ["", "x", "[]", "{}", "[" * 9999, '{"file": 1, "sha256": 2, "licence": ""}'])
def test_a_source_that_makes_no_sense_is_named(source: str) -> None:
    assert artefacts.origin_problems("face.onnx", source, NOTICE)[0].startswith("face.onnx has ")


def test_a_source_of_another_row_is_named() -> None:
    swapped = json.dumps({"file": "face.tflite", "sha256": "0" * 64, "licence": "Apache-2.0"})
    assert "NOTICE.md does not name" in artefacts.origin_problems("face.onnx", swapped, NOTICE)[0]


def test_strays_and_links_are_named(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "onnx" / "more").write_bytes(b"")
    (tmp_path / ONNX).rename(tmp_path.parent / "kept.onnx")
    (tmp_path / ONNX).symlink_to(tmp_path.parent / "kept.onnx")
    problems = artefacts.problems_of(tmp_path)
    assert any(problem.startswith(f"{ONNX} is a link") for problem in problems)
    assert any(problem.startswith("onnx/more is not named") for problem in problems)


def test_the_manifest_itself(tmp_path: Path) -> None:
    made(tmp_path)
    for key in artefacts.KEYS[1:]:
        kept = (tmp_path / artefacts.NAME).read_text()
        (problem,) = artefacts.problems_of(change(tmp_path, lambda raw, k=key: raw.pop(k)))
        assert problem.startswith(f"artefacts.json lacks {key}.")
        (tmp_path / artefacts.NAME).write_text(kept)
    change(tmp_path, lambda raw: raw.update(spec_hash="0" * 64))
    assert artefacts.problems_of(tmp_path)[0].startswith("artefacts.json was made for spec 000")
    for name in ("../out", "/etc/passwd", "a//b", "a\\b"):
        change(tmp_path, lambda raw, n=name: raw["files"].update({n: ""}))
        with pytest.raises(ModelError, match="may lead out of the folder"):
            artefacts.load_artefacts(tmp_path)
        change(tmp_path, lambda raw, n=name: raw["files"].pop(n))
    for text in ("", "[]", '{"format": 9}', "[" * 99999):
        (tmp_path / artefacts.NAME).write_text(text)
        assert len(artefacts.problems_of(tmp_path)) == 1
