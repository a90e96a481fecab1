# SPDX-License-Identifier: Apache-2.0
"""``python -m avguard.train.settle OUT --start-from ALIGNED --teacher BEFORE``: after ``align``, what reads lips and
voice learns to read them anew: the video stream from its second tap on, the sync-stream and the heads over both.

The checkpoint before teaches the video and sync heads what they knew, on every window and with every sound of its
moment. What it did not know comes from labels: a voice of another moment or clip is a manipulation (sync) and does not
belong to these lips (desync); an offset that honest recordings have is neither. Everything else stays, so it is
computed once.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avguard.data.row import Row
from avguard.errors import UsageError
from avguard.evaluate.manifest import read_manifest
from avguard.spec import load_spec
from avguard.train.checkpoint import load_checkpoint, sources_of
from avguard.train.course import Course
from avguard.train.dataset import DESYNC, EVENNESS, SHORTEST_SHIFT_FRAMES, STEPS, SYNC, VIDEO
from avguard.train.loop import Settings
from avguard.train.losses import masked_bce
from avguard.train.model import JointModel
from avguard.train.pairs import moved, sounds_by_key, take_sound
from avguard.train.splits import part_of
from avguard.train.store import Pool
from avguard.train.taps import audio_taps, face_features, video_taps
from avguard.train.views import PIXELS

SPEC = load_spec()
PARTS = ("video.tap2", "video.down", "video.tap3", "sync", "heads.video", "heads.sync", "heads.desync")
# Sound of its own moment, of its own but a little beside, of another moment, of another clip.
TOGETHER, BESIDE, LATE, OTHER = range(4)
MIX = (0.6, 0.15, 0.15, 0.1)
LONGEST_SHIFT_FRAMES = 15
# What labels of given and forged clips say beside the teacher: held-out video is .88 without them, .91 so.
LABELS_SHARE = 0.4
# The sync head hears of so many mismatches only: of all of them, it forgets what else is manipulated (.84 to .82).
TOLD_SHARE = 0.3
STEPS_WEIGHT = 0.5


@dataclass(frozen=True)
class Draw:
    """Windows ``video`` (N,) with sounds ``audio`` (N,), late by ``lags`` (N,) video frames; ``kinds`` (N,).

    ``told`` (N,): whether the sync head hears of a mismatch.
    """

    video: NDArray[np.int64]
    audio: NDArray[np.int64]
    lags: NDArray[np.int64]
    kinds: NDArray[np.int64]
    told: NDArray[np.bool_]


class Pairing:
    """Draws windows of the train part of ``rows``, every source and generator alike but for EVENNESS."""

    def __init__(self, video: Pool, audio: Pool, rows: list[Row]) -> None:
        by_clip = {Path(row.path).stem: row for row in rows if part_of(row) == "train"}
        self.keys = [(str(c), int(s)) for c, s in zip(video.column("clip"), video.column("start"), strict=True)]
        self.broken = video.column("breaks_sync")
        self.seen, self.heard = video.column("label"), audio.column("label")
        self.plain, self.sounds = sounds_by_key(audio, ()), sounds_by_key(audio, None)
        self.ids = np.array([i for i, key in enumerate(self.keys) if key[0] in by_clip and key in self.plain])
        found = [by_clip[self.keys[i][0]] for i in self.ids]
        self.honest = np.zeros(len(self.keys), np.bool_)
        self.honest[self.ids] = [row.kind == "real" for row in found]
        whole = np.array([self.honest[i] and not self.broken[i].any() for i in self.ids])
        if not whole.any():
            raise UsageError("no bona fide window has both picture and sound; run the produce step first")
        groups = [(row.source, row.generator) for row in found]
        count = Counter(groups)
        self.weight = np.array([count[group] ** (EVENNESS - 1) for group in groups])
        self.weight /= self.weight.sum()
        self.whole = self.weight * whole / (self.weight * whole).sum()
        self.every = np.array(sorted(i for key in {self.keys[i] for i in self.ids} for i in self.plain[key]))
        self.clip_of = {i: key[0] for key, numbers in self.plain.items() for i in numbers}

    def draw(self, size: int, rng: np.random.Generator) -> Draw:
        """``size`` windows."""
        kinds = rng.choice(len(MIX), size, p=MIX)
        video = np.array([rng.choice(self.ids, p=self.whole if k == BESIDE else self.weight) for k in kinds])
        audio = np.array([self._sound(int(i), int(k), rng) for i, k in zip(video, kinds, strict=True)])
        near = rng.integers(1 - SHORTEST_SHIFT_FRAMES, SHORTEST_SHIFT_FRAMES, size)
        far = rng.integers(SHORTEST_SHIFT_FRAMES, LONGEST_SHIFT_FRAMES + 1, size) * rng.choice([-1, 1], size)
        lags = np.select([kinds == BESIDE, kinds == LATE], [near, far], 0)
        return Draw(video, audio, lags, kinds, rng.random(size) < TOLD_SHARE)

    def _sound(self, window: int, kind: int, rng: np.random.Generator) -> int:
        key = self.keys[window]
        if kind != OTHER:
            return int(rng.choice((self.sounds if kind == TOGETHER else self.plain)[key]))
        others = [i for i in rng.choice(self.every, 8).tolist() if self.clip_of[i] != key[0]]
        return others[0] if others else int(rng.choice(self.every))

    def labels(self, draw: Draw, taught: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Targets (N, 4) and (N, 4, 12), NaN where nothing is known; ``taught``: probabilities, the teacher's."""
        window = torch.full((len(draw.video), len(SPEC.heads)), float("nan"))
        steps = torch.full((len(draw.video), len(SPEC.heads), STEPS), float("nan"))
        for head in (VIDEO, SYNC):
            window[:, head], steps[:, head] = taught[0][:, head], taught[1][:, head]
        for i, (number, kind) in enumerate(zip(draw.video, draw.kinds, strict=True)):
            seen, heard = float(self.seen[number]), float(self.heard[draw.audio[i]])
            _blend(window[i], VIDEO, seen)
            if kind in (LATE, OTHER):
                window[i, DESYNC], steps[i, DESYNC] = 1, 1
                window[i, SYNC], steps[i, SYNC] = (1, 1) if draw.told[i] else (float("nan"), float("nan"))
                continue
            _blend(window[i], SYNC, 1.0 if 1.0 in (seen, heard) else seen + heard)
            if self.honest[number]:  # whether a generator's lips fit its voice is not known
                broken = self.broken[number]
                steps[i, DESYNC] = torch.from_numpy(np.asarray(broken, np.float32))
                share = float(broken.mean())
                window[i, DESYNC] = 1 if share >= 0.25 else 0 if share == 0 else float("nan")
        return window, steps


