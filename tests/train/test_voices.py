# SPDX-License-Identifier: Apache-2.0
"""Voices beside the clips': takes put together from prompts, synthesizers that are there or not, the merged lists."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avguard.errors import UsageError
from avguard.evaluate.manifest import read_manifest
from avguard.train import voices
from avguard.train.voices import SAMPLE_RATE_HZ, add_voices, read_prompt, recorded, speakers, synthetic


def prompt(path: Path, seconds: float, rate_hz: int = SAMPLE_RATE_HZ, level: float = 0.3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = level * np.sin(2 * np.pi * 220 * np.arange(int(seconds * rate_hz)) / rate_hz)
    soundfile.write(path, tone.astype(np.float32), rate_hz)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    for i in range(12):
        prompt(folder / f"asterisk-prompt-it-menardi-wav/usr/share/sounds/{i}.wav", 0.9, 8000)
        prompt(folder / f"klettres-data/usr/share/klettres/de/alpha/{i}.wav", 1.3)
        prompt(folder / f"klettres-data/usr/share/klettres/fr/alpha/{i}.wav", 1.3)
    prompt(folder / "asterisk-prompt-it-menardi-wav/usr/share/sounds/silence/1.wav", 5)
    return folder


def test_klettres_has_a_speaker_for_every_language_and_silence_is_nobody(unpacked: Path) -> None:
    found = speakers(unpacked)
    assert {name: len(paths) for name, paths in found.items()} == {
        "debian/asterisk-prompt-it-menardi-wav": 12, "debian/klettres-data/de": 12, "debian/klettres-data/fr": 12,
    }  # fmt: skip


def test_takes_are_several_prompts_at_16_khz_and_the_same_every_time(unpacked: Path) -> None:
    paths = speakers(unpacked)["debian/asterisk-prompt-it-menardi-wav"]
    takes = list(recorded("debian/x", paths))
    assert len(takes) == 3  # 12 prompts of 0.9 s and pauses, four to a take of 4 s
    assert all(take.generator == "" and 4.0 <= len(take.pcm) / SAMPLE_RATE_HZ < 8 for take in takes)
    assert all((take.pcm == again.pcm).all() for take, again in zip(takes, recorded("debian/x", paths), strict=True))
    assert len(list(recorded("debian/x", paths, most=1))) == 1


def test_what_ffmpeg_cannot_read_and_what_is_all_but_silent_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    prompt(tmp_path / "faint.wav", 9, level=0.001)
    assert len(read_prompt(tmp_path / "broken.wav")) == 0
    assert list(recorded("debian/x", [tmp_path / "broken.wav", tmp_path / "faint.wav"])) == []


def test_synthesizers_that_are_not_installed_are_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UsageError, match="espeak-ng, flite, text2wave not installed; run apt-get install"):
        add_voices(tmp_path / "no data", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_merged_folder_reads_as_one_list_with_the_voices_in_train(
    unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoken(text: str, rng: np.random.Generator, out: Path) -> None:
        prompt(out, 3 + rng.random() + len(text) / 1000, 22050)

    monkeypatch.setattr(voices, "SYNTHESIZERS", {"Flite": ("sh", spoken)})
    monkeypatch.setattr(synthetic, "__defaults__", (3,))
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "clips").mkdir(parents=True)
    prompt(data / "speech/a.flac", 3)
    (data / "clips.csv").write_text("clip,kind,video_fake,audio_fake,generator,source,split,group,duration_s\n")
    (data / "speech.csv").write_text(
        "clip,kind,audio_fake,generator,source,source_path,split,duration_s\nspeech/a.flac,real,0,,s/a,a,test,3\n"
    )
    count = add_voices(data, unpacked, out)
    rows = read_manifest(out)
    added = [row for row in rows if row.path.startswith("voices/")]
    assert len(added) == count == len(rows) - 1 == len(list((out / "voices").iterdir()))
    assert {row.split for row in added} == {"train"}
    assert all((out / row.path).is_file() for row in rows)
    assert {(row.kind, row.generator) for row in added} == {("real", ""), ("fake", "Flite")}
    assert add_voices(data, unpacked, out) == count
