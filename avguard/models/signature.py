# SPDX-License-Identifier: Apache-2.0
"""An Ed25519 signature (RFC 8032) over a manifest's bytes, and thereby over every file whose sha256 it names.

``manifest.sig`` beside ``manifest.json`` holds the key's id and the signature. Public keys are 32 raw bytes, written as
hex or in a PEM file; a key's id is the first 16 hex digits of its sha256. Needs the extra ``avguard[signature]``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from avguard.errors import ModelError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NAME = "manifest.sig"
MAX_BYTES = 1024
MAX_KEY_BYTES = 8192
KEYS = {"algorithm", "key_id", "signature"}
ALGORITHM = "ed25519"


def key_id(public_key: str) -> str:
    """The name under which a public key (64 hex digits) is shown. Raises UsageError when it is no key."""
    return hashlib.sha256(_raw(public_key)).hexdigest()[:16]


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The key in a PEM file, as ``openssl genpkey -algorithm ed25519`` writes it. Raises UsageError."""
    data = _key_file(path)
    with _cryptography():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    try:
        key = load_pem_private_key(data, None)
    except TypeError:
        raise UsageError(f"{path} is locked with a passphrase; give a copy without one, and remove it after.") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} holds no Ed25519 private key. Make one: openssl genpkey -algorithm ed25519 -out FILE")
    return key


def read_public_key(path: Path) -> str:
    """The key in a file, PEM (``openssl pkey -pubout``) or 64 hex digits, as hex. Raises UsageError."""
    data = _key_file(path)
    with _cryptography():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    if not data.lstrip().startswith(b"-----"):
        return _raw(data.decode("ascii", "replace").strip()).hex()
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path} holds no Ed25519 public key. Make one: openssl pkey -in KEY -pubout -out FILE")
    return _hex(key)


def public_key_of(key: Ed25519PrivateKey) -> str:
    """The public key that belongs to ``key``, as hex."""
    return _hex(key.public_key())


def sign(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """The content of ``manifest.sig`` for the bytes of a ``manifest.json``."""
    public = public_key_of(key)
    said = {"algorithm": ALGORITHM, "key_id": key_id(public), "signature": key.sign(manifest).hex()}
    return json.dumps(said).encode() + b"\n"


def check(folder: Path, manifest: bytes, trusted: Collection[str]) -> str:
    """The id of the key among ``trusted`` (public keys in hex) that signed ``manifest``.

    Raises ModelError: not signed, signed by another key, or the signature does not hold. Raises UsageError: no keys, a
    key that is none, or cryptography is not installed.
    """
    with _cryptography():
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
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


@contextmanager
def _cryptography() -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise UsageError("signatures need the package cryptography. Run: pip install 'avguard[signature]'") from None


def _key_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be read ({error.strerror}). Check the path.") from error
    if len(data) > MAX_KEY_BYTES:
        raise UsageError(f"{path} is larger than {MAX_KEY_BYTES} bytes, so it is no key. Check the path.")
    return data


def _hex(key: Ed25519PublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _raw(public_key: str) -> bytes:
    try:
        raw = bytes.fromhex(public_key)
    except (ValueError, TypeError):
        raw = b""
    if len(raw) != 32:
        raise UsageError(f"{public_key!r} is no Ed25519 public key: it must be 64 hex digits.")
    return raw
