# SPDX-License-Identifier: Apache-2.0
"""``avguard doctor``: what is installed, whether it works here, and what to do when it does not."""

from __future__ import annotations

import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from avguard.errors import AvguardError
from avguard.line import choose_role, cpu_has_int8_dot, open_model, self_test
from avguard.media.process import jail_here
from avguard.models import bundle_in_use, open_bundle
from avguard.spec import load_spec

WALLS = ("limits", "lifeline", "no_new_privileges", "landlock", "seccomp")
"""What confines a decoder process on Linux, as ``media.jail`` names it."""


def examine() -> dict[str, Any]:
    """Findings as plain values; ``ok`` is False when something must be mended, ``problems`` say what."""
    problems: list[str] = []
    report: dict[str, Any] = {
        "avguard": _version("avguard"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in ("numpy", "av", "soundfile")},
        "spec_hash": load_spec().hash,
        "int8_dot_product": cpu_has_int8_dot(),
    }
    try:
        folder, origin = bundle_in_use()
        report["model_folder"], report["model_chosen_by"] = str(folder), origin
        bundle = open_bundle(folder)
        report["model"] = bundle.manifest.id
        report["engine"] = choose_role("auto").removeprefix("joint_")
        report["self_test_logits_off"] = {
            role.removeprefix("joint_"): round(self_test(bundle, role), 5) for role in ("joint_float", "joint_int8")
        }
        began = time.perf_counter()
        open_model(folder)
        report["model_open_ms"] = round(1000 * (time.perf_counter() - began), 1)
    except AvguardError as error:
        problems.append(str(error))
    report["decoder_jail"] = jail_here()
    report["decode_limits"] = _decode_limits(report["decoder_jail"])
    report["problems"] = problems
    report["ok"] = not problems
    return report


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed as a package"


def _decode_limits(held: list[str]) -> str:
    if platform.system() != "Linux":
        return "time only: memory, file and privilege limits of the decoder process need Linux"
    missing = [name for name in WALLS if name not in held]
    if missing:
        return f"this system lacks {', '.join(missing)}: the decoder process is confined less than it could be"
    return "time, memory, files and privileges of the decoder process"
