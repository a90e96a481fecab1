# SPDX-License-Identifier: Apache-2.0
"""Programs compiled with an older avguard.h, and with a later one, run with the library of today."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core import talking
from tests.native import layout
from tests.native.conftest import ROOT, Sdk, judge, run

HEADER = layout.HEADER.read_text()
TABLE = layout.parse(layout.TABLE.read_text())


def test_nothing_that_a_compiled_program_knows_has_changed() -> None:
    assert layout.breaks(TABLE, layout.of(HEADER, TABLE)) == []


def test_the_table_is_of_this_header() -> None:
    assert layout.write(layout.of(HEADER, TABLE)) == layout.TABLE.read_text(), "renew it: python -m tests.native.layout"


def test_no_member_is_missing_in_the_table() -> None:
    for name, struct in TABLE.structs.items():
        ends = [0, *(row.offset + row.size for row in struct.members)]
        starts = [*(row.offset for row in struct.members), struct.size]
        # What lies between two members is too small for a third.
        assert all(0 <= start - end < 8 for start, end in zip(starts, ends, strict=True)), name
    assert set(TABLE.structs) == {name for _, name in layout.STRUCT.findall(layout.bare(HEADER))}


HARM = {
    "a member that is gone": ("  int32_t head;  /*", "  /*"),
    "two members that changed places": ("face_s, face_px;", "face_px, face_s;"),
    "a type of the same size": ("  int64_t t_us;          /*", "  double t_us;          /*"),
    "a larger member": ("int32_t channels;", "int64_t channels;"),
    "a member in the middle": ("  int32_t matrix; ", "  int32_t tint, matrix; "),
    "a member in the padding at the end": ("  size_t max_frame_bytes;", "  int32_t max_frame_bytes, later;"),
    "a longer struct in arrays": ("  int32_t track;\n} avg_face;", "  int32_t track, age;\n} avg_face;"),
    "another number": ("AVG_NV21 = 2", "AVG_NV21 = 7"),
    "another limit, which sizes an array": ("AVG_MAX_RANK = 6", "AVG_MAX_RANK = 8"),
    "an argument more": (
        "avg_session_warn(avg_session* session, ",
        "avg_session_warn(avg_session* session, int kind, ",
    ),
    "an argument of another type": ("size_t* length);", "int32_t* length);"),
    "an engine's call": ("void (*close)(void* network);", "int (*close)(void* network);"),
    "a call that is gone": ("AVG_API const char* avg_version(void);", ""),
}
GROWTH = {
    "a member at the end": ("  void* owner;\n} avg_frame;", "  void* owner;\n  int64_t later;\n} avg_frame;"),
    "a new number": ("AVG_GRAY8 = 6", "AVG_GRAY8 = 6, AVG_P010 = 7"),
    "a new call": ("#ifdef __cplusplus\n}", "AVG_API int avg_new(void);\n#ifdef __cplusplus\n}"),
    "harm that is announced": ("AVG_ABI_VERSION 1", "AVG_ABI_VERSION 2"),
}


def changed(edit: tuple[str, str]) -> layout.Layout:
    assert edit[0] in HEADER
    return layout.of(HEADER.replace(*edit), TABLE)


@pytest.mark.parametrize("what", HARM)
def test_harm_is_seen(what: str) -> None:
    assert layout.breaks(TABLE, changed(HARM[what]))


@pytest.mark.parametrize("what", GROWTH)
def test_growth_is_allowed_and_needs_the_table_renewed(what: str) -> None:
    grown = changed(GROWTH[what])
    assert layout.breaks(TABLE, grown) == []
    assert layout.write(grown) != layout.TABLE.read_text()


def rewritten(change: Callable[[str, layout.Struct], str]) -> str:
    """The header with the members of each struct that may grow as ``change`` makes them."""
    header = layout.bare(HEADER)
    for body, name in layout.STRUCT.findall(header):
        if TABLE.structs[name].first:
            header = header.replace(f"{{{body}}} {name};", f"{{{change(body, TABLE.structs[name])}}} {name};")
    return header


def first_release(body: str, struct: layout.Struct) -> str:
    late = {row.name for row in struct.members if row.offset >= struct.first}
    kept = [row for row in body.split(";") if not late & set(layout.members_of(row))]
    return ";".join(kept)


def a_later_one(body: str, struct: layout.Struct) -> str:
    return f"{body} int64_t later;"


@pytest.mark.parametrize("change", [first_release, a_later_one])
def test_programs_of_other_releases_get_the_same_bytes(
    sdk: Sdk, raw: Path, tmp_path: Path, change: Callable[[str, layout.Struct], str]
) -> None:
    header = rewritten(change)
    sizes = {name: struct.size for name, struct in layout.of(header).structs.items()}
    for name, struct in TABLE.structs.items():
        grown = struct.size + (8 if struct.first else 0)
        assert sizes[name] == ((struct.first or struct.size) if change is first_release else grown)
    (tmp_path / "avguard.h").write_text(header)
    flags = ("-std=c99", "-I", tmp_path, "-L", sdk.prefix / "lib", f"-Wl,-rpath,{sdk.prefix}/lib")
    run("gcc", *flags, ROOT / "cpp/tests/consumer/judge.c", "-o", tmp_path / "judge", "-lavguard", "-lm")
    assert judge(tmp_path / "judge", raw, "json") == talking.expected()
