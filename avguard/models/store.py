# SPDX-License-Identifier: Apache-2.0
"""Finding a bundle and verifying every byte of it before any parser sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from avguard.errors import ModelError
from avguard.models import signature
from avguard.models.choice import chosen
from avguard.models.manifest import (
    Manifest,
    check_calibration,
    check_runtime,
    parse_manifest,
    read_manifest_bytes,
)
from avguard.spec import load_spec

MAX_FILE_BYTES = 64 * 1024 * 1024
ROLES = ("face_detector", "face_mesh", "joint_float", "joint_int8")


@dataclass(frozen=True)
class Bundle:
    """A verified bundle held in memory. ``data``: file name -> bytes. ``signed_by``: id of the key, None unverified."""

    manifest: Manifest
    data: dict[str, bytes]
    signed_by: str | None = None

    def program(self, role: str) -> bytes:
        """Bytes of the program that plays ``role``."""
        return self.data[self.manifest.programs[role]]


def default_path() -> Path:
    """The bundle that ships inside the package."""
    return Path(str(files("avguard").joinpath("models/default")))


def bundle_in_use() -> tuple[Path, str]:
    """The bundle that is used when the caller names none, and what says so: see ``choice``. Raises ModelError."""
    return chosen() or (default_path(), "shipped with avguard")


def open_bundle(
    folder: str | Path | None = None, *, require_signature: bool = False, trusted_keys: Collection[str] = ()
) -> Bundle:
    """Read the bundle in ``folder`` (default: the one in use, see ``bundle_in_use``) and verify it.

    ``require_signature``: refuse a bundle that none of ``trusted_keys`` (Ed25519 public keys in hex) has signed; the
    signature is verified before the manifest is parsed. Raises ModelError: not a bundle, not signed as required, made
    for another spec or runtime, a file missing, too large, a link, or altered. Raises UsageError: see ``signature``.
    """
    path = bundle_in_use()[0] if folder is None else Path(folder)
    said = read_manifest_bytes(path)
    signed_by = signature.check(path, said, trusted_keys) if require_signature else None
    manifest = parse_manifest(said)
    check_runtime(manifest)
    wanted = load_spec().hash
    if manifest.spec_hash != wanted:
        raise ModelError(
            f"bundle {manifest.id} was made for spec {manifest.spec_hash}, this build needs {wanted}. "
            "Use a bundle exported by this version of avguard."
        )
    check_calibration(manifest.calibration)
    data = {name: _verified(path / name, digest) for name, digest in manifest.files.items()}
    for role in ROLES:
        if manifest.programs.get(role) not in data:
            raise ModelError(f"bundle {manifest.id} has no file for {role}. Export the bundle again.")
    if manifest.self_test not in data:
        raise ModelError(f"bundle {manifest.id} has no self-test vectors. Export the bundle again.")
    return Bundle(manifest, data, signed_by)


def _verified(path: Path, digest: str) -> bytes:
    if path.is_symlink():
        raise ModelError(f"{path.name} is a link; a bundle holds plain files only. Reinstall the bundle.")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ModelError(
            f"{path.name} of the bundle cannot be read ({error.strerror}). Reinstall the bundle."
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(f"{path.name} is larger than {MAX_FILE_BYTES} bytes. Reinstall the bundle.")
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise ModelError(f"{path.name} was altered: sha256 {found}, the manifest says {digest}. Reinstall the bundle.")
    return data
