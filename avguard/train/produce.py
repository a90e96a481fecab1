# SPDX-License-Identifier: Apache-2.0
"""The producer: walks the cached clips round after round and writes shards of fresh variants.

It may run beside the trainer, which reads new shards as they appear. Stopping it loses at most one clip's work; run
again, it goes on with the round it was in.
"""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from avguard.evaluate.manifest import Row, read_manifest
from avguard.train import windows as w
from avguard.train.cache import cache_rows, folder_of
from avguard.train.forge.learned import install
from avguard.train.splits import part_of
from avguard.train.store import encode_audio, encode_video, write_shard

CLIPS_PER_SHARD = 12
# Takes of a clip's sound in each round: sound costs a tenth of what pictures do.
PLAIN_TAKES, FORGED_TAKES = 2, 3


@dataclass(frozen=True)
class Variants:
    """Packed windows made from one clip."""

    video: list[w.VideoWindow]
    audio: list[w.AudioWindow]


def label_of(value: int | None) -> float:
    """Manifest flag -> training label; unknown is NaN."""
    return w.UNKNOWN if value is None else float(value)


def some(starts: list[int], most: int, rng: np.random.Generator) -> list[int]:
    """At most ``most`` of the starts, in order."""
    if len(starts) <= most:
        return starts
    return sorted(int(s) for s in rng.choice(starts, most, replace=False))


def make_variants(row: Row, clip: w.CachedClip, donor: w.CachedClip, rng: np.random.Generator, most: int) -> Variants:
    """One round's variants of a training clip: every class is augmented alike; only bona fide parts are forged."""
    starts = some(w.window_starts(clip, rng), most, rng)
    video: list[w.VideoWindow | None] = []
    if len(clip.indices):
        # A forged window and its original pass the very same augmentation: what differs is the forgery alone.
        seeds = [int(s) for s in rng.integers(1 << 62, size=len(starts))]
        for start, seed in zip(starts, seeds, strict=True):
            video.append(w.plain_video(clip, start, label_of(row.video), np.random.default_rng(seed)))
            if row.kind == "real":
                video.append(w.forged_video(clip, start, donor, rng, seed))
    audio: list[w.AudioWindow] = []
    for _ in range(PLAIN_TAKES):
        audio += w.audio_variant(clip, starts, label_of(row.audio), rng, forge=False)
    for _ in range(FORGED_TAKES if row.kind == "real" else 0):
        audio += w.audio_variant(clip, starts, 0.0, rng, forge=True)
    return Variants([v for v in video if v is not None], audio)


def make_validation(row: Row, clip: w.CachedClip) -> Variants:
    """All windows of a held-out clip as they are."""
    starts = w.window_starts(clip, None)[:6]
    video = [w.plain_video(clip, s, label_of(row.video), None) for s in starts] if len(clip.indices) else []
    audio = list(w.sound_windows(clip, starts, clip.samples, None, label_of(row.audio), ""))
    return Variants([v for v in video if v is not None], audio)


def produce(
    data: Path, cache: Path, store: Path, *, minutes: float, seed: int = 0, most: int = 4, everything: bool = False
) -> None:
    """Write validation shards once, then rounds of training shards until ``minutes`` have passed.

    The generators that the forge uses are read from ``generators`` beside ``store``.
    ``everything``: train on the validation and test sources too (for the model that ships after it was chosen).
    """
    rows = [r for r in read_manifest(data) if (folder_of(cache, r) / "meta.json").exists()]
    held_out = [r for r in rows if part_of(r) == "validation"]
    training = [r for r in rows if everything or part_of(r) == "train"]
    deadline = time.monotonic() + 60 * minutes
    install(store.parent / "generators")
    torch.set_num_threads(1)
    _write_round(store / "validation", "v", held_out, cache, None, deadline, seed, most)
    for number in range(10_000):
        if time.monotonic() > deadline:
            return
        chosen = rows_of_round(training, seed, number)
        _write_round(store / "train", f"{seed}-{number:03d}", chosen, cache, training, deadline, seed, most)


def rows_of_round(training: list[Row], seed: int, number: int) -> list[Row]:
    """Every clip, and half as many of the files that are sound alone, others each time; shuffled.

    There are several times as many of these as of clips: all of them in every round would leave little time for faces.
    """
    clips = [row for row in training if row.media == "clips"]
    sounds = [row for row in training if row.media != "clips"]
    share = min(len(sounds), len(clips) // 2) if clips else len(sounds)
    order = np.random.default_rng(seed).permutation(len(sounds))
    picked = [sounds[order[i % len(sounds)]] for i in range(number * share, (number + 1) * share)]
    both = clips + picked
    return [both[i] for i in np.random.default_rng([seed, number]).permutation(len(both))]


def produce_validation(data: Path, work: Path) -> Path:
    """Cache and write the validation windows alone, if they are not there yet; returns the folder of windows."""
    rows = [row for row in read_manifest(data) if part_of(row) == "validation"]
    for failure in cache_rows(rows, data, work / "cache"):
        print(f"\nnot cached: {failure}", file=sys.stderr)
    usable = [row for row in rows if (folder_of(work / "cache", row) / "meta.json").exists()]
    _write_round(work / "windows/validation", "v", usable, work / "cache", None, float("inf"), 0, 0)
    return work / "windows"


def produce_natural(data: Path, work: Path) -> None:
    """Write windows of training and test clips as they are: what experiments measure when they leave something out.

    Clips that are not cached yet are cached first.
    """
    rows = list(read_manifest(data))
    torch.set_num_threads(1)
    for name, part in (("n", "train"), ("t", "test")):
        wanted = [row for row in rows if part_of(row) == part]
        for failure in cache_rows(wanted, data, work / "cache"):
            print(f"\nnot cached: {failure}", file=sys.stderr)
        usable = [row for row in wanted if (folder_of(work / "cache", row) / "meta.json").exists()]
        _write_round(work / "windows/natural", name, usable, work / "cache", None, float("inf"), 0, 0)


def _write_round(
    folder: Path,
    name: str,
    rows: list[Row],
    cache: Path,
    donors: list[Row] | None,
    deadline: float,
    seed: int,
    most: int,
) -> None:
    faces = [r for r in donors or [] if r.media == "clips" and r.kind == "real"]
    for at in range(0, len(rows), CLIPS_PER_SHARD):
        shard = f"{name}-{at:05d}"
        if (folder / "done" / shard).exists():
            continue
        if time.monotonic() > deadline:
            return
        made = Variants([], [])
        for row in rows[at : at + CLIPS_PER_SHARD]:
            rng = np.random.default_rng([seed, abs(hash_of(name + row.path))])
            clip = w.load_clip(folder_of(cache, row))
            if donors is None:
                one = make_validation(row, clip)
            else:
                others = [r for r in faces if r.source != row.source]
                donor = w.load_clip(folder_of(cache, others[int(rng.integers(len(others)))]))
                one = make_variants(row, clip, donor, rng, most)
            made.video.extend(one.video)
            made.audio.extend(one.audio)
        if made.video:
            write_shard(folder / "video", shard, encode_video(made.video))
        if made.audio:
            write_shard(folder / "audio", shard, encode_audio(made.audio))
        (folder / "done").mkdir(parents=True, exist_ok=True)
        (folder / "done" / shard).touch()
        print(
            f"\rround {name}: {min(at + CLIPS_PER_SHARD, len(rows))}/{len(rows)} clips",
            end="",
            file=sys.stderr,
            flush=True,
        )


def hash_of(text: str) -> int:
    """A number for a name that is the same in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
