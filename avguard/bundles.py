# SPDX-License-Identifier: Apache-2.0
"""``avguard models``: which bundles there are, whether one is sound, who signed it; copies; which one to use."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avguard.errors import ModelError, UsageError
from avguard.models import Bundle, bundle_in_use, default_path, load_manifest, open_bundle, signature
from avguard.models.artefacts import is_artefacts, load_artefacts, problems_of
from avguard.models.choice import choose, user_models
from avguard.trial import problems_of_programs


@dataclass(frozen=True)
class Known:
    """One bundle on this machine. ``problem``: why it cannot be used, empty when every hash is right."""

    folder: str
    origin: str  # "shipped", "user", or what chose it
    in_use: bool
    id: str
    bytes: int
    problem: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def known() -> list[Known]:
    """The shipped bundle, those in the user's folder, and the one that was chosen, if it lies elsewhere."""
    used, by = bundle_in_use()
    folders = {default_path(): "shipped"}
    own = user_models()
    if own is not None and own.is_dir():
        folders |= {path: "user" for path in sorted(own.iterdir()) if (path / "manifest.json").is_file()}
    if not any(_same(folder, used) for folder in folders):
        folders[used] = by
    return [_look(folder, origin, _same(folder, used)) for folder, origin in folders.items()]


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _look(folder: Path, origin: str, in_use: bool) -> Known:
    name, size, problem = "", 0, ""
    try:
        name = load_manifest(folder).id
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        open_bundle(folder)
    except ModelError as error:
        problem = str(error)
    return Known(str(folder), origin, in_use, name, size, problem)


def verify(folder: Path, trusted_keys: Collection[str] = ()) -> tuple[str, list[str]]:
    """(id, problems) of the bundle or the artefacts in ``folder``; no problems when all is well.

    Of a bundle: structure, spec, runtime, sha256 of every file, what each program says of itself, the self-test of
    both joint programs on this CPU in a process of its own, and where ``trusted_keys`` are given, that one of them
    signed it. Of a folder of ONNX and CoreML artefacts: see ``models.artefacts``. Raises UsageError for keys that are
    none.
    """
    if is_artefacts(folder):
        problems = problems_of(folder)
        if trusted_keys:
            problems.append(f"{folder.name} holds artefacts, which are not signed: only bundles are.")
        return ("" if problems else str(load_artefacts(folder)["id"])), problems
    try:
        bundle = open_bundle(folder, require_signature=bool(trusted_keys), trusted_keys=trusted_keys)
    except ModelError as error:
        return "", [str(error)]
    return bundle.manifest.id, _stray(folder, bundle) + problems_of_programs(folder, bundle)


def _stray(folder: Path, bundle: Bundle) -> list[str]:
    names = {path.name for path in folder.iterdir()} - set(bundle.data) - {"manifest.json", signature.NAME}
    return [f"{name} is not named in manifest.json. Remove it or export the bundle again." for name in sorted(names)]


def sign(folder: Path, key_file: Path) -> tuple[str, str]:
    """Sign the bundle in ``folder`` with the Ed25519 private key in ``key_file`` (PEM).

    Returns its id and the public key. An earlier signature is replaced. Raises ModelError when the bundle does not
    pass ``verify``, and UsageError.
    """
    key = signature.read_private_key(key_file)
    name, problems = verify(folder)
    if problems or is_artefacts(folder):
        raise ModelError(problems[0] if problems else f"{folder} holds artefacts; only a bundle can be signed.")
    data = signature.sign((folder / "manifest.json").read_bytes(), key)
    try:
        # Half of a signature is none, and signing again mends it.
        (folder / signature.NAME).write_bytes(data)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written ({error.strerror}). Sign a copy of it.") from error
    return name, signature.public_key_of(key)


def export_bundle(destination: Path) -> str:
    """Copy the bundle in use to ``destination``, a new folder, for an app to ship; returns its id.

    The copy is verified, and is there whole or not at all; what a killed copy left beside it goes with the next one.
    Raises ModelError, and UsageError when the folder exists or cannot be written.
    """
    if destination.exists():
        raise UsageError(f"{destination} exists; name a new folder, or remove that one first.")
    source, _ = bundle_in_use()
    bundle = open_bundle(source)
    try:
        with _beside(destination) as aside:
            for name, data in bundle.data.items():
                (aside / name).write_bytes(data)
            for name in ("manifest.json", signature.NAME):
                if (source / name).exists():
                    (aside / name).write_bytes((source / name).read_bytes())
            open_bundle(aside)
            # mkdtemp makes a folder for its owner alone; a bundle holds no secrets.
            aside.chmod(0o755)
            aside.rename(destination)
    except OSError as error:
        raise UsageError(f"{destination} cannot be written ({error.strerror}). Name another folder.") from error
    return bundle.manifest.id


@contextmanager
def _beside(destination: Path) -> Iterator[Path]:
    """A new folder beside ``destination`` to fill and rename; those of writers that died go. Raises OSError."""
    prefix = f".{destination.name}.avguard-"
    destination.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        # A lock ends with its holder, however that ends: what can be locked is filled by nobody any more.
        with _locked(destination.parent, fcntl.LOCK_EX):
            for left in destination.parent.glob(f"{glob.escape(prefix)}*"):
                with suppress(OSError), _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(left)
            aside = Path(tempfile.mkdtemp(dir=destination.parent, prefix=prefix))
            held.callback(shutil.rmtree, aside, ignore_errors=True)
            held.enter_context(_locked(aside, fcntl.LOCK_EX))
        yield aside


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


def use(folder: Path | None) -> tuple[str, Path]:
    """Use the bundle in ``folder`` from now on when no other is named, or (None) the shipped one again.

    Returns its id and the file that holds the choice. Raises ModelError when the bundle does not pass ``verify``.
    """
    if folder is None:
        return load_manifest(default_path()).id, choose(None)
    name, problems = verify(folder)
    if problems or is_artefacts(folder):
        raise ModelError(problems[0] if problems else f"{folder} holds artefacts for other runtimes, not a bundle.")
    return name, choose(folder)
