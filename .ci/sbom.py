# SPDX-License-Identifier: Apache-2.0
"""``python .ci/sbom.py OUT.json``: a CycloneDX list of what is installed here and of what its wheels carry inside.

cyclonedx-py lists the Python packages; it cannot see ExecuTorch in our own wheel, FFmpeg in PyAV's, or the models.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import soundfile
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator

from avguard.models import load_manifest
from avguard.models.manifest import RUNTIMES
from avguard.models.store import default_path

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("avguard", "numpy", "av", "soundfile", "cffi", "pycparser")
"""What ``pip install avguard`` brings; all else here only builds, trains or tests."""


def carried() -> list[dict[str, Any]]:
    """Components that no package index knows of in this place."""
    found = [
        {"name": "executorch", "version": RUNTIMES["executorch"], "licence": "BSD-3-Clause", "in": "avguard"},
        {"name": "ffmpeg", "version": str(av.ffmpeg_version_info), "licence": "LGPL-3.0-or-later", "in": "av"},
        # The wheel does not tell their releases.
        {"name": "x264", "version": "", "licence": "GPL-2.0-or-later", "in": "av"},
        {"name": "x265", "version": "", "licence": "GPL-2.0-or-later", "in": "av"},
        {
            "name": "libsndfile",
            "version": soundfile.__libsndfile_version__,
            "licence": "LGPL-2.1-or-later",
            "in": "soundfile",
        },
    ]
    manifest = load_manifest(default_path())
    parts = [
        {
            "type": "library", "bom-ref": f"inside-{part['in']}-{part['name']}", "name": part["name"],
            "version": part["version"], "licenses": [{"license": {"id": part["licence"]}}],
            "properties": [{"name": "avguard:inside", "value": part["in"]}],
        }
        for part in found
    ]  # fmt: skip
    parts += [
        {
            "type": "machine-learning-model", "bom-ref": f"model-{name}", "name": name, "version": manifest.id,
            "hashes": [{"alg": "SHA-256", "content": digest}], "licenses": [{"license": {"id": "Apache-2.0"}}],
        }
        for name, digest in sorted(manifest.files.items())
        if name.endswith(".pte")
    ]  # fmt: skip
    return parts


def main(out: Path) -> int:
    """Write and validate the list; returns an exit code."""
    command = [sys.executable, "-I", "-m", "cyclonedx_py", "environment", "--pyproject", str(ROOT / "pyproject.toml")]
    command += ["--mc-type", "library", "--output-reproducible", "--sv", "1.6", sys.executable]
    document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for part in document["components"]:
        part["scope"] = "required" if part["name"].lower() in SHIPPED else "excluded"
    document["components"] += carried()
    text = json.dumps(document, indent=1, sort_keys=True)
    error = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        sys.stderr.write(f"the list is no CycloneDX 1.6: {error}\n")
        return 1
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    for part in document["components"]:
        if part.get("scope") != "excluded":
            sys.stdout.write(f"{part['name']} {part.get('version', '')}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
