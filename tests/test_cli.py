# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes that scripts can trust, JSON on stdout, words for people, progress on stderr."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import avguard
import avguard.spec
from avguard import cli, errors
from avguard.api import check
from avguard.verdict import Verdict
from tests import make_demo
from tests.models.bundles import copy_bundle, edit, replace_file

LABELS = {"real": (2.0, 2.0, 0), "fake": (0.0, 0.0, 1), "inconclusive": (2.0, -1.0, 2)}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo.write_demo(tmp_path_factory.mktemp("talk") / "talk.mp4", 2.6)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles that give each label to every clip that can be judged."""
    folder = tmp_path_factory.mktemp("bundles")
    made = {}
    for label, (fake_above, real_below, _) in LABELS.items():
        thresholds = {"fake_above": fake_above, "real_below": real_below}
        made[label] = edit(copy_bundle(folder / label), lambda raw, t=thresholds: raw["calibration"].update(t))
    return made


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``avguard`` in a process of its own, importing what this one imports."""
    boot = "import sys; sys.path[:] = eval(sys.argv.pop(1)); from avguard.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", boot, repr(sys.path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


@pytest.mark.parametrize("label", LABELS)
def test_the_exit_code_is_the_verdict(
    clip: Path, bundles: dict[str, Path], label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--model", str(bundles[label]), str(clip)]) == LABELS[label][2]
    shown = capsys.readouterr()
    assert shown.out.startswith(cli.SENTENCES[label])
    assert shown.err == ""


def test_json_is_the_verdict(clip: Path, tmp_path: Path) -> None:
    ended = run("check", "--json", str(clip), cwd=tmp_path)
    assert ended.returncode in (0, 1, 2)
    assert ended.stderr == ""
    assert ended.stdout == check(clip).to_json() + "\n"
    assert cli.EXIT_CODES[Verdict.from_json(ended.stdout).label] == ended.returncode


def test_stream_tells_windows_before_the_verdict(clip: Path, tmp_path: Path) -> None:
    ended = run("stream", str(clip), cwd=tmp_path)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.stderr == ""
    assert [line["kind"] for line in lines].count("verdict") == 1
    assert {"track_found", "window"} <= {line["kind"] for line in lines[:-1]}
    verdict = Verdict.from_json(json.dumps(lines[-1]["verdict"]))
    assert verdict == check(clip)
    assert ended.returncode == cli.EXIT_CODES[verdict.label]


def test_words_tell_what_the_json_tells(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = check(clip)
    code = cli.main(["check", str(clip), "--quiet"])
    text = capsys.readouterr().out
    assert code == cli.EXIT_CODES[verdict.label]
    assert f"overall {verdict.score.overall:.2f}" in text
    assert f"{verdict.quality.face_s:.1f} s of face" in text
    assert verdict.model.id in text
    assert text.count("\n") < 20
    assert text.isprintable() or set(text) - {"\n"} <= set(map(chr, range(32, 127)))


def test_every_reason_has_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(32000), 16000)
    assert cli.main(["check", str(tmp_path / "silent.wav")]) == 2
    out = capsys.readouterr().out
    assert out.startswith("cannot be told (there is no picture; no speech was heard)")
    assert "overall -" in out


def broken(kind: str, folder: Path, clip: Path) -> list[str]:
    """Arguments that end in an error."""
    path = folder / "clip.mp4"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("hello world\n" * 100)
    elif kind == "cut":
        path.write_bytes(clip.read_bytes()[:30_000])
    elif kind == "directory":
        return [str(folder)]
    elif kind == "model":
        return [str(clip), "--model", str(folder)]
    elif kind == "altered model":
        bundle = copy_bundle(folder / "bundle")
        (bundle / "face_mesh.pte").write_bytes(b"x")
        return [str(clip), "--model", str(bundle)]
    elif kind == "wrong model":
        bundle = copy_bundle(folder / "bundle")
        raw = json.loads((bundle / "self_test.json").read_text())
        for logits in raw["logits"].values():
            logits[0] += 9
        return [str(clip), "--model", str(replace_file(bundle, "self_test.json", json.dumps(raw).encode()))]
    return [str(path)]


ENDS = {
    "missing": errors.InputNotFoundError,
    "directory": errors.InputNotFoundError,
    "empty": errors.MediaError,
    "text": errors.MediaError,
    "cut": errors.MediaError,
    "model": errors.ModelError,
    "altered model": errors.ModelError,
    "wrong model": errors.ModelError,
}


@pytest.mark.parametrize("kind", ENDS)
def test_errors_have_their_codes_and_one_line(
    kind: str, tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(["check", *broken(kind, tmp_path, clip)])
    shown = capsys.readouterr()
    assert code == ENDS[kind].code >= 3
    assert shown.out == ""
    assert shown.err.startswith("avguard: ")
    assert shown.err.count("\n") == 1


def test_codes_are_distinct_and_no_verdicts() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AvguardError)]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert min(codes) >= 3
    assert max(codes) < 126


@pytest.mark.parametrize("arguments", [[], ["check"], ["what"], ["check", "a", "b"], ["check", "a", "--engine", "x"]])
def test_wrong_usage_is_no_verdict(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == errors.UsageError.code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "usage: avguard" in shown.err


def test_a_bug_is_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "Checker", fail)
    assert cli.main(["check", "a.mp4"]) == errors.AvguardError.code
    assert "RuntimeError: a bug" in capsys.readouterr().err


def test_interrupting_is_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "Checker", fail)
    assert cli.main(["check", "a.mp4"]) == 130
    assert capsys.readouterr().err == "avguard: interrupted\n"


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, text in ((["--version"], avguard.__version__), (["check", "--help"], "inconclusive")):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 0
        assert text in capsys.readouterr().out


