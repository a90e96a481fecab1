# SPDX-License-Identifier: Apache-2.0
"""Turn MediaPipe's face detector and face mesh (TFLite, fp16 weights) into ExecuTorch programs for XNNPACK.

``python -m export.faces --wheel mediapipe.whl --out DIR`` writes ``face_detector.pte`` and ``face_mesh.pte``.
``--golden FILE`` also runs the original TFLite models (needs ``ai-edge-litert`` and ``scikit-image``), compares the
programs with them and writes small reference values; ``--latency`` times the programs on one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from avguard.spec import load_spec
from export.interface import Interface
from export.parity import Judge, Line, as_windows, of_onnx, of_package, table
from export.seal import seal
from export.tflite_port import Graph, Port
from export.to_coreml import export_coreml, in_folder, write_package
from export.to_onnx import export_onnx

LICENCE = "Apache-2.0, Copyright The MediaPipe Authors (Google)"


@dataclass(frozen=True)
class Source:
    """One model of the wheel: where it lies, what it must hash to, and the side of its square input in pixels."""

    name: str
    path: str
    sha256: str
    side_px: int


DETECTOR = Source(
    "face_detector",
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    load_spec().face.detector_px,
)
MESH = Source(
    "face_mesh",
    "mediapipe/modules/face_landmark/face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    load_spec().face.mesh_px,
)
SOURCES = (DETECTOR, MESH)


def read_tflite(wheel: Path, source: Source) -> bytes:
    """The bytes of one model in the wheel. Raises ValueError when they are not the pinned ones."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(source.path)
    found = hashlib.sha256(data).hexdigest()
    if found != source.sha256:
        raise ValueError(f"{source.path} in {wheel} hashes to {found}, not {source.sha256}: use the named wheel")
    return data


OUTPUT_NAMES = {"face_detector": ("regressors", "scores"), "face_mesh": ("landmarks", "flag")}
OUTPUT_SHAPES = {"face_detector": ((1, 896, 16), (1, 896)), "face_mesh": ((1, 468, 3), (1, 1))}


def build_port(wheel: Path, source: Source) -> Port:
    """The torch port of one model of the wheel, in eval mode."""
    return Port(Graph(read_tflite(wheel, source)), OUTPUT_SHAPES[source.name]).eval()


def constant_methods(source: Source) -> dict[str, str]:
    """What every shipped program says about itself."""
    spec = load_spec()
    origin = {"file": source.path.rsplit("/", 1)[1], "sha256": source.sha256, "licence": LICENCE}
    return {"spec_hash": spec.hash, "spec_json": spec.text, "source": json.dumps(origin, sort_keys=True)}


def lower(port: nn.Module, source: Source) -> bytes:
    """The port as a sealed ExecuTorch program. Raises ValueError unless all of it sits in one XNNPACK delegate."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    # XNNPACK computes with the channels of a pixel side by side: planes it would turn round in every run.
    example = (torch.zeros(1, 3, source.side_px, source.side_px).contiguous(memory_format=torch.channels_last),)
    exported = torch.export.export(port, example, strict=False)
    edge = to_edge_transform_and_lower(
        exported, partitioner=[XnnpackPartitioner()], constant_methods=constant_methods(source)
    )
    calls = [str(node.target) for node in edge.exported_program().graph.nodes if node.op == "call_function"]
    left = [name for name in calls if "getitem" not in name]
    if left != ["executorch_call_delegate"]:
        raise ValueError(f"{source.name}: not one delegate but {left}")
    return seal(bytes(edge.to_executorch().buffer))


def export_all(wheel: Path, out: Path) -> dict[str, int]:
    """Write both programs to ``out``; returns their sizes in bytes."""
    out.mkdir(parents=True, exist_ok=True)
    sizes = {}
    for source in SOURCES:
        data = lower(build_port(wheel, source), source)
        (out / f"{source.name}.pte").write_bytes(data)
        sizes[source.name] = len(data)
    return sizes


def interface_of(source: Source) -> Interface:
    """One picture in, the two outputs that the session decodes."""
    outputs = dict(zip(OUTPUT_NAMES[source.name], (shape[1:] for shape in OUTPUT_SHAPES[source.name]), strict=True))
    said = {"source": constant_methods(source)["source"], "license_weights": LICENCE}
    return Interface({"image": (3, source.side_px, source.side_px)}, outputs, f"{source.name}@1", said)


def face_targets(wheel: Path, lines: list[Line], count: int = 4) -> dict[str, bytes]:
    """Both models for onnxruntime and CoreML by path; their parity with torch on ``count`` pictures goes to ``lines``.

    Raises ModelError past tolerance.
    """
    files: dict[str, bytes] = {}
    for source in SOURCES:
        port, interface = build_port(wheel, source), interface_of(source)
        program = torch.export.export(port, pictures(source, 1), strict=False)
        judge = Judge(port, None, as_windows(pictures(source, count), ["image"]))
        data = export_onnx(program, interface)
        judge.judge(f"onnx/{source.name}.onnx, onnxruntime", "float", of_onnx(data))
        package = export_coreml(program, interface, "float16")
        judge.judge(f"coreml/{source.name}.mlpackage, interpreter", "half", of_package(package))
        files |= {f"onnx/{source.name}.onnx": data, **in_folder(f"coreml/{source.name}.mlpackage", package)}
        lines += judge.lines
    return files


def pictures(source: Source, count: int) -> tuple[Tensor]:
    """Smooth random pictures in the range that the model takes: (count, 3, side, side)."""
    low = -1.0 if source is DETECTOR else 0.0
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * (1 - low) + low
    size = (source.side_px, source.side_px)
    return (torch.nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=True),)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="mediapipe-0.10.21-*.whl")
    parser.add_argument("--out", type=Path, required=True, help="directory for the two .pte files")
    parser.add_argument("--golden", type=Path, help="compare with the original models and write their outputs here")
    parser.add_argument("--targets", type=Path, help="write ONNX and CoreML forms below this folder too")
    parser.add_argument("--latency", action="store_true", help="time both programs on one thread")
    args = parser.parse_args()
    for name, size in export_all(args.wheel, args.out).items():
        print(f"{name}.pte {size} bytes")
    if args.targets:
        lines: list[Line] = []
        files = face_targets(args.wheel, lines)
        write_package(files, args.targets)
        print(table(lines))
    if not (args.golden or args.latency):
        return
    from export import faces_reference as reference

    programs = {source.name: (args.out / f"{source.name}.pte").read_bytes() for source in SOURCES}
    if args.golden:
        originals = {source.name: read_tflite(args.wheel, source) for source in SOURCES}
        for line in reference.write_golden(originals, programs, args.golden):
            print(line)
    if args.latency:
        for source in SOURCES:
            latency_us = reference.latency_us(programs[source.name], source.side_px)
            print(f"{source.name}: {latency_us} us (min of 50 runs, one thread)")


if __name__ == "__main__":
    main()
