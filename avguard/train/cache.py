# SPDX-License-Identifier: Apache-2.0
"""Training tensors of every clip, made once through the core's extract mode and kept on disk.

One folder per clip under the cache: ``canvases.npy`` uint8 (n, 112, 112, 3), ``points.npy`` float32 (n, 468, 2),
``poses.npy`` float32 (n, 4), ``indices.npy`` int64 (n,) grid frames, ``samples.npy`` float32 16 kHz, ``meta.json``.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from avguard import _core
from avguard.errors import AvguardError
from avguard.evaluate.manifest import Row, read_manifest
from avguard.line import feed, open_extractor
from avguard.media import open_media
from avguard.spec import load_spec

_model: _core.Model | None = None


def extract_clip(path: Path, folder: Path) -> None:
    """Extract the largest track and the sound of the clip at ``path`` into ``folder``. Raises AvguardError."""
    global _model
    if _model is None:
        _model = open_extractor()
    with open_media(path) as reader:
        info = reader.info
        session = _core.Session(
            _model, expect_video=info.video is not None, expect_audio=info.audio is not None, extract=True
        )
        feed(reader, session)
        verdict = json.loads(session.finish())
        extracted = session.extracted()
    meta: dict[str, Any] = {
        "first_sample": extracted["first_sample"],
        "speech_s": verdict["quality"]["speech_s"],
        "bandwidth_hz": verdict["quality"]["bandwidth_hz"],
        "tracks": len(extracted["tracks"]),
        "spec_hash": load_spec().hash,
    }
    arrays = {"samples": extracted["samples"]}
    if extracted["tracks"]:
        track = max(extracted["tracks"], key=lambda t: len(t["indices"]) * float(t["eye_distance_px"].mean()) ** 0.5)
        arrays.update({key: track[key] for key in ("indices", "canvases", "points", "poses", "eye_distance_px")})
    _write(folder, arrays, meta)


def _write(folder: Path, arrays: dict[str, Any], meta: dict[str, Any]) -> None:
    # Written aside and renamed, so that an interrupted run leaves no half-made clip behind.
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent))
    for name, array in arrays.items():
        np.save(aside / f"{name}.npy", array)
    (aside / "meta.json").write_text(json.dumps(meta))
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def folder_of(cache: Path, row: Row) -> Path:
    """Where the tensors of ``row`` live."""
    return cache / Path(row.path).stem


def build_cache(data: Path, cache: Path, splits: tuple[str, ...] = ("train", "test"), workers: int = 2) -> list[str]:
    """Extract every clip of ``splits`` that is not cached yet. Returns one line per clip that failed."""
    return cache_rows([row for row in read_manifest(data) if row.split in splits], data, cache, workers)


def cache_rows(rows: list[Row], data: Path, cache: Path, workers: int = 2) -> list[str]:
    """Extract every clip of ``rows`` that is not cached yet. Returns one line per clip that failed."""
    todo = [row for row in rows if not _is_current(folder_of(cache, row))]
    failures: list[str] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = {pool.submit(extract_clip, data / row.path, folder_of(cache, row)): row for row in todo}
        for done, job in enumerate(as_completed(jobs), start=1):
            error = job.exception()
            if isinstance(error, AvguardError):
                failures.append(f"{jobs[job].path}: {error}")
            elif error is not None:
                raise error
            print(f"\rcache {done}/{len(todo)}", end="", file=sys.stderr, flush=True)
    return failures


def _is_current(folder: Path) -> bool:
    try:
        meta = json.loads((folder / "meta.json").read_text())
    except (OSError, ValueError):
        return False
    return bool(meta.get("spec_hash") == load_spec().hash)
