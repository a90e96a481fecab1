# SPDX-License-Identifier: Apache-2.0
"""Build step: turn avguard/spec.json into a C++ header of constants. Usage: spec_header.py SPEC.json OUT.h"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any


def canonical(spec: dict[str, Any]) -> str:
    """The one spelling of a spec that is hashed: sorted keys, no spaces (same as ``avguard.spec``)."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"))


def constant(name: str, value: object) -> str:
    if isinstance(value, int):
        return f"inline constexpr int {name} = {value};"
    if isinstance(value, float):
        return f"inline constexpr double {name} = {value!r};"
    if isinstance(value, list) and all(isinstance(item, int) for item in value):
        items = ", ".join(map(str, value))
        return f"inline constexpr std::array<int, {len(value)}> {name} = {{{items}}};"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        items = ", ".join(f'"{item}"' for item in value)
        return f"inline constexpr std::array<const char*, {len(value)}> {name} = {{{items}}};"
    raise TypeError(f"spec value {name}={value!r} has no C++ form")


def header(spec: dict[str, Any]) -> str:
    text = canonical(spec)
    lines = ["// Generated from avguard/spec.json by cpp/gen/spec_header.py.", "#pragma once", "#include <array>"]
    lines += ["namespace avg::spec {"]
    lines += [f'inline constexpr char hash[] = "{hashlib.sha256(text.encode()).hexdigest()}";']
    lines += [f'inline constexpr char json[] = R"spec({text})spec";']
    for room, values in spec.items():
        if isinstance(values, dict):
            lines += [f"namespace {room} {{", *(constant(key, value) for key, value in values.items()), "}"]
        else:
            lines.append(constant(room, values))
    return "\n".join([*lines, "}  // namespace avg::spec", ""])


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(header(json.loads(Path(sys.argv[1]).read_text())))
