# SPDX-License-Identifier: Apache-2.0
"""Which bundle is used when the caller names none, and where a user keeps further ones.

In this order: the folder given by the caller; the environment variable AVGUARD_MODEL; the choice that ``avguard models
use`` stored in ``$XDG_CONFIG_HOME/avguard/model.json`` (XDG_CONFIG_HOME is ``~/.config`` by default); the shipped one.
Bundles in ``$XDG_DATA_HOME/avguard/models`` (``~/.local/share``) are listed by ``avguard models list``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from avguard.errors import ModelError, UsageError

VARIABLE = "AVGUARD_MODEL"
MAX_BYTES = 64 * 1024


def _folder(variable: str, fallback: str) -> Path | None:
    named = os.environ.get(variable, "")
    # The XDG base directory specification: a path that is not absolute is to be ignored.
    if named and Path(named).is_absolute():
        return Path(named) / "avguard"
    try:
        return Path.home() / fallback / "avguard"
    except RuntimeError:
        return None  # a process without a home has made no choice


def choice_file() -> Path | None:
    """Where the choice is stored; None for a process without a home."""
    folder = _folder("XDG_CONFIG_HOME", ".config")
    return folder and folder / "model.json"


def user_models() -> Path | None:
    """The folder for a user's own bundles; None for a process without a home."""
    folder = _folder("XDG_DATA_HOME", ".local/share")
    return folder and folder / "models"


def chosen() -> tuple[Path, str] | None:
    """The bundle that the environment or the user chose, and by what; None when nobody did.

    Raises ModelError when the stored choice cannot be understood: judging by another model than the chosen one would
    not be noticed.
    """
    named = os.environ.get(VARIABLE, "")
    if named:
        return Path(named), VARIABLE
    path = choice_file()
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}). Delete it or choose again.") from error
    try:
        raw = json.loads(data)
        folder = Path(raw["model"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"{path} does not say which model to use. Delete it, or run: avguard models use DIR"
        ) from error
    return folder, str(path)


def choose(folder: Path | None) -> Path:
    """Store the choice of ``folder``, or forget it (None); returns the file.

    Raises UsageError without a home, or with one that cannot be written to.
    """
    path = choice_file()
    if path is None:
        raise UsageError(f"there is no home folder to store the choice in; set {VARIABLE} instead.")
    try:
        if folder is None:
            path.unlink(missing_ok=True)
        else:
            _replace(path, json.dumps({"model": str(folder.resolve())}) + "\n")
    except OSError as error:
        raise UsageError(
            f"the choice cannot be stored in {path} ({error.strerror}). Make room or set {VARIABLE} instead."
        ) from error
    return path


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
