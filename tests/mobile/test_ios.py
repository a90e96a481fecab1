# SPDX-License-Identifier: Apache-2.0
"""mobile_demo/ios, which no machine of ours can build: its Swift is parsed, and its CoreML programs are run.

The bundle that the app loads is opened by the core through the engine table, with export.mil in CoreML's place: names
and shapes that the core asks an engine for are those of the packages, the core's self-test passes, a clip is judged.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import tree_sitter_swift
from tree_sitter import Language, Parser

import avguard
from export import ios
from export.mil import Program
from tests.mobile.engine_table import Arrays, Core, Engine, Network
from tests.mobile.parsing import errors
from tests.mobile.wheel import mediapipe
from tests.native.conftest import ROOT, Sdk, sdk  # noqa: F401 - the fixture

IOS = ROOT / "mobile_demo" / "ios"
SWIFT = sorted(path for path in IOS.rglob("*.swift") if "build" not in path.relative_to(IOS).parts)
LIBRARY = IOS / "Sources" / "Avguard"
CLIP = "7fcc7d663cf2"
TOLERANCE = 1.1e-3  # 1e-3, and both sides are rounded to 1e-4


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `python -m export.ios` writes."""
    folder = tmp_path_factory.mktemp("ios") / "bundle"
    ios.write(ROOT / "export" / "checkpoints" / "joint.pt", mediapipe(), folder)
    return folder


@pytest.fixture(scope="module")
def programs(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Program]:
    """Each role's package, laid out from the bundle as CoreMLEngine.swift does, and opened."""
    found = {}
    for role in swift_texts("ModelFiles.swift", "roles"):
        package = tmp_path_factory.mktemp("packages") / f"{role}.mlpackage"
        for name, path in ios.PARTS.items():
            (package / path).parent.mkdir(parents=True, exist_ok=True)
            (package / path).write_bytes((bundle / f"{role}.{name}").read_bytes())
        found[role] = Program(package)
    return found


def network(program: Program) -> Network:
    def run(given: Arrays) -> Arrays:
        return program.run(given)

    return run


@pytest.fixture(scope="module")
def engine(programs: dict[str, Program]) -> Engine:
    said = [swift_texts("CoreMLEngine.swift", name)[0] for name in ("name", "specificationVersion")]
    return Engine(said[0], said[1], {role: network(program) for role, program in programs.items()})


@pytest.fixture(scope="module")
def core(sdk: Sdk, bundle: Path, engine: Engine) -> Core:  # noqa: F811
    return Core(sdk.library, bundle, engine)


def swift_texts(file: str, constant: str) -> list[str]:
    """The string literals of ``static let constant = ...`` in one of the package's files."""
    source = (LIBRARY / file).read_text(encoding="utf-8")
    found = re.search(rf"static let {constant} = (.+)", source)
    assert found is not None, f"{file} has no {constant}"
    return re.findall(r'"([^"]*)"', found[1])


@pytest.mark.parametrize("file", SWIFT, ids=lambda file: file.name)
def test_swift_is_swift(file: Path) -> None:
    parser = Parser(Language(tree_sitter_swift.language()))
    source = file.read_bytes()
    assert errors(parser.parse(source)) == []
    # The parser is one that can say no.
    assert errors(parser.parse(source + b"\nfunc ("))


def test_the_bundle_holds_the_files_that_swift_reads(bundle: Path) -> None:
    parts = [swift_texts("ModelFiles.swift", name)[0] for name in ("packageManifest", "specification", "weights")]
    assert parts == list(ios.PARTS)
    read = {swift_texts("ModelFiles.swift", name)[0] for name in ("manifest", "selfTest")}
    read |= {f"{role}.{part}" for role in swift_texts("ModelFiles.swift", "roles") for part in parts}
    assert read | {"NOTICE.md"} == {path.name for path in bundle.iterdir()}
    places = (LIBRARY / "CoreMLEngine.swift").read_text(encoding="utf-8")
    assert all(folder in places for folder in ('"Data/com.apple.CoreML"', '"weights/'))
    manifest = json.loads((bundle / "manifest.json").read_text())
    name, version = (swift_texts("CoreMLEngine.swift", name)[0] for name in ("name", "specificationVersion"))
    assert manifest["runtime"] == {name: version}


def test_coreml_programs_have_what_the_core_asks_an_engine_for(
    core: Core, engine: Engine, programs: dict[str, Program], bundle: Path
) -> None:
    from coremltools.proto import FeatureTypes_pb2, Model_pb2

    assert core.session_bytes() > 0
    assert set(engine.asked) == set(programs) == set(swift_texts("ModelFiles.swift", "roles"))
    for role, asked in engine.asked.items():
        model = Model_pb2.Model.FromString((bundle / f"{role}.{ios.PROGRAM}").read_bytes())
        # Package.swift's iOS 17 reads this.
        assert str(model.specificationVersion) == swift_texts("CoreMLEngine.swift", "specificationVersion")[0]
        for found, wanted in zip((model.description.input, model.description.output), asked, strict=True):
            arrays = {value.name: value.type.multiArrayType for value in found}
            assert {name: tuple(array.shape) for name, array in arrays.items()} == wanted
            assert {array.dataType for array in arrays.values()} == {FeatureTypes_pb2.ArrayFeatureType.FLOAT32}


def test_the_core_judges_a_clip_on_coreml_programs(core: Core, shared: Path) -> None:
    clip = shared / "data" / "clips" / f"{CLIP}.mp4"
    got = json.loads(core.check(clip))
    with avguard.Checker(engine="float") as checker:
        wanted = json.loads(checker.check(clip).to_json())
    assert got["label"] == wanted["label"]
    off = {head: abs(got["score"][head] - wanted["score"][head]) for head in wanted["score"]}
    print(off)
    assert max(off.values()) <= TOLERANCE


def test_an_altered_package_is_refused(sdk: Sdk, bundle: Path, engine: Engine, tmp_path: Path) -> None:  # noqa: F811
    for path in bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "joint_float.weight.bin"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"joint_float\.weight\.bin was altered"):
        Core(sdk.library, tmp_path, engine)


def test_the_script_builds_what_the_package_links() -> None:
    script = IOS / "scripts" / "build_xcframework.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    package = (IOS / "Package.swift").read_text(encoding="utf-8")
    path = re.search(r'path: "(build/\w+\.xcframework)"', package)
    assert path is not None
    text = script.read_text(encoding="utf-8")
    assert f"-output {path[1]}" in text
    assert "avg_core" in (ROOT / "cpp" / "CMakeLists.txt").read_text(encoding="utf-8")
    module = (IOS / "include" / "module.modulemap").read_text(encoding="utf-8")
    assert re.findall(r"module (\w+) \{", module) == ["CAvguard"]
    assert '.binaryTarget(name: "CAvguard"' in package
