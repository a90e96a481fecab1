# SPDX-License-Identifier: Apache-2.0
"""Rows of a data folder: what they mean, and which ones are refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from avguard.errors import InputNotFoundError, UsageError
from avguard.evaluate.manifest import normalise_generator, read_manifest, seen_generators, select
from tests.evaluate.doubles import clip_row, speech_row, write_lists


@pytest.mark.parametrize(
    ("kind", "video", "audio", "truth"),
    [
        ("real", "0", "0", (0, 0, 0, 0)),
        ("fake", "1", "0", (1, 0, 1, 1)),
        ("fake", "0", "1", (0, 1, 1, 1)),
        ("fake", "1", "unknown", (1, None, 1, 1)),
        ("fake", "0", "unknown", (0, None, None, 1)),
        ("fake", "unknown", "unknown", (None, None, None, 1)),
    ],
)
def test_truth_of_each_head(tmp_path: Path, kind: str, video: str, audio: str, truth: tuple[int | None, ...]) -> None:
    data = write_lists(tmp_path, [clip_row("a.mp4", kind, video_fake=video, audio_fake=audio)])
    (row,) = read_manifest(data)
    assert (row.truth("video"), row.truth("audio"), row.truth("sync"), row.truth("overall")) == truth


def test_both_lists_and_splits(tmp_path: Path) -> None:
    data = write_lists(tmp_path, [clip_row("a.mp4"), clip_row("b.mp4", split="train")], [speech_row("c.flac", "fake")])
    rows = read_manifest(data)
    assert [r.media for r in rows] == ["clips", "clips", "speech"]
    assert rows[2].truth("video") is None
    assert rows[2].truth("sync") == 1
    assert rows[2].group == "page/voice:c"
    assert [r.path for r in select(rows, "test")] == ["clips/a.mp4", "speech/c.flac"]
    assert len(select(rows, "all")) == 3
    with pytest.raises(UsageError, match="dev"):
        select(rows, "dev")


def test_one_utterance_through_many_vocoders_is_one_group(tmp_path: Path) -> None:
    rows = [
        speech_row("a.flac", "fake", source_path="one/celeb1.wav"),
        speech_row("b.flac", source_path="gt/celeb1.wav"),
    ]
    first, second = read_manifest(write_lists(tmp_path, speech=rows))
    assert first.group == second.group


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "raal"}, "kind 'raal' is not one of real, fake"),
        ({"kind": ""}, "kind ''"),
        ({"video_fake": "2"}, "video_fake '2' is not one of 0, 1, unknown"),
        ({"audio_fake": "yes"}, "audio_fake 'yes'"),
        ({"split": "dev"}, "split 'dev'"),
        ({"duration_s": "long"}, "duration_s 'long' is not a number"),
        ({"duration_s": "-1"}, "duration_s '-1'"),
        ({"duration_s": "nan"}, "duration_s 'nan'"),
        ({"clip": "/etc/passwd"}, "not a path inside"),
        ({"clip": "../x.mp4"}, "not a path inside"),
        ({"clip": ""}, "not a path inside"),
        ({"source": " "}, "source is empty"),
        ({"video_fake": "1"}, "kind is real"),
        ({"audio_fake": "unknown"}, "kind is real"),
        ({"kind": "fake", "generator": "G"}, "kind is fake"),
        ({"kind": "fake", "video_fake": "1"}, "needs a generator"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tmp_path: Path, change: dict[str, str], words: str) -> None:
    data = write_lists(tmp_path, [clip_row("fine.mp4"), clip_row("a.mp4") | change])
    with pytest.raises(UsageError, match=r"clips\.csv line 3") as caught:
        read_manifest(data)
    assert words in str(caught.value)


def test_missing_lists_columns_and_repeats(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError):
        read_manifest(tmp_path)
    (tmp_path / "clips.csv").write_text("clip,kind\na,real\n", encoding="utf-8")
    with pytest.raises(UsageError, match="lacks the column"):
        read_manifest(tmp_path)
    write_lists(tmp_path, [clip_row("a.mp4"), clip_row("a.mp4")])
    with pytest.raises(UsageError, match="listed twice"):
        read_manifest(tmp_path)


def test_a_short_line_is_refused_and_not_guessed(tmp_path: Path) -> None:
    text = (write_lists(tmp_path, [clip_row("a.mp4")]) / "clips.csv").read_text(encoding="utf-8")
    (tmp_path / "clips.csv").write_text(text + "clips/b.mp4,real,0\n", encoding="utf-8")
    with pytest.raises(UsageError, match="audio_fake ''"):
        read_manifest(tmp_path)


def test_seen_by_name_across_both_lists(tmp_path: Path) -> None:
    assert normalise_generator("  HiFi-GAN  (big) ") == "hifi-gan"
    assert normalise_generator("Wav2Lip + TTS") != normalise_generator("Wav2Lip")
    clips = [clip_row("a.mp4", "fake", generator="Svts", split="train"), clip_row("b.mp4", "fake", generator="X")]
    speech = [speech_row("c.flac", "fake", generator="HiFi-GAN (ft)", split="train")]
    assert seen_generators(read_manifest(write_lists(tmp_path, clips, speech))) == {"svts", "hifi-gan"}