def test_engines(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for engine in ("float", "int8"):
        assert cli.main(["check", "--json", "--engine", engine, str(clip)]) in (0, 1, 2)
        assert json.loads(capsys.readouterr().out)["model"]["engine"] == f"executorch-xnnpack-{engine}"


def terminal_text(arguments: list[str]) -> tuple[str, str]:
    """(stdout, what a terminal at stderr is shown)."""
    main_end, other_end = pty.openpty()
    boot = "import sys; sys.path[:] = eval(sys.argv.pop(1)); from avguard.cli import main; main()"
    command = [sys.executable, "-c", boot, repr(sys.path), *arguments]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=other_end, text=True, check=True, timeout=120)
    os.close(other_end)
    shown = b""
    try:
        while chunk := os.read(main_end, 65536):
            shown += chunk
    except OSError:
        pass  # Linux ends a terminal without writers this way.
    finally:
        os.close(main_end)
    return ended.stdout, shown.decode()


def test_progress_is_for_terminals(clip: Path) -> None:
    out, shown = terminal_text(["check", "--json", str(clip)])
    assert json.loads(out)["schema"] == "avguard.verdict/1"
    assert "check 100 %" in shown or "check 9" in shown
    assert terminal_text(["check", "--json", "--quiet", str(clip)]) == (out, "")


def test_doctor_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert report["problems"] == []
    assert report["spec_hash"] == avguard.spec.load_spec().hash
    assert set(report["self_test_logits_off"]) == {"float", "int8"}
    assert report["engine"] in ("float", "int8")
    assert cli.main(["doctor"]) == 0
    assert "ok: True" in capsys.readouterr().out


def test_doctor_finds_a_broken_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from avguard.models import store

    bundle = copy_bundle(tmp_path / "bundle")
    (bundle / "face_mesh.pte").unlink()
    monkeypatch.setattr(store, "default_path", lambda: bundle)
    assert cli.main(["doctor", "--json"]) >= 3
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert any("face_mesh.pte" in problem for problem in report["problems"])


def test_it_is_a_module_too(tmp_path: Path) -> None:
    boot = "import sys, runpy; sys.path[:] = eval(sys.argv.pop(1)); runpy.run_module('avguard', run_name='__main__')"
    command = [sys.executable, "-c", boot, repr(sys.path), "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, f"avguard {avguard.__version__}\n")
