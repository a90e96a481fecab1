# SPDX-License-Identifier: Apache-2.0
"""The Android binding on a desktop JVM: the same C and Java, built for this machine and run by JUnit on golden clips.

What needs the Android SDK is parsed by the JDK's own parser and its names are looked up in Android's API, no more.
"""

from __future__ import annotations

import re
import runpy
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import avguard
from avguard.media import open_media
from avguard.models import default_path
from tests.native.conftest import BUILD, ROOT, Sdk, build, run, sdk  # noqa: F401 - the fixture

ANDROID = ROOT / "mobile_demo" / "android"
LIBRARY = ANDROID / "avguard" / "src"
JARS = ":".join(f"/usr/share/java/{name}.jar" for name in ("junit4", "hamcrest", "json-android"))
MAKE_RAW = runpy.run_path(str(ROOT / "cpp" / "examples" / "camera" / "make_raw.py"))
# All four kinds, of the test split: picture fake, sound fake twice, both, neither twice.
CLIPS = ("bbcc78be3a14", "07dd07497d37", "d18d3f98ed04", "7fcc7d663cf2", "f7066ea5d4d2", "3597b3fc8745")
PAGE_BYTES = 0x4000


@dataclass(frozen=True)
class Binding:
    """Compiled classes and the folder with libavguard_jni.so."""

    classes: Path
    library: Path

    def junit(self, *tests: str, **settings: Path) -> str:
        """Output of JUnit for these classes; fails when one of them does."""
        options = [f"-Davguard.{name}={value}" for name, value in settings.items()]
        command = ["java", "-Xcheck:jni", f"-Djava.library.path={self.library}", *options]
        command += ["-cp", f"{self.classes}:{JARS}", "org.junit.runner.JUnitCore", *tests]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
        assert re.search(r"^OK \(\d+ tests?\)$", done.stdout, re.MULTILINE), done.stdout
        # What -Xcheck:jni has to say of the C side.
        assert "WARNING in native method" not in done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def binding(sdk: Sdk) -> Binding:  # noqa: F811
    folder = BUILD / "android"
    classes, headers = folder / "classes", folder / "headers"
    sources = sorted(LIBRARY.rglob("*.java"))
    run("javac", "--release", "11", "-Xlint:all", "-Werror", "-cp", JARS, "-h", headers, "-d", classes, *sources)
    options = (f"-DCMAKE_PREFIX_PATH={sdk.prefix}", f"-DJNI_HEADERS={headers}")
    return Binding(classes, build(LIBRARY / "main" / "cpp", folder / "jni", *options))


@pytest.fixture
def golden(shared: Path, tmp_path: Path) -> Path:
    """A folder for each clip: raw frames and sound, and the JSON that Python gives."""
    write: Callable[..., None] = MAKE_RAW["write"]
    with avguard.Checker() as checker:
        for name in CLIPS:
            clip, folder = shared / "data" / "clips" / f"{name}.mp4", tmp_path / name
            folder.mkdir()
            with open_media(clip) as reader:
                write(reader, folder)
            (folder / "verdict.json").write_text(checker.check(clip).to_json() + "\n", encoding="utf-8")
    return tmp_path


def test_golden_clips_get_the_bytes_of_python(binding: Binding, golden: Path) -> None:
    said = binding.junit("org.avguard.GoldenTest", bundle=default_path(), golden=golden)
    print(said)
    assert said.count("equal to the byte") == len(CLIPS)


def test_the_binding_refuses_what_it_must(binding: Binding) -> None:
    binding.junit("org.avguard.ContractTest", bundle=default_path())


def test_the_library_suits_16_kib_pages_and_exports_the_natives_alone(binding: Binding) -> None:
    library = binding.library / "libavguard_jni.so"
    headers = subprocess.run(["readelf", "-lW", str(library)], check=True, capture_output=True, text=True).stdout
    loads = [line for line in headers.splitlines() if " LOAD " in line]
    assert loads
    assert all(int(line.split()[-1], 16) >= PAGE_BYTES for line in loads)
    command = ["nm", "-D", "--defined-only", str(library)]
    exported = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[2::3]
    declared = re.findall(r"static native \S+ (\w+)\(", (LIBRARY / "main/java/org/avguard/Native.java").read_text())
    assert sorted(exported) == sorted(f"Java_org_avguard_Native_{name}" for name in declared)
