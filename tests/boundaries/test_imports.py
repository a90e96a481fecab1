# SPDX-License-Identifier: Apache-2.0
"""Who may import whom, what `import avguard` costs, and what every file of the house carries."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LEAVES = {"spec", "errors", "verdict", "_core"}
STATIONS = LEAVES | {"media", "models"}
PRODUCT = STATIONS | {"line", "api"}
# Room -> the rooms of avguard it may import from, besides itself.
ROOMS = {
    "errors": set(),
    "spec": {"errors"},
    "verdict": {"errors", "spec"},
    "media": LEAVES,
    "models": LEAVES,
    "data": STATIONS,
    "line": STATIONS,
    "api": STATIONS | {"line"},
    "report": LEAVES,
    "scan": PRODUCT,
    "doctor": PRODUCT,
    "bundles": PRODUCT | {"trial"},
    "trial": PRODUCT,
    "provenance": LEAVES | {"media"},
    "commands": PRODUCT | {"report", "scan", "provenance"},
    "cli": PRODUCT | {"doctor", "bundles", "report", "scan", "commands", "evaluate"},
    "evaluate": PRODUCT | {"data", "scan"},
    "train": PRODUCT | {"data", "evaluate"},
    "export": PRODUCT | {"data", "evaluate", "train"},
    "__init__": PRODUCT,
    "__main__": {"cli"},
}
INFERENCE_LIBRARIES = {"numpy", "av", "soundfile"}
# Rooms that may use more libraries than inference does.
LIBRARIES = {
    "models": {"cryptography"},
    "scan": {"ray", "fsspec", "pyarrow"},
    "provenance": {"c2pa"},
    "evaluate": {"sklearn"},
    "train": {"torch", "torchao", "executorch", "cv2", "scipy", "pyworld", "ray"},  # executorch: XNNPACK's quantizer
    "export": {
        "torch",
        "torchao",
        "executorch",
        "coremltools",
        "onnx",
        "onnxruntime",
        "onnxscript",
        "flatbuffers",
        "tflite",
    }
    | {"ai_edge_litert", "skimage", "scipy"},
}
NETWORK = {"aiohttp", "asyncio", "ftplib", "http", "httpx", "requests", "smtplib", "socket", "socketserver", "ssl"}
NETWORK |= {"urllib", "urllib3", "webbrowser", "xmlrpc"}
TALKERS = {"cli", "commands", "__main__", "evaluate", "train", "export"}

MODULES = sorted([*(ROOT / "avguard").rglob("*.py"), *(ROOT / "export").rglob("*.py")])


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] != "avguard" else parts[1]


def imported(path: Path) -> Iterator[str]:
    """Absolute dotted names of everything that ``path`` imports, at any depth of the code."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join([*origin, *filter(None, [node.module])])
            # "from avguard import media": the module meant is avguard.media.
            names = [alias.name for alias in node.names] if prefix == "avguard" else []
            yield from (f"{prefix}.{name}" for name in names)
            if not names:
                yield prefix


def own_rooms(path: Path) -> set[str]:
    names = (name.split(".") for name in imported(path))
    return {parts[0] if parts[0] == "export" else parts[1] for parts in names if is_own(parts)}


def is_own(parts: list[str]) -> bool:
    # A name that is no room is one that avguard/__init__.py hands out, which is the product's door.
    return parts[0] == "export" or (parts[0] == "avguard" and len(parts) > 1 and is_room(parts[1]))


def is_room(name: str) -> bool:
    return name == "_core" or (ROOT / "avguard" / name).is_dir() or (ROOT / "avguard" / f"{name}.py").is_file()


def libraries(path: Path) -> set[str]:
    tops = {name.partition(".")[0] for name in imported(path)}
    # _typeshed exists for type checkers only.
    return {top for top in tops if top not in sys.stdlib_module_names} - {"avguard", "export", "_typeshed"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_stays_in_its_room(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f"{room} is a new room: say in ROOMS whom it may import"
    assert own_rooms(path) - ROOMS[room] - {room} == set()
    assert libraries(path) - INFERENCE_LIBRARIES - LIBRARIES.get(room, set()) == set()


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) != "export"], ids=relative)
def test_module_opens_no_network(path: Path) -> None:
    assert {name.partition(".")[0] for name in imported(path)} & NETWORK == set()


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) not in TALKERS], ids=relative)
def test_library_code_prints_nothing(path: Path) -> None:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    assert [name.lineno for name in calls if isinstance(name, ast.Name) and name.id == "print"] == []


