# SPDX-License-Identifier: Apache-2.0
"""Every adapter reads its owners' layout and meets the set's known traps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from avguard.data import DATASETS, Row, read_dataset
from avguard.errors import InputNotFoundError, UsageError
from tests.data import trees

TREES: dict[str, Callable[[Path], Path]] = {
    "fakeavceleb": trees.fakeavceleb,
    "dfdc": trees.dfdc,
    "lavdf": trees.lavdf,
    "avdeepfake1m": trees.avdeepfake1m,
    "faceforensics": trees.faceforensics,
    "faceforensics-c40": trees.faceforensics,
    "dftimit": trees.dftimit,
    "kodf": trees.kodf,
}


def by_name(rows: tuple[Row, ...]) -> dict[str, Row]:
    return {Path(row.path).stem: row for row in rows}


def heads(row: Row) -> tuple[int | None, ...]:
    return row.truth("video"), row.truth("audio"), row.truth("overall")


@pytest.mark.parametrize("name", sorted(TREES))
def test_rows_are_of_files_that_are_there_and_fit_together(tmp_path: Path, name: str) -> None:
    rows = read_dataset(name, TREES[name](tmp_path))
    assert all((tmp_path / row.path).is_file() for row in rows)
    assert len({row.path for row in rows}) == len(rows)
    for row in rows:
        assert row.source
        assert row.group.startswith(row.source)
        if row.kind == "real":
            assert (*heads(row), row.generator, row.spans()) == (0, 0, 0, "", ())
        else:
            assert row.generator
            assert row.truth("overall") == 1


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_folder_that_is_not_the_set_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputNotFoundError, match=str(tmp_path)):
        read_dataset(name, tmp_path)
    with pytest.raises(InputNotFoundError, match="is not a folder"):
        read_dataset(name, tmp_path / "absent")


def test_a_set_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'fakeavcelb' is not one of fakeavceleb"):
        read_dataset("fakeavcelb", tmp_path)


def test_fakeavceleb_quadrants_and_files_listed_twice(tmp_path: Path) -> None:
    rows = by_name(read_dataset("fakeavceleb", trees.fakeavceleb(tmp_path)))
    assert {name: heads(row)[:2] for name, row in rows.items()} == {
        "00109": (0, 0),
        "00109_fake": (0, 1),
        "1": (1, 0),
        "2": (1, 1),
    }
    assert rows["2"].generator == "faceswap-wav2lip or wav2lip"
    assert rows["00109_fake"].generator == "rtvc"
    assert {row.group for row in rows.values()} == {"FakeAVCeleb:id00076"}
    assert {row.split for row in rows.values()} == {""}
    assert rows["1"].spans() is None


def test_fakeavceleb_without_its_list_and_with_a_wrong_one(tmp_path: Path) -> None:
    trees.fakeavceleb(tmp_path)
    (tmp_path / "meta_data.csv").unlink()
    rows = by_name(read_dataset("fakeavceleb", tmp_path))
    assert (rows["2"].generator, heads(rows["2"])) == ("unknown", (1, 1, 1))
    line = "id1,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,FakeAVCeleb/FakeVideo-RealAudio/African/men/id1"
    (tmp_path / "meta_data.csv").write_text(trees.META + line + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"meta_data\.csv line 2"):
        read_dataset("fakeavceleb", tmp_path)


def test_dfdc_does_not_say_what_was_forged(tmp_path: Path) -> None:
    rows = by_name(read_dataset("dfdc", trees.dfdc(tmp_path)))
    assert heads(rows["aaa"]) == heads(rows["ccc"]) == (None, None, 1)
    assert rows["aaa"].spans() is None
    assert [rows[name].split for name in ("aaa", "bbb", "ccc", "ddd")] == ["train", "train", "test", "test"]
    assert rows["aaa"].group == rows["bbb"].group == "DFDC:bbb"
    trees.write_json(tmp_path / "train" / "dfdc_train_part_0" / "metadata.json", {"aaa.mp4": {"label": "FAKED"}})
    with pytest.raises(UsageError, match="label 'FAKED'"):
        read_dataset("dfdc", tmp_path)


def test_dfdc_preview(tmp_path: Path) -> None:
    fake, real = "method_A/643049/643049_A/1255229_643049_A_001.mp4", "original_videos/643049/643049_A_001.mp4"
    records = {
        fake: {"label": "fake", "set": "test", "target_id": "643049", "swapped_id": "1255229"},
        real: {"label": "real", "set": "test", "target_id": "643049", "swapped_id": None},
    }
    trees.write_json(trees.touch(tmp_path, records) / "dataset.json", records)
    rows = {row.path: row for row in read_dataset("dfdc", tmp_path)}
    assert (rows[fake].generator, rows[fake].split) == ("method_A", "test")
    assert rows[fake].group == rows[real].group


def test_lavdf_periods_belong_to_what_was_modified(tmp_path: Path) -> None:
    rows = by_name(read_dataset("lavdf", trees.lavdf(tmp_path)))
    assert (rows["000002"].video_spans, rows["000002"].audio_spans) == ((), ((1.5, 2.25),))
    assert rows["000003"].video_spans == rows["000003"].audio_spans == ((0.5, 1.0), (5.0, 5.5))
    assert [rows[name].split for name in ("000001", "000003")] == ["test", "val"]
    assert rows["000002"].group == "LAV-DF:test/000001.mp4" == rows["000001"].group
    assert rows["000001"].duration_s == 8.16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": "valid"}, "split 'valid'"),
        ({"modify_audio": "yes"}, "must be true or false"),
        ({"fake_periods": []}, "0 fake periods do not fit"),
        ({"fake_periods": [[2, 1]]}, "ends before it starts"),
        ({"fake_periods": [[1, 2, 3]]}, "not a list"),
        ({"file": "../../etc/passwd"}, "not a path inside"),
    ],
)
def test_lavdf_a_wrong_entry_is_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    path = trees.lavdf(tmp_path) / "metadata.min.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    entries[1] |= change
    trees.write_json(path, entries)
    with pytest.raises(UsageError, match=r"metadata\.min\.json entry 1") as caught:
        read_dataset("lavdf", tmp_path)
    assert words in str(caught.value)


def test_lavdf_a_missing_field_is_named(tmp_path: Path) -> None:
    path = trees.lavdf(tmp_path) / "metadata.min.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    del entries[2]["modify_video"]
    trees.write_json(path, entries)
    with pytest.raises(UsageError, match="entry 2 has no 'modify_video'"):
        read_dataset("lavdf", tmp_path)


@pytest.mark.parametrize("both", ["both_modified", "both-modified"])
def test_avdeepfake1m_both_spellings_mean_both(tmp_path: Path, both: str) -> None:
    rows = by_name(read_dataset("avdeepfake1m", trees.avdeepfake1m(tmp_path, both)))
    assert heads(rows["fake_video_fake_audio"]) == (1, 1, 1)
    assert rows["fake_video_fake_audio"].generator == "both_modified yourtts"
    assert rows["fake_video_fake_audio"].spans() == ((3.2, 3.5),)


def test_avdeepfake1m_segments_copied_into_the_other_stream_are_dropped(tmp_path: Path) -> None:
    rows = by_name(read_dataset("avdeepfake1m", trees.avdeepfake1m(tmp_path)))
    heard = rows["real_video_fake_audio"]
    assert (heads(heard), heard.video_spans, heard.audio_spans) == ((0, 1, 1), (), ((3.28, 3.46),))
    assert heads(rows["fake_video_real_audio"]) == (1, 0, 1)
    assert rows["real"].duration_s == pytest.approx(237 / 25)


def test_avdeepfake1m_other_spellings_and_test_alone_are_refused(tmp_path: Path) -> None:
    trees.avdeepfake1m(tmp_path / "a", "bothmodified")
    with pytest.raises(UsageError, match="modify_type 'bothmodified'"):
        read_dataset("avdeepfake1m", tmp_path / "a")
    (trees.touch(tmp_path / "b", ["test/000000.mp4"]) / "test_files.txt").write_text("000000.mp4\n", encoding="utf-8")
    with pytest.raises(InputNotFoundError, match="labels are not public"):
        read_dataset("avdeepfake1m", tmp_path / "b")


def test_avdeepfake1m_plusplus_names_the_corpus(tmp_path: Path) -> None:
    path = trees.avdeepfake1m(tmp_path) / "val_metadata.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    entries[0]["file"] = "lrs3/abc/00001/real.mp4"
    trees.write_json(path, entries)
    trees.touch(tmp_path, ["val/lrs3/abc/00001/real.mp4"])
    assert by_name(read_dataset("avdeepfake1m", tmp_path))["real"].source == "AV-Deepfake1M++/lrs3"


def test_faceforensics_pairs_in_either_order_and_missing_splits(tmp_path: Path) -> None:
    rows = by_name(read_dataset("faceforensics", trees.faceforensics(tmp_path / "with")))
    splits = {name: row.split for name, row in rows.items()}
    assert splits["953"] == splits["953_974"] == splits["974_953"] == "test"
    assert splits["071"] == "train"
    assert splits["01__walking"] == splits["01_02__walking__YVGY8LOK"] == ""
    assert "071_054" not in rows, "it is of another compression"
    assert heads(rows["953_974"]) == (1, 0, 1)
    assert rows["953_974"].generator == "Deepfakes"
    rows = by_name(read_dataset("faceforensics", trees.faceforensics(tmp_path / "without", splits=False)))
    assert {row.split for row in rows.values()} == {""}
    trees.write_json(tmp_path / "with" / "splits" / "test.json", ["953"])
    with pytest.raises(UsageError, match="not a list of pairs"):
        read_dataset("faceforensics", tmp_path / "with")


def test_dftimit_pairs_and_qualities(tmp_path: Path) -> None:
    rows = read_dataset("dftimit", trees.dftimit(tmp_path))
    assert [row.kind for row in rows] == ["real", "fake", "fake"]
    assert {row.group for row in rows} == {"DF-TIMIT:fadg0/sa1"}
    assert [row.generator for row in rows] == ["", "higher_quality", "lower_quality"]
    assert heads(rows[1]) == (1, 0, 1)
    assert math.isnan(rows[1].duration_s)


@pytest.mark.parametrize("below", ["", "kodf_release"])
def test_kodf_from_either_folder(tmp_path: Path, below: str) -> None:
    rows = read_dataset("kodf", trees.kodf(tmp_path) / below)
    assert [row.generator for row in rows] == ["", "audio-driven", "fo"]
    assert {row.language for row in rows} == {"ko"}
    assert all((tmp_path / below / row.path).is_file() for row in rows)