def _blend(window: Tensor, head: int, label: float) -> None:
    """Mix what is known, 0 or 1, into what is taught; NaN is not known."""
    if not np.isnan(label):
        window[head] = (1 - LABELS_SHARE) * window[head] + LABELS_SHARE * label


def _same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


class Lessons:
    """Batches of a pairing as the student and its teacher see them, from what their streams give."""

    def __init__(self, student: JointModel, teacher: JointModel, pairing: Pairing, video: Pool, audio: Pool) -> None:
        if not (student.video and student.audio and teacher.video and teacher.audio and student.sync and teacher.sync):
            raise UsageError("both checkpoints need a video, an audio and a sync-stream")
        self.student, self.teacher, self.pairing, self.audio = student.eval(), teacher.eval(), pairing, audio
        self.faces = face_features(student.video, video)
        self.first = video_taps(student.video, video, self.faces)[0]
        same = _same(student.video.face, teacher.video.face)
        seen = self.faces if same else face_features(teacher.video, video)
        self.taught_video = video_taps(teacher.video, video, seen)
        used = sorted({i for key in {pairing.keys[i] for i in pairing.ids} for i in pairing.sounds[key]})
        self.place = {number: at for at, number in enumerate(used)}
        self.sound = audio_taps(student.audio, audio, np.array(used))
        self.taught_sound = audio_taps(teacher.audio, audio, np.array(used))

    def loss(self, size: int, rng: np.random.Generator) -> Tensor:
        """Of a batch of ``size`` windows."""
        draw = self.pairing.draw(size, rng)
        at = torch.tensor([self.place[int(i)] for i in draw.audio])
        video = torch.from_numpy(draw.video)
        with torch.no_grad():
            sound = [x[at].float() for x in self.sound]
            self._move(sound, draw)
            seen, heard = ([x[i].float() for x in taps] for taps, i in (
                (self.taught_video, video), (self.taught_sound, at)))  # fmt: skip
            taught = self.teacher.fuse(tuple(seen), tuple(heard), seen[0])[:2]
        window, steps = self.pairing.labels(draw, (taught[0].sigmoid(), taught[1].sigmoid()))
        assert self.student.video is not None
        taps = self.student.video.above(self.first[video].float(), self.faces[video].float())
        own = self.student.fuse(taps, tuple(sound), taps[0])
        return masked_bce(own[0], window) + STEPS_WEIGHT * masked_bce(own[1], steps)

    def _move(self, sound: list[Tensor], draw: Draw) -> None:
        late = np.flatnonzero(draw.lags)
        if not len(late):
            return
        bands = take_sound(self.audio, draw.audio[late])
        shifted = [torch.stack([moved(x[i], int(draw.lags[n])) for i, n in enumerate(late)]) for x in bands]
        assert self.student.audio is not None
        for own, new in zip(sound, self.student.audio(*shifted), strict=True):
            own[torch.from_numpy(late)] = new


def main(argv: Sequence[str] | None = None) -> int:
    """Compute what stays, train what moves, write; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m avguard.train.settle", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start-from", type=Path, required=True, help="a checkpoint of align")
    parser.add_argument("--teacher", type=Path, required=True, help="the checkpoint that align began with")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AVGUARD_SHARED", "../shared")) / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/store"), help="folder of windows")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    settings = Settings(
        steps=args.steps, batch=args.batch, learning_rate=1e-3, weight_decay=0.05, ema=0.99, save_steps=50,
        seed=args.seed,
    )  # fmt: skip
    pools = PIXELS.pools(args.work / "windows/train")
    rows = list(read_manifest(args.data))
    pairing = Pairing(*pools, rows)
    student, teacher = load_checkpoint(args.start_from), load_checkpoint(args.teacher)
    lessons = Lessons(student, teacher, pairing, *pools)
    course = Course(student, PARTS, settings, args.out.with_suffix(".state"))
    course.run(lambda rng: lessons.loss(settings.batch, rng))
    sources = {row.source for row in rows if part_of(row) == "train"}
    course.finish(args.out, sources.union(sources_of(args.start_from), sources_of(args.teacher)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
