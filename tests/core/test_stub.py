# SPDX-License-Identifier: Apache-2.0
"""The stub beside the compiled core says what the core has: names, parameters, defaults."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from avguard import _core

STUB = Path(__file__).resolve().parents[2] / "avguard" / "_core.pyi"


def public(name: str) -> bool:
    return name == "__init__" or not name.startswith("_")


def stub_members(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, list[str] | None]]:
    """(dotted name, its parameters; None for what is not called) of every public name of a stub."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.name, None
            yield from stub_members(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            plain = any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list)
            yield prefix + node.name, None if plain else stub_parameters(node.args)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and public(node.target.id):
            yield prefix + node.target.id, None


def stub_parameters(arguments: ast.arguments) -> list[str]:
    first_default = len(arguments.args) - len(arguments.defaults)
    named = [
        told(arg.arg, None if i < first_default else arguments.defaults[i - first_default])
        for i, arg in enumerate(arguments.args)
    ]
    marker = ["*"] if arguments.kwonlyargs else []
    keywords = [told(arg.arg, value) for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return [name for name in named + marker + keywords if name != "self"]


def told(name: str, default: ast.expr | None) -> str:
    return name if default is None else f"{name} = {ast.unparse(default)}"


def core_members(holder: object, prefix: str = "") -> Iterator[tuple[str, list[str] | None]]:
    """The same of the built core, by the signatures pybind11 puts first in docstrings."""
    for name in filter(public, vars(holder)):
        value = getattr(holder, name)
        if isinstance(value, type):
            yield name, None
            yield from core_members(value, f"{name}.")
        else:
            yield prefix + name, core_parameters(value.__doc__) if callable(value) else None


def core_parameters(doc: str) -> list[str]:
    """ "push(self: X, a: Y[A, B] = 1, *, b: Z) -> W" -> ["a = 1", "*", "b"]"""
    depth, parts = 0, [""]
    for letter in doc.splitlines()[0].partition("(")[2]:
        depth += (letter in "([") - (letter in ")]")
        if depth < 0:
            break
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    named = [part.strip().partition(":")[0] + "".join(part.partition(" = ")[1:]) for part in parts if part.strip()]
    return [name for name in named if name != "self"]


def test_stub_and_core_say_the_same() -> None:
    stub = dict(stub_members(ast.parse(STUB.read_text(encoding="utf-8")).body))
    core = dict(core_members(_core))
    assert {"Session.push_frame", "Session.__init__", "log_mel", "spec_hash"} <= core.keys()
    assert stub == core


def test_parameters_are_read_as_a_person_would() -> None:
    assert core_parameters("f(self: X, a: Y[A, B] = 1, *, b: Z(1, 2)) -> W") == ["a = 1", "*", "b"]
    assert core_parameters("f() -> W") == []
