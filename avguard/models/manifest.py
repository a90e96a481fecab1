# SPDX-License-Identifier: Apache-2.0
"""The manifest of a model bundle: names, hashes, licences, calibration."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avguard.errors import ModelError
from avguard.spec import load_spec

FORMAT = 1
# What the core is built with (cpp/cmake/fetch_executorch.py); a bundle names the leading numbers that it needs.
RUNTIMES = {"executorch": "1.5.1"}
MAX_BYTES = 64 * 1024
REQUIRED = (
    "format",
    "id",
    "spec_hash",
    "runtime",
    "files",
    "programs",
    "calibration",
    "self_test",
    "license_code",
    "license_weights",
    "license_data",
)
MAX_DEPTH = 8
# Sources whose clips training saw, sorted: what an evaluation must report apart.
OPTIONAL = ("trained_on",)


@dataclass(frozen=True)
class Manifest:
    """A parsed manifest.json.

    ``files``: name -> sha256 hex of every file in the bundle but the manifest. ``programs``: role ("face_detector",
    "face_mesh", "joint_float", "joint_int8") -> file name. ``calibration``: see ``decide/calibration.h``.
    ``self_test``: name of the golden vectors that the joint model must reproduce at load. ``trained_on``: sources whose
    clips training saw, None where the bundle does not say. ``unread``: keys that this version does not know; a change
    that it must not pass over gets another format.
    """

    id: str
    spec_hash: str
    runtime: dict[str, str]
    files: dict[str, str]
    programs: dict[str, str]
    calibration: dict[str, Any]
    self_test: str
    license_code: str
    license_weights: str
    license_data: str
    trained_on: tuple[str, ...] | None = None
    unread: tuple[str, ...] = ()


def read_manifest_bytes(folder: Path) -> bytes:
    """What ``folder/manifest.json`` holds, at most MAX_BYTES. Raises ModelError."""
    try:
        with (folder / "manifest.json").open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(
            f"{folder.name} is not a model bundle: manifest.json cannot be read ({error.strerror})."
        ) from error
    if len(data) > MAX_BYTES:
        raise ModelError(
            f"manifest.json is larger than {MAX_BYTES} bytes, so it is not one of ours. Reinstall the bundle."
        )
    return data


def load_manifest(folder: Path) -> Manifest:
    """Read and check ``folder/manifest.json``. Raises ModelError; verifies structure only, not the files."""
    return parse_manifest(read_manifest_bytes(folder))


def parse_manifest(data: bytes) -> Manifest:
    """Check the bytes of a manifest. Raises ModelError."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"manifest.json is not valid JSON ({error}). Reinstall the bundle.") from error
    if _deeper_than(MAX_DEPTH, raw):
        raise ModelError(f"manifest.json is nested deeper than {MAX_DEPTH} levels. Reinstall the bundle.")
    return _checked(raw)


def _deeper_than(levels: int, raw: object) -> bool:
    if not isinstance(raw, (dict, list)):
        return False
    inner = raw.values() if isinstance(raw, dict) else raw
    return levels == 0 or any(_deeper_than(levels - 1, value) for value in inner)


def _checked(raw: object) -> Manifest:
    if not isinstance(raw, dict):
        raise ModelError("manifest.json must hold an object. Reinstall the bundle.")
    missing = [key for key in REQUIRED if key not in raw]
    if missing:
        raise ModelError(f"manifest.json lacks {', '.join(missing)}. Export the bundle again.")
    if raw["format"] != FORMAT:
        raise ModelError(f"manifest.json has format {raw['format']!r}, this version reads {FORMAT}. Update avguard.")
    for key in ("id", "spec_hash", "self_test", "license_code", "license_weights", "license_data"):
        if not isinstance(raw[key], str):
            raise ModelError(f"manifest.json: {key} must be a string. Export the bundle again.")
    for key in ("files", "programs", "runtime"):
        value = raw[key]
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise ModelError(f"manifest.json: {key} must map names to strings. Export the bundle again.")
    for name in raw["files"]:
        if Path(name).name != name or name in ("", ".", "..") or "\0" in name:
            raise ModelError(f"manifest.json names {name!r}, which is not a plain file name.")
    unread = tuple(sorted(set(raw) - set(REQUIRED) - set(OPTIONAL)))
    known = {key: raw[key] for key in REQUIRED if key != "format"}
    return Manifest(**known, trained_on=_sources(raw), unread=unread)


