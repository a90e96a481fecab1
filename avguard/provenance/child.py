# SPDX-License-Identifier: Apache-2.0
"""The child process that reads credentials. Started like a decoder."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import c2pa

from avguard.media import jail, wire
from avguard.media.limits import Limits

# Containers that can carry credentials, by what they begin with: (offset, bytes, media type).
KINDS = (
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (8, b"AVI ", "video/avi"),
    (8, b"WAVE", "audio/wav"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
)
# Both would open a connection that a file asked for.
SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
STATES = {"trusted": "trusted", "valid": "valid", "invalid": "invalid"}


def main(task: dict[str, Any]) -> None:
    """Send the state of ``task["media_fd"]``."""
    limits = Limits(**task["limits"])
    jail.enter(limits.memory_bytes, int(limits.wall_seconds), task["lifeline_fd"])
    with os.fdopen(task["media_fd"], "rb") as file:
        state = _state(file)
    os.write(task["up_fd"], wire.pack_json(wire.KIND_END, {"state": state}))
    # The library's own threads are not waited for.
    os._exit(0)


def _state(file: io.BufferedReader) -> str:
    head = file.read(32)
    kind = next((kind for at, mark, kind in KINDS if head[at : at + len(mark)] == mark), None)
    file.seek(0)
    if kind is None:
        return "absent"
    try:
        context = c2pa.Context(c2pa.Settings.from_json(json.dumps(SETTINGS)))
        reader = c2pa.Reader.try_create(kind, file, context=context)
        if reader is None:
            return "absent"
        return STATES.get(str(reader.get_validation_state()).lower(), "unreadable")
    except c2pa.C2paError.ManifestNotFound:
        return "absent"
    except Exception:  # whatever the library says of a broken file
        return "unreadable"
