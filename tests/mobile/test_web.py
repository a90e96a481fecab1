# SPDX-License-Identifier: Apache-2.0
"""The page in Chromium: mobile_demo/web/tests, on a page built here. `make web-test` runs this alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mobile import web_material
from tests.mobile.wheel import mediapipe
from tests.native.conftest import ROOT

WEB = ROOT / "mobile_demo" / "web"
TOOLS = ("clang++-19", "wasm-ld-19", "npm", "chromium")
# Brotli's best level takes a minute for 14 MB of WebAssembly, and changes no test.
QUICKLY = {"BROTLI": "1"}


@pytest.fixture(scope="module")
def page() -> Path:
    """The built page; where a tool is missing the test is skipped, in CI it fails."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        said = f"{', '.join(missing)} missing: .ci/packages installs what builds and shows the page"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    mediapipe()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | QUICKLY
    done = subprocess.run(["make", "web"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return WEB


def test_the_page_in_chromium(page: Path, shared: Path, tmp_path: Path) -> None:
    clips = shared / "data" / "clips"
    golden = web_material.golden(clips)
    (tmp_path / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    web_material.write_faceless(tmp_path / "faceless.mp4")
    camera = clips / f"{web_material.CAMERA}.mp4"
    web_material.write_camera(camera, tmp_path / "camera.y4m", tmp_path / "microphone.wav")
    environment = os.environ | {"AVGUARD_MATERIAL": str(tmp_path)}
    done = subprocess.run(["npm", "test"], cwd=page, env=environment, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    counted = re.search(r"Tests\s+(\d+) passed", re.sub(r"\x1b\[[0-9;]*m", "", done.stdout))
    assert counted is not None
    assert int(counted[1]) > len(golden)
