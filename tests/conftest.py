# SPDX-License-Identifier: Apache-2.0
"""What every test has at hand: the checkout's root, a synthesised clip, and the shared clips where there are any."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Before numpy or torch are imported: their OpenMP pools read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A bundle that the developer chose with `avguard models use` is not what is tested.
os.environ.pop("AVGUARD_MODEL", None)
os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_DATA_HOME"] = str(ROOT / "build" / "no-such-home")

# `tests` and `export` are found behind the installed packages: in front, the source folder avguard/, which has no
# compiled core, would hide the installed avguard.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT] + [str(ROOT)]

_MISSING = "AVGUARD_SHARED names no folder with data/: the tests on real clips did not run"


def shared_folder() -> Path | None:
    """The folder with data/clips.csv: $AVGUARD_SHARED, or ``shared`` beside the checkout; None if neither is there."""
    named = os.environ.get("AVGUARD_SHARED")
    folder = Path(named) if named else ROOT.parent / "shared"
    return folder.resolve() if (folder / "data" / "clips.csv").is_file() else None


@pytest.fixture
def shared(request: pytest.FixtureRequest) -> Path:
    """The shared folder. Without one its tests are skipped with a warning; where CI is set they fail."""
    folder = shared_folder()
    if folder is not None:
        return folder
    if os.environ.get("CI"):
        pytest.fail(_MISSING)
    request.node.warn(pytest.PytestWarning(_MISSING))
    pytest.skip(_MISSING)


@pytest.fixture(scope="session")
def demo_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talking-face clip synthesised by tests/make_demo.py. Treat as read-only."""
    clip = tmp_path_factory.mktemp("demo") / "clip.mp4"
    program = "import runpy, sys; sys.path.append(sys.argv[1]); del sys.argv[1]; "
    program += "runpy.run_module('tests.make_demo', run_name='__main__', alter_sys=True)"
    subprocess.run([sys.executable, "-c", program, str(ROOT), str(clip)], check=True, cwd=clip.parent)
    return clip


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if _MISSING in str(report.longrepr)]
    if skipped:
        terminalreporter.section("shared clips", sep="!", red=True)
        terminalreporter.line(f"{len(skipped)} tests skipped: {_MISSING}", red=True)
