# SPDX-License-Identifier: Apache-2.0
"""The parts of mobile_demo/android that need the Android SDK, which no machine of ours has: parsed, not compiled.

Java is parsed by the compiler's own parser, Gradle's Kotlin by tree-sitter; names of Android's API 36 are looked up in
its type stubs, our own in our sources. CameraX and the rest of androidx have no stubs: theirs are not looked up.
"""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tree_sitter_kotlin
from tree_sitter import Language, Parser

from tests.mobile.parsing import errors

ROOT = Path(__file__).resolve().parents[2]
ANDROID = ROOT / "mobile_demo" / "android"
APP = ANDROID / "app" / "src" / "main"
JAVA = sorted(APP.rglob("*.java"))
OURS = ANDROID / "avguard" / "src" / "main" / "java"
ANDROID_XML = "{http://schemas.android.com/apk/res/android}"


def names(*files: Path) -> list[list[str]]:
    """What Names.java prints for these files: [TYPE] or [TYPE, MEMBER]."""
    command = ["java", str(Path(__file__).with_name("Names.java")), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return sorted({tuple(line.split(" ")) for line in done.stdout.splitlines() if line.count(" ") <= 1})


@cache
def stub(package: str) -> ast.Module | None:
    """Android's stubs of one package."""
    spec = find_spec("android-stubs")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0], *package.split(".")[1:])
    found = [file for file in (path / "__init__.pyi", path.with_suffix(".pyi")) if file.is_file()]
    return ast.parse(found[0].read_text(encoding="utf-8")) if found else None


def class_of(qualified: str) -> tuple[str, ast.ClassDef] | None:
    """The package and stub of a class, also of one inside a class."""
    words = qualified.split(".")
    split = next(i for i, word in enumerate(words) if word[0].isupper())
    package = ".".join(words[:split])
    node: ast.Module | ast.ClassDef | None = stub(package)
    for word in words[split:]:
        inside = node.body if node is not None else []
        node = next((item for item in inside if isinstance(item, ast.ClassDef) and item.name == word), None)
    return (package, node) if isinstance(node, ast.ClassDef) else None


def members(qualified: str) -> set[str]:
    """Fields, methods and inner classes of an Android class, those of its base classes too."""
    found = class_of(qualified)
    assert found is not None, f"Android has no {qualified}"
    package, node = found
    own = {item.name for item in node.body if isinstance(item, (ast.FunctionDef, ast.ClassDef))}
    own |= {
        item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    for base in node.bases:
        text = ast.unparse(base)
        name = text if text.startswith("android.") else f"{package}.{text}"
        if class_of(name) is not None:
            own |= members(name)
    return own


def test_android_has_what_the_app_asks_of_it() -> None:
    asked = [name for name in names(*JAVA) if name[0].startswith("android.")]
    assert len(asked) > 100
    for qualified, *member in asked:
        known = members(qualified)
        assert set(member) <= known, f"{qualified} has no {member}"


def test_a_misspelt_name_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "Odd.java").write_text(
        "import android.media.MediaCodec;\nclass Odd { void f(MediaCodec codec) { codec.queueInputBufer(0); } }\n"
    )
    ((qualified, member),) = [name for name in names(tmp_path / "Odd.java") if len(name) == 2]
    assert member not in members(qualified)
    (tmp_path / "Broken.java").write_text("class Broken { void f( {} }")
    with pytest.raises(AssertionError, match="error"):
        names(tmp_path / "Broken.java")


def test_the_binding_has_what_the_app_asks_of_it() -> None:
    asked = [name for name in names(*JAVA) if re.match(r"org\.avguard\.[A-Z]", name[0])]
    assert len(asked) > 40
    for qualified, *member in asked:
        source = (OURS / "org" / "avguard" / f"{qualified.split('.')[2]}.java").read_text(encoding="utf-8")
        assert all(re.search(rf"\b{name}\b", source) for name in member), f"{qualified} has no {member}"


def test_resources_are_there() -> None:
    defined = set()
    for file in APP.rglob("*.xml"):
        for element in ElementTree.parse(file).iter():
            if file.parent.name == "values":
                defined.add((element.tag, element.get("name")))
            elif identity := element.get(f"{ANDROID_XML}id"):
                defined.add(("id", identity.removeprefix("@+id/")))
    defined |= {("layout", file.stem) for file in (APP / "res" / "layout").glob("*.xml")}
    text = "".join(file.read_text(encoding="utf-8") for file in JAVA)
    asked = set(re.findall(r"(?<!android\.)\bR\.(\w+)\.(\w+)", text))
    for file in APP.rglob("*.xml"):
        asked |= set(re.findall(r'"@(string|color)/(\w+)"', file.read_text(encoding="utf-8")))
    assert len(asked) > 40
    assert asked <= defined


def test_views_of_the_layout_are_classes() -> None:
    tags = {element.tag for element in ElementTree.parse(APP / "res" / "layout" / "main.xml").iter()}
    own = [tag for tag in tags if tag.startswith("org.avguard")]
    assert own
    assert all((APP / "java" / Path(*tag.split("."))).with_suffix(".java").is_file() for tag in own)


@pytest.mark.parametrize("file", sorted(ANDROID.rglob("*.gradle.kts")), ids=lambda file: file.parent.name)
def test_gradle_files_are_kotlin(file: Path) -> None:
    parser = Parser(Language(tree_sitter_kotlin.language()))
    assert errors(parser.parse(file.read_bytes())) == []
    assert errors(parser.parse(file.read_bytes() + b"\nandroid { (\n"))
