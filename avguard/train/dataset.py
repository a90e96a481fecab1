# SPDX-License-Identifier: Apache-2.0
"""Batches: picture and sound windows put together, with the labels that follow from how.

Heads in the spec's order: video, audio, sync (either one manipulated, or the two not made together), desync (lips and
voice do not belong together). NaN: unknown, masked in the loss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avguard.spec import load_spec
from avguard.train.store import Pool
from avguard.train.views import PIXELS, Inputs, Pixels

SPEC = load_spec()
STEPS = SPEC.window.steps
NAN = np.float32(np.nan)
VIDEO, AUDIO, SYNC, DESYNC = range(4)


@dataclass(frozen=True)
class Batch:
    """Model inputs and labels. ``window``: (N, 4), ``steps``: (N, 4, 12), ``in_sync``: (N,) bona fide pairs.

    ``lags``: (N,) video frames by which the sound of a bona fide pair was made late, see ``alignment_loss``.
    ``clean``: the inputs before styles were mixed and parts hidden, for a teacher; empty without one.
    """

    inputs: tuple[NDArray[np.float32], ...]
    window: NDArray[np.float32]
    steps: NDArray[np.float32]
    in_sync: NDArray[np.bool_]
    lags: NDArray[np.int64]
    clean: tuple[NDArray[np.float32], ...] = ()


# Shares of draws; a forged draw brings its original along, so that what tells them apart is the forgery alone.
MIX = {
    "bona_fide": 0.16,
    "forged_video": 0.14,
    "forged_audio": 0.10,
    "forged_both": 0.05,
    "mismatch": 0.10,
    "given_fake": 0.27,
    "sound_alone": 0.18,
}
GROUPS = {
    "bona_fide": "real",
    "mismatch": "real",
    "forged_audio": "real_revoiced",
    "forged_video": "forged",
    "forged_both": "forged_revoiced",
    "given_fake": "given",
}
"""Pictures that each draw takes."""
# 1 would draw every window alike, 0 every source alike: many sources are a single clip, a few are a hundred.
EVENNESS = 0.3
MODALITY_DROPOUT = 0.06
# Offsets below 240 ms happen to bona fide clips; what is nearer than this is not called a mismatch.
SHORTEST_SHIFT_FRAMES = 6
# Half of the bona fide pairs have their sound moved, so that alignment cannot be told from places in the window.
MOVED_SHARE, LONGEST_MOVE_FRAMES = 0.5, 12


class Sampler:
    """Draws batches from the two pools; a source or generator of n windows comes n ** EVENNESS as often as one of 1."""

    def __init__(
        self,
        video: Pool,
        audio: Pool,
        sources: dict[str, str],
        kinds: dict[str, str],
        wanted: Callable[[str, str], bool] = lambda *_: True,
        taught: bool = False,
        views: Pixels = PIXELS,
        moved_share: float = MOVED_SHARE,
        mismatch_heads: Sequence[int] = (SYNC, DESYNC),
    ) -> None:
        """``sources`` and ``kinds``: by clip. ``wanted``: of a clip and a forge family, whether to draw the window.

        ``taught``: batches bring their ``clean`` inputs along. ``views``: what of a window the model is given.
        ``moved_share``: of bona fide pairs, those whose sound is moved. ``mismatch_heads``: sync heads to which a voice
        that belongs to other lips is a fake; others are not told.
        """
        self.taught, self.views, self.moved_share = taught, views, moved_share
        self._mismatch = np.array([1 if head in mismatch_heads else NAN for head in (SYNC, DESYNC)], np.float32)
        self.video, self.audio, self.sources, self.kinds, self.wanted = video, audio, sources, kinds, wanted
        self.reindex()

    def reindex(self) -> None:
        """Look again at what the pools hold."""
        self._sounds: dict[str, dict[tuple[str, int], list[int]]] = {
            "plain": defaultdict(list),
            "forged": defaultdict(list),
        }
        audio_clip, audio_start = self.audio.column("clip"), self.audio.column("start")
        audio_family = self.audio.column("family")
        self._audio_label, self._audio_steps = self.audio.column("label"), self.audio.column("steps")
        heard = self._wanted(audio_clip, audio_family)
        for i in np.flatnonzero(heard):
            kind = "forged" if audio_family[i] else "plain"
            self._sounds[kind][(str(audio_clip[i]), int(audio_start[i]))].append(int(i))
        video_clip, video_start = self.video.column("clip"), self.video.column("start")
        video_family = self.video.column("family")
        self._video_label, self._video_steps = self.video.column("label"), self.video.column("steps")
        self._breaks = self.video.column("breaks_sync")
        self._key = [(str(c), int(s)) for c, s in zip(video_clip, video_start, strict=True)]
        real = np.array([self.kinds[c] == "real" for c, _ in self._key])
        forged = video_family != ""
        paired = np.array([k in self._sounds["plain"] for k in self._key]) & self._wanted(video_clip, video_family)
        revoiced = np.array([k in self._sounds["forged"] for k in self._key])
        self._forged = forged
        self._originals: dict[tuple[str, int], list[int]] = defaultdict(list)
        for i in np.flatnonzero(real & ~forged):
            self._originals[self._key[i]].append(int(i))
        has_original = np.array([k in self._originals for k in self._key])
        self._groups = {
            "real": self._weighted(np.flatnonzero(real & ~forged & paired)),
            "real_revoiced": self._weighted(np.flatnonzero(real & ~forged & paired & revoiced)),
            "forged": self._weighted(np.flatnonzero(forged & paired & has_original)),
            "forged_revoiced": self._weighted(np.flatnonzero(forged & paired & revoiced & has_original)),
            "given": self._weighted(np.flatnonzero(~real & paired)),
        }
        sounds = np.arange(len(audio_clip))
        names = [str(c) for c in audio_clip]
        known = np.isfinite(self._audio_label) & heard
        fake = self._audio_label == 1
        self._sound_alone = (
            self._weighted(sounds[known & ~fake], names),
            self._weighted(sounds[known & fake], names),
        )
        self._real_sounds = sounds[
            [self.kinds[n] == "real" and not f for n, f in zip(names, audio_family, strict=True)] & heard
        ]

    def _shares(self) -> dict[str, float]:
        """MIX without the draws for which there is nothing to draw."""
        there = {kind for kind, group in GROUPS.items() if len(self._groups[group][0])}
        if all(len(ids) for ids, _ in self._sound_alone):
            there.add("sound_alone")
        mix = {kind: share for kind, share in MIX.items() if kind in there}
        return {kind: share / sum(mix.values()) for kind, share in mix.items()}

    def _wanted(self, clips: NDArray, families: NDArray) -> NDArray[np.bool_]:
        return np.array([self.wanted(str(c), str(f)) for c, f in zip(clips, families, strict=True)], np.bool_)

    def _weighted(self, ids: NDArray[np.int64], names: list[str] | None = None) -> tuple[NDArray, NDArray]:
        clips = [self._key[i][0] if names is None else names[i] for i in ids]
        groups = [self.sources[c] for c in clips]
        count: dict[str, int] = defaultdict(int)
        for group in groups:
            count[group] += 1
        weight = np.array([count[g] ** (EVENNESS - 1) for g in groups], np.float64)
        return ids, weight / weight.sum() if len(ids) else weight

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """A batch of ``size`` windows."""
        shares = self._shares()
        kinds = rng.choice(list(shares), size, p=np.array(list(shares.values())))
        chosen: list[tuple[int, int, str]] = []
        for kind in kinds:
            chosen.append(self._draw_one(str(kind), rng))
            if kind.startswith("forged"):
                video = self._original(chosen[-1][0], rng)
                chosen.append((video, self._sound("plain", video, rng), "original"))
        return self._assemble(chosen[:size], rng)

    def draw_bona_fide(self, size: int, rng: np.random.Generator) -> Batch:
        """A batch of bona fide pairs alone, for alignment."""
        return self._assemble([self._draw_one("bona_fide", rng) for _ in range(size)], rng)

    def _original(self, video: int, rng: np.random.Generator) -> int:
        """The bona fide window that ``video`` was forged from; itself when its picture was not touched."""
        if not self._forged[video]:
            return video
        if video and not self._forged[video - 1] and self._key[video - 1] == self._key[video]:
            return video - 1  # written next to each other: the same augmentation
        return int(rng.choice(self._originals[self._key[video]]))

    def _pick(self, group: str, rng: np.random.Generator) -> int:
        ids, weight = self._groups[group]
        return int(rng.choice(ids, p=weight))

    def _sound(self, kind: str, video: int, rng: np.random.Generator) -> int:
        return int(rng.choice(self._sounds[kind][self._key[video]]))

    def _draw_one(self, kind: str, rng: np.random.Generator) -> tuple[int, int, str]:
        """(video window or -1, audio window or -1, kind)."""
        if kind == "sound_alone":
            ids, weight = self._sound_alone[int(rng.integers(2))]
            return -1, int(rng.choice(ids, p=weight)), kind
        video = self._pick(GROUPS[kind], rng)
        if kind == "mismatch":
            return video, self._other_sound(video, rng), kind
        return video, self._sound("forged" if kind in ("forged_audio", "forged_both") else "plain", video, rng), kind

    def _other_sound(self, video: int, rng: np.random.Generator) -> int:
        clip, start = self._key[video]
        same = [k for k in self._sounds["plain"] if k[0] == clip and abs(k[1] - start) >= SHORTEST_SHIFT_FRAMES]
        if same and rng.random() < 0.5:
            return int(rng.choice(self._sounds["plain"][same[int(rng.integers(len(same)))]]))
        while True:
            other = int(rng.choice(self._real_sounds))
            if self.audio.take("clip", np.array([other]))[0] != clip:
                return other

    def _assemble(self, chosen: list[tuple[int, int, str]], rng: np.random.Generator) -> Batch:
        n = len(chosen)
        steps = np.full((n, 4, STEPS), NAN, np.float32)
        window = np.full((n, 4), NAN, np.float32)
        in_sync = np.zeros(n, np.bool_)
        videos, audios = np.array([c[0] for c in chosen]), np.array([c[1] for c in chosen])
        for i, (video, audio, kind) in enumerate(chosen):
            self._label(i, video, audio, kind, window, steps)
            in_sync[i] = kind in ("bona_fide", "original")
        drop = rng.random(n)
        for i in np.flatnonzero((drop < MODALITY_DROPOUT) & (videos >= 0)):
            mute = drop[i] < MODALITY_DROPOUT / 2
            heads = [AUDIO, SYNC, DESYNC] if mute else [VIDEO, SYNC, DESYNC]
            window[i, heads], steps[i, heads], in_sync[i] = NAN, NAN, False
            (audios if mute else videos)[i] = -1
        inputs = self.views.pack(self.video, self.audio, videos, audios)
        alone = in_sync & np.array([kind == "bona_fide" for *_, kind in chosen])
        lags = self._move(inputs, window, steps, alone, rng)
        clean = tuple(x.copy() for x in inputs) if self.taught else ()
        self.views.disguise(inputs, rng)
        return Batch(inputs, window, steps, in_sync, lags, clean)

    def _move(
        self, inputs: Inputs, window: NDArray, steps: NDArray, which: NDArray, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Move the sound of some pairs of ``which`` around their window, in place; returns by how many frames.

        Not of a forged window's original: what tells the two apart must be the forgery alone.
        """
        moved = which & (rng.random(len(which)) < self.moved_share)
        lags = np.where(moved, rng.integers(-LONGEST_MOVE_FRAMES, LONGEST_MOVE_FRAMES + 1, len(which)), 0)
        for i in np.flatnonzero(lags):
            lag = int(lags[i])
            self.views.move(inputs, int(i), lag)
            if abs(lag) >= SHORTEST_SHIFT_FRAMES:
                window[i, SYNC:], steps[i, SYNC:] = self._mismatch, self._mismatch[:, None]
                continue
            # What left at one end came in at the other, where it belongs to another moment.
            count = -(-abs(lag) * STEPS // SPEC.window.frames)
            steps[i, SYNC : DESYNC + 1, slice(0, count) if lag > 0 else slice(STEPS - count, STEPS)] = NAN
        return lags.astype(np.int64)

    def _label(self, i: int, video: int, audio: int, kind: str, window: NDArray, steps: NDArray) -> None:
        if video >= 0:
            window[i, VIDEO], steps[i, VIDEO] = self._video_label[video], self._video_steps[video]
        window[i, AUDIO], steps[i, AUDIO] = self._audio_label[audio], self._audio_steps[audio]
        if video < 0:
            return
        if kind == "mismatch":
            window[i, SYNC:], steps[i, SYNC:] = self._mismatch, self._mismatch[:, None]
            return
        either = np.fmax(steps[i, VIDEO], steps[i, AUDIO])
        unknown = np.isnan(steps[i, VIDEO]) | np.isnan(steps[i, AUDIO])
        steps[i, SYNC] = np.where(unknown & (either != 1), NAN, either)
        known = steps[i, SYNC]
        share = NAN if np.isnan(known).any() else known.mean()
        window[i, SYNC] = 1 if share >= 0.25 else 0 if share == 0 else NAN
        if kind == "given_fake":
            return  # whether a generator's lips fit its voice is not known
        steps[i, DESYNC] = self._breaks[video]
        broken = float(self._breaks[video].mean())
        window[i, DESYNC] = 1 if broken >= 0.25 else 0 if broken == 0 else NAN