def test_import_checker_sees_every_form() -> None:
    """The checker itself: this file's imports and a room's relative ones are read as a person would."""
    assert {"ast", "subprocess", "collections.abc", "pytest"} <= set(imported(Path(__file__)))
    assert "spec" in ROOMS["media"]
    assert "torch" not in INFERENCE_LIBRARIES


IMPORT_PROBE = """
import json, sys, time

def refuse(event, args):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise RuntimeError(event)

sys.addaudithook(refuse)
start = time.process_time()
import avguard
avguard.check, avguard.Checker, avguard.Verdict
seconds = time.process_time() - start
with open("/proc/self/status") as status:
    resident_mb = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
modules = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"seconds": seconds, "resident_mb": resident_mb, "modules": modules}))
"""


def test_import_is_light_silent_and_offline(tmp_path: Path) -> None:
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT_PROBE], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stderr == ""
        runs.append(json.loads(done.stdout))  # one JSON line and nothing else: the import printed nothing
    heavy = {"torch", "torchvision", "cv2", "executorch", "ray", "scipy", "sklearn", "onnxruntime", "pandas"}
    assert heavy & set(runs[0]["modules"]) == set()
    # Processor time; the bound, several times what it takes, catches a heavy import, not a slow machine.
    assert min(run["seconds"] for run in runs) < 0.6
    assert max(run["resident_mb"] for run in runs) < 40


CODE = {".py", ".pyi", ".cc", ".h", ".c", ".cmake", ".toml", ".sh", ".js", ".ts", ".kt", ".swift", ".yml", ".yaml"}
NAMED = {"CMakeLists.txt", "Makefile", "run", ".gitignore", ".clang-format"}
PROSE = {".md", ".json", ".html", ".txt", ".csv"}


def house_files() -> list[Path]:
    """What git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def is_code(path: Path) -> bool:
    return "third_party" not in path.parts and (path.suffix in CODE or path.name in NAMED)


def test_every_source_file_says_its_licence() -> None:
    sources = [path for path in house_files() if is_code(path)]
    assert len(sources) > 20
    bare = [relative(path) for path in sources if not says_licence(path)]
    assert bare == []


def says_licence(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8").splitlines()
    # Some first lines must be first: which interpreter, which release of Swift's package manager.
    first = lines[1:2] if lines and lines[0].startswith(("#!", "// swift-tools-version")) else lines[:1]
    return not lines or any("SPDX-License-Identifier: Apache-2.0" in line for line in first)


def test_no_file_names_a_path_of_one_machine() -> None:
    # Written in pieces, or this file would name them itself.
    names = ["/" + "work/[a-z.]", "/" + r"root/[\w.]", "/" + r"home/\w", "/" + r"tmp/(?:w|venv)\b"]
    places = re.compile(r"(?<!\w)(?:" + "|".join(names) + ")")  # "runs" + such a name is relative
    texts = [path for path in house_files() if is_code(path) or path.suffix in PROSE]
    assert [relative(path) for path in texts if places.search(path.read_text(encoding="utf-8"))] == []


INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"/]+)/', re.MULTILINE)
# Station -> the stations it may include: faces are found in images and warped out of them.
INCLUDES = {"face": {"video"}}


def stations() -> list[Path]:
    return sorted(path for path in (ROOT / "cpp" / "src").iterdir() if path.is_dir())


@pytest.mark.parametrize("station", stations(), ids=lambda path: path.name)
def test_stations_do_not_include_each_other(station: Path) -> None:
    others = {path.name for path in stations()} - {station.name} - INCLUDES.get(station.name, set())
    sources = [path for path in station.rglob("*") if path.suffix in {".cc", ".h"}]
    found = {(relative(path), name) for path in sources for name in INCLUDE.findall(path.read_text(encoding="utf-8"))}
    assert {(source, name) for source, name in found if name in others} == set()