def _sources(raw: dict[str, Any]) -> tuple[str, ...] | None:
    if "trained_on" not in raw:
        return None
    found = raw["trained_on"]
    if not isinstance(found, list) or not all(isinstance(name, str) and name for name in found):
        raise ModelError("manifest.json: trained_on must be a list of names of sources. Export the bundle again.")
    if found != sorted(set(found)):
        raise ModelError("manifest.json: trained_on must be sorted and name each source once. Export the bundle again.")
    return tuple(found)


def check_runtime(manifest: Manifest) -> None:
    """Raises ModelError unless this build has every runtime that the bundle needs, in the release that it needs."""
    for name, wanted in manifest.runtime.items():
        here = RUNTIMES.get(name)
        if here is None or wanted.split(".") != here.split(".")[: len(wanted.split("."))]:
            raise ModelError(
                f"bundle {manifest.id} needs {name} {wanted}, this build has {here or 'none'}. "
                "Use a bundle exported by this version of avguard, or run its ONNX form (onnx/ beside it, by `make "
                "bundle`) in onnxruntime."
            )


def check_calibration(raw: object) -> None:
    """Raises ModelError unless ``raw`` has the keys of ``decide/calibration.h`` and every value is a finite number."""
    heads = set(load_spec().heads)
    per_head = dict.fromkeys(("scale", "bias", "head_fake_above", "head_real_below", "segment_above"), heads)
    mixes = {key: {"bias", "either", "weight"} for key in ("both", "video_only", "audio_only")}
    single = ("peak_weight", "fake_above", "real_below", "minimum_face_s", "minimum_speech_s", "offset_contrast")
    if not isinstance(raw, dict) or set(raw) - {"reliability"} != {*per_head, *mixes, *single}:
        raise ModelError("manifest.json: calibration lacks keys or has unknown ones. Export the bundle again.")
    groups = [(key, raw[key], wanted) for key, wanted in (per_head | mixes).items()]
    groups += [
        (f"{key}.weight", raw[key]["weight"], heads)
        for key in mixes
        if isinstance(raw[key], dict) and "weight" in raw[key]
    ]
    numbers = [(key, raw[key]) for key in single]
    for name, group, wanted in groups:
        if not isinstance(group, dict) or set(group) != wanted:
            raise ModelError(f"manifest.json: calibration.{name} must have {', '.join(sorted(wanted))}.")
        numbers += [(f"{name}.{key}", value) for key, value in group.items() if key != "weight"]
    for name, value in numbers:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            raise ModelError(f"manifest.json: calibration.{name} is {value!r}, not a finite number.")
    if "reliability" in raw:
        _check_reliability(raw["reliability"], heads | {"overall"})


def _check_reliability(raw: object, heads: set[str]) -> None:
    """``clips``: what it was measured on, in words; ``heads``: per head bins of (mean score, share fake, clips)."""
    known = raw if isinstance(raw, dict) else {}
    bins = known.get("heads")
    if set(known) != {"clips", "heads"} or not isinstance(known["clips"], str) or not isinstance(bins, dict):
        raise ModelError("manifest.json: calibration.reliability must have clips and heads. Export the bundle again.")
    for head, rows in bins.items():
        if head not in heads or not isinstance(rows, list) or not all(_is_bin(row) for row in rows):
            raise ModelError(f"manifest.json: calibration.reliability.heads.{head} makes no sense. Export it again.")


def _is_bin(row: object) -> bool:
    if not isinstance(row, list) or not all(type(value) in (int, float) for value in row):
        return False
    return len(row) == 3 and 0 <= row[0] <= 1 and 0 <= row[1] <= 1 and 1 <= row[2] < 1e9
