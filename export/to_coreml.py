# SPDX-License-Identifier: Apache-2.0
"""CoreML packages (``.mlpackage``, iOS 17 or later, one window a call): float32, float16, or int8 (W8A8).

The int8 form comes from the graph that the int8 .pte comes from (``avguard.train.quantize``). A package is a folder;
here it is a dictionary of its files, to be compared and hashed whole: the same program gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from avguard.errors import ModelError
from avguard.train.graph import trace
from export.interface import Interface
from export.quiet import quiet

MODEL_FILE = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS_FILE = "Data/com.apple.CoreML/weights/weight.bin"
MANIFEST_FILE = "Manifest.json"
PRECISIONS = ("float32", "float16")

Package = dict[str, bytes]
"""A package's files by their path in it, with / between folders."""


def export_coreml(program: ExportedProgram, interface: Interface, precision: str = "float32") -> Package:
    """A traced program of one window, float or fake-quantised, as a package.

    ``precision``: of weights and arithmetic of float layers; inputs and outputs are float32 always. Raises ModelError
    when CoreML has no form of an operation.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"CoreML precision {precision!r} is not one of {', '.join(PRECISIONS)}.")
    with quiet():
        import coremltools as ct

        try:
            model = _converted(ct, program, interface, precision)
        except (NotImplementedError, ValueError) as error:
            raise ModelError(f"{interface.model_id} does not convert to CoreML: {error}") from error
        _describe(model, interface)
        with tempfile.TemporaryDirectory() as folder:
            model.save(f"{folder}/model.mlpackage")
            package = _read(Path(folder) / "model.mlpackage")
    return package


def export_joint_coreml(graph: nn.Module, interface: Interface, precision: str = "float32") -> Package:
    """The joint model (see ``deployable``) or its int8 graph (see ``quantized``) as a package. Raises ModelError."""
    with torch.no_grad():
        return export_coreml(trace(graph), interface, precision)


def write_package(package: Package, path: Path) -> None:
    """Write the files of ``package`` below ``path``, which is made and must end in ``.mlpackage``."""
    for name, data in package.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def in_folder(folder: str, package: Package) -> Package:
    """The files of a package below ``folder``."""
    return {f"{folder}/{name}": data for name, data in package.items()}


def _converted(ct: Any, program: ExportedProgram, interface: Interface, precision: str) -> Any:  # noqa: ANN401 - untyped
    return ct.convert(
        # The converter knows the core operators only.
        program.run_decompositions({}),
        inputs=[ct.TensorType(name, (1, *shape), np.float32) for name, shape in interface.inputs.items()],
        outputs=[ct.TensorType(name, dtype=np.float32) for name in interface.outputs],
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=getattr(ct.precision, precision.upper()),
        skip_model_load=True,
    )


def _describe(model: Any, interface: Interface) -> None:  # noqa: ANN401 - untyped library
    said = interface.metadata()
    model.short_description = f"{interface.model_id}, part of avguard"
    model.version = said["model_version"]
    model.author = "avguard"
    model.license = said.get("license_weights", "")
    for name in interface.inputs:
        model.input_description[name] = interface.describe(name)
    for name in interface.outputs:
        model.output_description[name] = interface.describe(name)
    model.user_defined_metadata.update(said)


def _read(folder: Path) -> Package:
    """The files that make a package; the converter's notes for debuggers are left behind."""
    model = _canonical((folder / MODEL_FILE).read_bytes())
    # A program without large constants has none.
    weights = (folder / WEIGHTS_FILE).read_bytes() if (folder / WEIGHTS_FILE).is_file() else b""
    return {MANIFEST_FILE: _manifest(model, weights), MODEL_FILE: model, WEIGHTS_FILE: weights}


def _canonical(data: bytes) -> bytes:
    """The same model with its maps in one order, and without the date of conversion."""
    from coremltools.proto import Model_pb2

    model = Model_pb2.Model.FromString(data)
    said = model.description.metadata.userDefined
    for key in [key for key in said if key.startswith("com.github.apple.coremltools.") and not key.endswith("version")]:
        del said[key]
    return bytes(model.SerializeToString(deterministic=True))


def _manifest(model: bytes, weights: bytes) -> bytes:
    """Manifest.json as CoreML writes it, but with identifiers that follow from the contents instead of random ones."""
    entries = {}
    for name, path, description, data in (
        ("model.mlmodel", "com.apple.CoreML/model.mlmodel", "CoreML Model Specification", model),
        ("weights", "com.apple.CoreML/weights", "CoreML Model Weights", weights),
    ):
        number = str(uuid.UUID(bytes=hashlib.sha256(name.encode() + data).digest()[:16], version=5))
        entries[number] = {"author": "com.apple.CoreML", "description": description, "name": name, "path": path}
    root = next(number for number, entry in entries.items() if entry["name"] == "model.mlmodel")
    raw = {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": root}
    return (json.dumps(raw, indent=4, sort_keys=True) + "\n").encode()
