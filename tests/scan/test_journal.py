# SPDX-License-Identifier: Apache-2.0
"""The journal: what is done, what a killed run leaves behind, and who may write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from avguard.errors import UsageError
from avguard.scan.journal import Journal, read_rows
from avguard.scan.row import Failure, Found, Row, parse_line
from avguard.scan.table import write_parquet

MODEL = "m@1#abc"
ROW = Row("a.mp4", 3, "3-1", "00" * 32, MODEL, label="real", score={"overall": 0.2}, quality={"duration_s": 1.5})
FAILED = Row("b.mp4", 0, "0-1", "11" * 32, MODEL, error=Failure("DecoderCrashError", 8, "it died"))


def filled(path: Path, *rows: Row) -> Path:
    with Journal(path, MODEL) as journal:
        for row in rows:
            journal.append(row)
    return path


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    odd = replace(ROW, path="\udcff<b>\n.mp4", warnings=("variable_rate: 3",), same_as="a.mp4")
    path = filled(tmp_path / "r.jsonl", ROW, FAILED, odd)
    assert list(read_rows(path)) == [ROW, FAILED, odd]


@pytest.mark.parametrize("tail", [b'{"schema":"avguard.scan/1","pa', b"\0" * 5000, b'{"half\0\0\0\n\0\0'])
def test_what_a_killed_run_left_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    path = filled(tmp_path / "r.jsonl", ROW)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert filled(path, FAILED).read_bytes() == whole + FAILED.line()


def test_every_cut_of_a_journal_can_be_gone_on_with(tmp_path: Path) -> None:
    whole = ROW.line() + FAILED.line()
    for size in range(0, len(whole), 7):
        path = tmp_path / "r.jsonl"
        path.write_bytes(whole[:size])
        with Journal(path, MODEL) as journal:
            for row in (ROW, FAILED):
                if journal.done(row.path) is None:
                    journal.append(row)
        assert path.read_bytes() == whole


def test_content_and_model_decide(tmp_path: Path) -> None:
    path = filled(tmp_path / "r.jsonl", ROW, FAILED)
    with Journal(path, MODEL) as journal:
        assert journal.of_content(ROW.sha256) == ROW
        # A crash may have been the machine's fault: it does not answer for another file.
        assert journal.of_content(FAILED.sha256) is None
        assert journal.done("a.mp4") is not None
    with Journal(path, "m@2#def") as other:
        assert (other.done("a.mp4"), other.of_content(ROW.sha256)) == (None, None)


def test_the_last_row_of_a_path_counts(tmp_path: Path) -> None:
    later = replace(ROW, label="fake")
    assert list(read_rows(filled(tmp_path / "r.jsonl", ROW, FAILED, later))) == [later, FAILED]


def test_two_scans_do_not_write_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path / "r.jsonl", MODEL), pytest.raises(UsageError, match="another scan is writing"):
        Journal(tmp_path / "r.jsonl", MODEL)


@pytest.mark.parametrize("line", [b"hello\n", b"[]\n", b'{"schema":"avguard.scan/1"}\n', b'{"schema":"other"}\n'])
def test_other_files_are_refused_and_left_alone(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(line)
    with pytest.raises(UsageError, match="line 1"):
        Journal(path, MODEL)
    assert path.read_bytes() == line
    with pytest.raises(UsageError):
        parse_line(line, "here")


def test_a_twin_names_the_file_that_was_judged() -> None:
    twin = ROW.for_twin(Found("c.mp4", 3, "3-9"))
    assert (twin.path, twin.same_as, twin.label) == ("c.mp4", "a.mp4", "real")
    assert twin.for_twin(Found("d.mp4", 3, "")).same_as == "a.mp4"


def test_parquet_holds_every_row(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    segment = {"start_s": 0.5, "end_s": 1.0, "modality": "video", "score": 0.9}
    rows = [ROW, FAILED, replace(ROW, path="\udcff.mp4", label="fake", segments=(segment,))]
    assert write_parquet(rows, tmp_path / "t.parquet") == 3
    table = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [row["label"] for row in table] == ["real", None, "fake"]
    assert (table[0]["score_overall"], table[0]["duration_s"]) == (0.2, 1.5)
    assert (table[1]["error"], table[2]["path"], table[2]["segments"]) == ("DecoderCrashError", "\\xff.mp4", [segment])
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
