# SPDX-License-Identifier: Apache-2.0
"""The installed SDK: its header, its symbols and sizes, and a C program of somebody else's against it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.core import talking
from tests.native.conftest import BIN, ROOT, Sdk, judge, output, run

STRIPPED_LIMIT_BYTES = 600_000
PAGE_BYTES = 0x4000
CLIP_US = talking.FRAMES * 40_000


def numbers(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"(\w+) (-?\d+)", text.splitlines()[-1])}


@pytest.mark.parametrize("standard", ["c99", "c11", "c++17"])
def test_the_header_compiles_without_a_warning(sdk: Sdk, standard: str, tmp_path: Path) -> None:
    source = tmp_path / ("header.cc" if "++" in standard else "header.c")
    source.write_text('#include "avguard.h"\nint main(void) { return avg_abi_version() == AVG_ABI_VERSION ? 0 : 1; }\n')
    strict = ("-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only")
    run("g++" if "++" in standard else "gcc", f"-std={standard}", *strict, "-I", sdk.prefix / "include", source)


def test_exported_symbols_are_those_that_git_lists(sdk: Sdk) -> None:
    lines = output("nm", "-D", "--defined-only", sdk.library).splitlines()
    wanted = [line for line in (ROOT / "cpp/abi/symbols.txt").read_text().split("\n") if line and line[0] != "#"]
    assert sorted(line.split()[-1] for line in lines) == wanted
    declared = set(re.findall(r"^AVG_API .*?\b(avg_\w+)\(", (ROOT / "cpp/include/avguard.h").read_text(), re.MULTILINE))
    assert declared == set(wanted)


def test_pages_and_size_suit_a_phone(sdk: Sdk, tmp_path: Path) -> None:
    loads = [line for line in output("readelf", "-lW", sdk.library).splitlines() if " LOAD " in line]
    assert loads
    assert all(int(line.split()[-1], 16) >= PAGE_BYTES for line in loads)
    run("strip", "-o", tmp_path / "stripped.so", sdk.library)
    size = (tmp_path / "stripped.so").stat().st_size
    print(f"stripped {size} bytes")
    assert size <= STRIPPED_LIMIT_BYTES


@pytest.mark.parametrize("kind", ["avguard", "static"])
def test_a_c_program_prints_the_bytes_of_python(sdk: Sdk, raw: Path, kind: str) -> None:
    assert judge(sdk.consumer / f"judge_{kind}", raw, "json") == talking.expected()


def test_pkg_config_is_enough_to_build_against_it(sdk: Sdk, raw: Path, tmp_path: Path) -> None:
    found = f"--define-variable=pcfiledir={sdk.prefix}/lib/pkgconfig"
    package = sdk.prefix / "lib" / "pkgconfig" / "avguard.pc"
    flags = output("pkg-config", found, "--cflags", "--libs", package).split()
    program = tmp_path / "judge"
    run("gcc", "-std=c99", ROOT / "cpp/tests/consumer/judge.c", "-o", program, *flags, f"-Wl,-rpath,{sdk.prefix}/lib")
    assert judge(program, raw, "json") == talking.expected()


def test_ten_minutes_without_the_heap(sdk: Sdk, raw: Path) -> None:
    facts = numbers(judge(sdk.consumer / "judge_avguard", raw, "minutes", str(CLIP_US)))
    print(facts)
    assert facts["seconds"] >= 590
    assert facts["heap_calls"] == 0
    assert facts["arena_bytes"] > 1_000_000


def test_ten_thousand_resets_leave_nothing_behind(sdk: Sdk, raw: Path) -> None:
    facts = numbers(judge(sdk.consumer / "judge_avguard", raw, "resets"))
    assert facts["heap_growth"] == 0
    # Where glibc puts the engine's blocks may change once, by 1.6 to 2.3 MB; a kilobyte lost in each would be 10.
    assert facts["rss_growth_kb"] < 4096


def test_memory_that_runs_out_is_a_status_and_leaks_nothing(sdk: Sdk, raw: Path) -> None:
    facts = numbers(judge(sdk.consumer / "judge_avguard", raw, "starve", "0", "3"))
    print(facts)
    assert facts["points"] > 100
    assert facts["leaked"] == facts["internal"] == facts["model"] == facts["engine"] == 0
    # Only the last round runs to its end.
    assert facts["ok"] == 1
    assert facts["no_memory"] > 30


def test_the_installed_package_refuses_another_version(sdk: Sdk, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(p C)\nfind_package(avguard 99 REQUIRED)\n"
    )
    command = [BIN / "cmake", "-S", tmp_path, "-B", tmp_path / "b", f"-DCMAKE_PREFIX_PATH={sdk.prefix}"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode != 0
    assert "avguard" in done.stderr
