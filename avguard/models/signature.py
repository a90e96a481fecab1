# SPDX-License-Identifier: Apache-2.0
"""An Ed25519 signature (RFC 8032) over a manifest's bytes, and thereby over every file whose sha256 it names.

``manifest.sig`` beside ``manifest.json`` holds the key's id and the signature. Keys are 32 raw bytes, written as hex; a
key's id is the first 16 hex digits of its sha256. Needs the extra ``avguard[signature]``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from avguard.errors import ModelError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "manifest.sig"
MAX_BYTES = 1024
KEYS = {"algorithm", "key_id", "signature"}
ALGORITHM = "ed25519"


def key_id(public_key: str) -> str:
    """The name under which a public key (64 hex digits) is shown. Raises UsageError when it is no key."""
    return hashlib.sha256(_raw(public_key)).hexdigest()[:16]


def sign(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """The content of ``manifest.sig`` for the bytes of a ``manifest.json``."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    said = {"algorithm": ALGORITHM, "key_id": key_id(public), "signature": key.sign(manifest).hex()}
    return json.dumps(said).encode() + b"\n"


def check(folder: Path, manifest: bytes, trusted: Collection[str]) -> str:
    """The id of the key among ``trusted`` (public keys in hex) that signed ``manifest``.

    Raises ModelError: not signed, signed by another key, or the signature does not hold. Raises UsageError: no keys, a
    key that is none, or cryptography is not installed.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise UsageError("verifying a signature needs cryptography. Run: pip install 'avguard[signature]'") from None
    keys = {key_id(key): _raw(key) for key in trusted}
    if not keys:
        raise UsageError("a signature is required but no key is trusted; give the public keys of those you trust.")
    name, signature = _read(folder)
    if name not in keys:
        raise ModelError(
            f"{folder.name} is signed by key {name}, trusted are {', '.join(sorted(keys))}. Take the bundle from its "
            "maker, or trust that key if you know whose it is."
        )
    try:
        Ed25519PublicKey.from_public_bytes(keys[name]).verify(signature, manifest)
    except InvalidSignature:
        raise ModelError(
            f"the signature of {folder.name} by key {name} does not hold: manifest.json was altered after it was "
            "signed. Reinstall the bundle."
        ) from None
    return name


def _read(folder: Path) -> tuple[str, bytes]:
    path = folder / NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ModelError(f"{folder.name} is not signed: there is no {NAME}. Use a signed bundle.") from None
    except OSError as error:
        raise ModelError(f"{NAME} of {folder.name} cannot be read ({error.strerror}). Reinstall the bundle.") from error
    try:
        raw = json.loads(data) if len(data) <= MAX_BYTES else None
        if not isinstance(raw, dict) or set(raw) != KEYS or raw["algorithm"] != ALGORITHM:
            raise ValueError("other keys or another algorithm")
        return str(raw["key_id"]), bytes.fromhex(raw["signature"])
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{NAME} of {folder.name} is not a signature ({error}). Reinstall the bundle.") from error


def _raw(public_key: str) -> bytes:
    try:
        raw = bytes.fromhex(public_key)
    except (ValueError, TypeError):
        raw = b""
    if len(raw) != 32:
        raise UsageError(f"{public_key!r} is no Ed25519 public key: it must be 64 hex digits.")
    return raw
