# SPDX-License-Identifier: Apache-2.0
"""Nothing is ever written to the descriptors 1 and 2, neither by the core nor by the libraries below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

LINE = """
import sys
sys.path.append(sys.argv[1])
import skimage.data
from avguard import _core
from avguard.errors import AvguardError
from avguard.line import open_extractor
from export.seal import seal

photo = skimage.data.astronaut()
session = _core.Session(open_extractor(), extract=True)
for k in range(3):
    session.push_frame([photo], "rgb24", 512, 512, 40_000 * k)
session.finish()
assert len(session.extracted()["tracks"]) == 1
# ExecuTorch explains at length, in its log, why it refuses a program.
try:
    _core.Program(seal(bytes(4096)))
except AvguardError:
    pass
else:
    raise AssertionError("zeros were taken for a program")
"""


def run(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", program, str(ROOT)]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=120, env=os.environ | environment)


def test_face_models_and_refused_programs_print_nothing(tmp_path: Path) -> None:
    done = run(LINE, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_libraries_below_log_into_the_cores_silence(tmp_path: Path) -> None:
    """What they say where /proc or /sys are odd, or while they are loaded, cannot be provoked everywhere. So this asks
    glibc's loader where it bound their log functions.
    """
    program = "import sys; sys.path.append(sys.argv[1]); import avguard._core"
    log = tmp_path / "bindings"
    assert run(program, tmp_path, LD_DEBUG="bindings", LD_BIND_NOW="1", LD_DEBUG_OUTPUT=str(log)).returncode == 0
    text = "".join(path.read_text(errors="replace") for path in tmp_path.glob("bindings*"))
    bound = re.findall(r"binding file \S*/(\S+) \[\d+\] to \S*/(\S+) \[\d+\]: \w+ symbol `(\w+)'", text)
    wanted = {"cpuinfo_vlog_error", "cpuinfo_vlog_fatal", "et_pal_emit_log_message"}
    places = {(who, what): where for who, where, what in bound if what in wanted and who.startswith("libexecutorch")}
    assert {what for _, what in places} == wanted
    assert {where.partition(".")[0] for where in places.values()} == {"_core"}
