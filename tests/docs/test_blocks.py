# SPDX-License-Identifier: Apache-2.0
"""Every ```python and ```sh block of the documentation is run as a reader would, each in a fresh folder; those of cpp/
in one folder after each other, with the checkout's path in $AVGUARD.

The folder holds ``clip.mp4`` (synthesised) and ``clips/`` with a copy of it. A python block runs on its own; the
commands of a shell block run one after the other and must succeed (the verdicts of ``avguard check``, ``stream`` and
``scan``, exit codes 0 to 2, are success). Three kinds of command are not run but checked, because running them inside
the suite would start the suite again or install another avguard: of ``make`` that its targets exist, of ``pip install``
that the package's extras exist; ``git clone``, ``cd avguard``, and making and entering a virtual environment are passed
over. A block below ``<!-- not-run: reason -->`` is listed, its reason checked; there may be few.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path

import pytest

from tests.native.conftest import alone

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (".", "avguard/scan", "cpp", "export", "mobile_demo", "mobile_demo/*")
PAGES = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md"))
SHELL = {"sh", "bash", "shell"}
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not-run: (?P<reason>.+?) -->\s*\Z")
PASSED_OVER = re.compile(r"git clone |cd avguard$|python3? -m venv |(source|\.) \S+/bin/activate$")
VERDICTS = re.compile(r"avguard (check|stream|scan)\b")
# More blocks that nobody runs than this, and the documentation is no longer tested.
MOST_NOT_RUN = 4


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its text, and why it is not run, if it is not."""

    where: str
    language: str
    text: str
    not_run: str | None


def blocks_of(text: str, page: str) -> list[Block]:
    """The python and shell blocks of one page."""
    found = []
    for match in FENCE.finditer(text):
        if match["language"] != "python" and match["language"] not in SHELL:
            continue
        line = text.count("\n", 0, match.start()) + 1
        reason = NOT_RUN.search(text[: match.start()])
        code = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        found.append(Block(f"{page}:{line}", match["language"], code, reason["reason"] if reason else None))
    return found


BLOCKS = [
    block for page in PAGES for block in blocks_of(page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix())
]
RUN = [block for block in BLOCKS if block.not_run is None]
LEFT = [block for block in BLOCKS if block.not_run is not None]


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return {name for line in re.findall(r"^([\w -]+):", text, re.MULTILINE) for name in line.split()}


def is_complete(command: str) -> bool:
    return subprocess.run(["bash", "-n"], input=command, text=True, capture_output=True, check=False).returncode == 0


def commands(text: str) -> list[str]:
    """A shell block as whole commands: lines are joined until bash finds them complete."""
    done, pending = [], ""
    for line in text.splitlines():
        pending += line.removeprefix("$ ") + "\n"
        if (
            not line.endswith("\\")
            and subprocess.run(["bash", "-n"], input=pending, text=True, stderr=-3).returncode == 0
        ):
            done.append(pending.strip())
            pending = ""
    assert not pending, f"not a complete command: {pending}"
    return [command for command in done if command and not command.startswith("#")]


def check_make(command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    targets = [word for word in words if "=" not in word and not word.startswith("-")]
    assert set(targets) <= make_targets(), f"{command}: the Makefile has no such target"


def check_install(command: str) -> None:
    known = set(metadata("avguard").get_all("Provides-Extra") or [])
    named = {extra for group in re.findall(r"(?:avguard|\.)\[([\w, -]+)\]", command) for extra in group.split(",")}
    assert {extra.strip() for extra in named} <= known, f"{command}: pyproject.toml has no such extra"


def script(text: str) -> str:
    """The commands of a block that are to be run, each stopping the script with its own name when it fails."""
    lines = []
    for command in commands(text):
        if re.match(r"make\b", command):
            check_make(command)
        elif re.match(r"(python3? -m )?pip install\b", command):
            check_install(command)
        elif not PASSED_OVER.match(command):
            most = 2 if VERDICTS.search(command) else 0
            refusal = shlex.quote(f"exit status over {most}: {command}")
            lines.append(f"{command}\n[ $? -le {most} ] || {{ echo {refusal} >&2; exit 99; }}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def native_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("native")


@pytest.fixture
def folder(block: Block, tmp_path: Path, native_folder: Path, demo_clip: Path) -> Path:
    """Where a block runs: clip.mp4 and clips/clip.mp4. The blocks of cpp/ go on with what the ones before built."""
    place = native_folder if block.where.startswith("cpp/") else tmp_path
    (place / "clips").mkdir(exist_ok=True)
    shutil.copy(demo_clip, place / "clip.mp4")
    shutil.copy(demo_clip, place / "clips" / "clip.mp4")
    return place


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.where)
def test_block_runs(block: Block, folder: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-c", block.text] if block.language == "python" else ["bash", "-c", script(block.text)]
    # Those of cpp/ build where tests/native does.
    with alone() if block.where.startswith("cpp/") else nullcontext():
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": path, "AVGUARD": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, f"{block.where}\n{done.stdout}\n{done.stderr}"


def test_few_blocks_are_left_out_and_each_says_why() -> None:
    for block in LEFT:
        print(f"not run: {block.where}: {block.not_run}")
        assert len((block.not_run or "").split()) >= 3, f"{block.where}: say why it cannot be run"
    assert len(LEFT) <= MOST_NOT_RUN


def test_readme_shows_python_and_shell() -> None:
    languages = {block.language for block in RUN if block.where.startswith("README.md")}
    assert "python" in languages
    assert languages & SHELL


SAMPLE = """
```python
x = 1
```
<!-- not-run: needs a phone on the desk -->
```sh
adb push \\
  clip.mp4 /sdcard
```
```json
{}
```
- item
  ```bash
  for n in 1 2; do
    echo $n
  done
  false
  ```
"""


def test_reader_of_blocks() -> None:
    """The reader itself: languages, left-out blocks, indented fences, and a failing command that is reported."""
    first, second, third = blocks_of(SAMPLE, "page")
    assert (first.where, first.text, first.not_run) == ("page:2", "x = 1\n", None)
    assert second.not_run == "needs a phone on the desk"
    assert commands(second.text) == ["adb push \\\n  clip.mp4 /sdcard"]
    assert commands(third.text) == ["for n in 1 2; do\n  echo $n\ndone", "false"]
    done = subprocess.run(["bash", "-c", script(third.text)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (99, "1\n2\n")
    assert "exit status over 0: false" in done.stderr


def test_reader_of_make_and_pip() -> None:
    check_make("make check CLIP=clip.mp4")
    check_install('pip install "avguard[test]"')
    with pytest.raises(AssertionError, match="no such target"):
        check_make("make coffee")
    with pytest.raises(AssertionError, match="no such extra"):
        check_install('pip install ".[nonsense]"')
