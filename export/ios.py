# SPDX-License-Identifier: Apache-2.0
"""The bundle for mobile_demo/ios: CoreML packages from the shipped checkpoint, flattened, and a manifest.

``python -m export.ios --wheel mediapipe.whl --out DIR``. A package is a folder of three files; a bundle has no folders,
so each file lies under its role, such as ``joint_float.model.mlmodel``, and avguard verifies all of them.
Float32 throughout: rounded to float16 the joint model moves by about as much as its self-test allows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from avguard.train.checkpoint import load_checkpoint
from avguard.train.graph import deployable
from export.faces import SOURCES, build_port, interface_of, pictures
from export.host_bundle import write_bundle
from export.interface import joint_interface
from export.quiet import quiet
from export.to_coreml import MANIFEST_FILE, MODEL_FILE, WEIGHTS_FILE, Package, export_coreml, export_joint_coreml
from export.versions import MODEL_ID

RUNTIME = {"coreml": "8"}
"""CoreML's specification, as iOS 17 reads it."""
PARTS = {path.rsplit("/", 1)[-1]: path for path in (MANIFEST_FILE, MODEL_FILE, WEIGHTS_FILE)}
"""A package's files: name in the bundle, behind the role, and path in the package."""
PROGRAM = MODEL_FILE.rsplit("/", 1)[-1]
"""Which of them the manifest calls the program."""


def packages(checkpoint: Path, wheel: Path) -> dict[str, Package]:
    """The three packages by role."""
    joint = export_joint_coreml(deployable(load_checkpoint(checkpoint)), joint_interface(MODEL_ID))
    found = {"joint_float": joint}
    for source in SOURCES:
        with quiet():
            program = torch.export.export(build_port(wheel, source), pictures(source, 1), strict=False)
        found[source.name] = export_coreml(program, interface_of(source))
    return found


def flat(packages: dict[str, Package]) -> dict[str, bytes]:
    """The packages' files by their names in the bundle."""
    return {
        f"{role}.{name}": package[path] for role, package in packages.items() for name, path in PARTS.items()
    }  # fmt: skip


def write(checkpoint: Path, wheel: Path, out: Path) -> None:
    """Write the bundle. Raises ModelError."""
    found = packages(checkpoint, wheel)
    write_bundle(out, flat(found), RUNTIME, {role: f"{role}.{PROGRAM}" for role in found})


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m export.ios", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("export/checkpoints/joint.pt"))
    parser.add_argument("--wheel", type=Path, required=True, help="mediapipe-0.10.21-*.whl")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write(args.checkpoint, args.wheel, args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
