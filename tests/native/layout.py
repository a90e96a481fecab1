# SPDX-License-Identifier: Apache-2.0
"""What a compiled program knows of avguard.h: sizes and places of members, numbers of enumerators, types of calls.

``python -m tests.native.layout > cpp/abi/layout.txt`` renews the table that git keeps.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "cpp" / "include" / "avguard.h"
TABLE = ROOT / "cpp" / "abi" / "layout.txt"
HEAD = """# SPDX-License-Identifier: Apache-2.0
# What a program compiled for a 64-bit machine knows of avguard.h; tests/native/layout.py writes it. Of a member its
# place, size and type. "from": a struct with struct_size may grow at its end; programs of the first release have so
# many bytes of it. The others lie in arrays or in other structs, and stay as they are.
"""
STRUCT = re.compile(r"typedef struct \w+ \{(.*?)\} (\w+);", re.DOTALL)
CALL = re.compile(r"([\w *]+?) ?(\(\*\w+\)|\bavg_\w+)\(([^();]*)\);")
# The program's own words for the types; an array or a struct is "other", and its size says the rest.
KINDS = {"int32_t": "int32", "uint32_t": "uint32", "int64_t": "int64", "size_t": "size", "float": "float",
         "double": "double", "const char*": "text"}  # fmt: skip


class Member(NamedTuple):
    """One row of a struct."""

    offset: int
    size: int
    kind: str
    name: str


class Struct(NamedTuple):
    """``first``: bytes in the first release, 0 where it cannot grow."""

    size: int
    first: int
    members: tuple[Member, ...]


class Layout(NamedTuple):
    """Of a header. ``numbers``: enumerators and AVG_ABI_VERSION; ``calls``: without names of arguments."""

    structs: dict[str, Struct]
    numbers: dict[str, int]
    calls: list[str]


def bare(header: str) -> str:
    """Without comments."""
    return re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)


def members_of(body: str) -> list[str]:
    names = []
    for declaration in body.split(";"):
        pointer = re.search(r"\(\*(\w+)\)", declaration)
        parts = [pointer[1]] if pointer else [part for part in declaration.split(",") if part.strip()]
        names += [re.sub(r"\[\w+\]", "", part).split()[-1].lstrip("*") for part in parts]
    return names


def numbers_of(header: str) -> list[str]:
    bodies = re.findall(r"\benum(?: \w+)? \{(.*?)\}", header, re.DOTALL)
    return [
        "AVG_ABI_VERSION",
        *(row.split("=")[0].strip() for body in bodies for row in body.split(",") if row.strip()),
    ]


def calls_of(header: str) -> list[str]:
    found = CALL.findall(" ".join(header.replace("AVG_API", ";").split()))
    typed = (
        (kind, name, [re.sub(r" ?\w+$", "", part) or part for part in rest.split(", ")]) for kind, name, rest in found
    )
    return [f"{kind.strip()} {name}({', '.join(parts)})" for kind, name, parts in typed]


def program(header: str) -> str:
    """C that prints the layout of ``header``, without comments."""
    kinds = ", ".join(f'{kind}: "{word}"' for kind, word in KINDS.items())
    rows = []
    for body, name in STRUCT.findall(header):
        rows.append(f'printf("struct {name} %zu\\n", sizeof({name}));')
        rows += [f"MEMBER({name}, {member});" for member in members_of(body)]
    rows += [f'printf("{name} %d\\n", (int){name});' for name in numbers_of(header)]
    return f"""#include <stdio.h>
#include "avguard.h"
#define OF(type, member) (((type*)0)->member)
#define MEMBER(type, member) printf("  %zu %zu %s %s\\n", offsetof(type, member), sizeof OF(type, member), \\
                                    _Generic(OF(type, member), {kinds}, default: "other"), #member)
int main(void) {{ {" ".join(rows)} return 0; }}
"""


def parse(text: str) -> Layout:
    """Of a table, or of what ``program`` prints, where nothing is said of the first release."""
    layout = Layout({}, {}, [])
    name = ""
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        if words[0] == "struct":
            name = words[1]
            layout.structs[name] = Struct(int(words[2]), int(words[4]) if len(words) > 4 else 0, ())
        elif line.endswith(")"):
            layout.calls.append(line)
        elif line[0] == " ":
            member = Member(int(words[0]), int(words[1]), words[2], words[3])
            struct = layout.structs[name]
            layout.structs[name] = struct._replace(members=(*struct.members, member))
        else:
            layout.numbers[words[0]] = int(words[1])
    return layout


def of(header: str, table: Layout | None = None) -> Layout:
    """The layout of a header's text on this machine. The first releases are those of ``table``."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "layout.c"), Path(folder, "layout")
        Path(folder, "avguard.h").write_text(header)
        source.write_text(program(bare(header)))
        subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", str(source), "-o", str(binary)], check=True)
        layout = parse(subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout)
    layout.calls.extend(calls_of(bare(header)))
    for name, struct in layout.structs.items():
        if struct.members[0].name == "struct_size":
            known = table.structs.get(name) if table else None
            layout.structs[name] = struct._replace(first=known.first if known else struct.size)
    return layout


def write(layout: Layout) -> str:
    rows = []
    for name, struct in layout.structs.items():
        rows.append(f"struct {name} {struct.size}" + (f" from {struct.first}" if struct.first else ""))
        rows += ["  {:>3} {:>3} {:6} {}".format(*member) for member in struct.members]
    rows += [f"{name} {number}" for name, number in layout.numbers.items()]
    rows += layout.calls
    return HEAD + "\n".join(rows) + "\n"


def breaks(old: Layout, new: Layout) -> list[str]:
    """What a program compiled with ``old`` would find changed; nothing where AVG_ABI_VERSION was raised."""
    if new.numbers.get("AVG_ABI_VERSION", 0) > old.numbers["AVG_ABI_VERSION"]:
        return []
    faults = [f"{name} was {value}" for name, value in old.numbers.items() if new.numbers.get(name) != value]
    faults += [f"there was {call}" for call in old.calls if call not in new.calls]
    for name, was in old.structs.items():
        now = new.structs.get(name, Struct(0, 0, ()))
        faults += [f"{name}: {row}" for row in was.members if row not in now.members]
        if now.size != was.size and (not was.first or now.size < was.size):
            faults.append(f"{name} had {was.size} bytes")
        # In the padding of an older program there is anything.
        late = now.members[len(was.members) :]
        faults += [f"{name}.{row.name} lies where older programs have padding" for row in late if row.offset < was.size]
    return faults


def main() -> None:
    print(write(of(HEADER.read_text(), parse(TABLE.read_text()) if TABLE.exists() else None)), end="")


if __name__ == "__main__":
    main()
