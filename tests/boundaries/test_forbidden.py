# SPDX-License-Identifier: Apache-2.0
"""What no source may call: a shell, a loader that runs what it reads, an end of the host's process."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([*(ROOT / "avguard").rglob("*.py"), *(ROOT / "export").rglob("*.py")])
SOURCES = sorted(path for path in (ROOT / "cpp" / "src").rglob("*") if path.suffix in {".cc", ".h"})

SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "exec"}
# They run code that the file names.
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# An argument of a call -> the only value it may have, and whether it must be there.
ARGUMENTS = {
    "torch.load": ("weights_only", True, True),
    "np.load": ("allow_pickle", False, False),
    "numpy.load": ("allow_pickle", False, False),
}
# File -> what alone may stand in it: where memory ran out without exceptions; the firewall before the host.
ENDINGS = re.compile(r"\b(exit|_exit|abort|assert|terminate|printf|fprintf|puts|throw|try|catch|system|popen)\b")
ALLOWED = {"memory.h": {"throw", "abort"}, "capi.cc": {"try", "catch"}}


def name_of(node: ast.expr) -> str:
    """ "a.b.c" of what is called; "" for a part that is no name."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults(tree: ast.AST) -> Iterator[str]:
    """Every forbidden call and import of one module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in UNPICKLERS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in UNPICKLERS:
            yield f"from {node.module}"
        elif isinstance(node, ast.Call):
            yield from faults_of_call(node)


def faults_of_call(call: ast.Call) -> Iterator[str]:
    name = name_of(call.func)
    given = {word.arg: word.value.value if isinstance(word.value, ast.Constant) else ... for word in call.keywords}
    if name in SHELLS or given.get("shell", False) is not False:
        yield name
    key, only, needed = ARGUMENTS.get(name, ("", None, False))
    if (key in given and given[key] is not only) or (needed and key not in given):
        yield f"{name} without {key}={only}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_shell_and_nothing_that_runs_what_it_reads(path: Path) -> None:
    assert list(faults(ast.parse(path.read_text(encoding="utf-8")))) == []


def code_of(path: Path) -> str:
    """A C++ source without its comments and texts."""
    return re.sub(r'//[^\n]*|"(?:\\.|[^"\\\n])*"', "", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_core_ends_no_process_prints_nothing_and_throws_nowhere(path: Path) -> None:
    assert set(ENDINGS.findall(code_of(path))) <= ALLOWED.get(path.name, set())


BAD = """
import pickle, os
from joblib import load
os.system("ls"); subprocess.run("ls", shell=True); eval("1")
torch.load(p); torch.load(p, weights_only=False); np.load(p, allow_pickle=True)
"""
GOOD = """
import os, subprocess
subprocess.run(["ls"]); subprocess.run(["ls"], shell=False); model().eval()
torch.load(p, weights_only=True); np.load(p); np.load(p, allow_pickle=False)
"""


def test_the_checkers_see_what_they_are_to_see(tmp_path: Path) -> None:
    assert len(list(faults(ast.parse(BAD)))) == 8
    assert list(faults(ast.parse(GOOD))) == []
    source = tmp_path / "a.cc"
    source.write_text('// abort()\nCheck("assert this");\nstd::abort(); throw 1;\n')
    assert ENDINGS.findall(code_of(source)) == ["abort", "throw"]
