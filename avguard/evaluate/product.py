# SPDX-License-Identifier: Apache-2.0
"""The product under measurement, in a module of its own: a spawned worker cannot import what lives in __main__."""

from __future__ import annotations

import hashlib
from pathlib import Path

from avguard.api import Checker
from avguard.evaluate.judge import DIGEST_MARK, CheckerLike
from avguard.models import bundle_in_use, load_manifest


def make_checker(model: str | None, engine: str) -> CheckerLike:
    """The product, as a worker process builds it."""
    checker: CheckerLike = Checker(model, engine=engine)
    return checker


def folder_of(model: str | None) -> Path:
    """Where that bundle is; the one in use for None."""
    return bundle_in_use()[0] if model is None else Path(model)


def name_model(model: str | None, engine: str) -> str:
    """Name and engine of a bundle and the digest of its manifest, which holds those of its files: the results' key."""
    folder = folder_of(model)
    name = load_manifest(folder).id
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:12]
    return f"{name}{DIGEST_MARK}{digest}-{engine}"


def trained_sources(model: str | None, model_id: str) -> tuple[str, ...] | None:
    """What the bundle says it was trained on; None when it does not say, or the results are of another bundle."""
    manifest = load_manifest(folder_of(model))
    return manifest.trained_on if model_id.startswith(manifest.id + DIGEST_MARK) else None
