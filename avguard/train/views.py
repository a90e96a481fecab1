# SPDX-License-Identifier: Apache-2.0
"""What of a window a model is given, and how parts of it are hidden: the inputs themselves, or, in place of what trunks
that are not trained would see, what they said of it (``frozen``).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avguard.spec import load_spec
from avguard.train.frozen import TAPS, folder_of_features
from avguard.train.model import JointModel
from avguard.train.store import Pool, decode_video, map_shard
from avguard.train.streams import FACES, LOOK_EVERY, VideoStream
from avguard.train.styles import mix_band_styles, mix_styles

SPEC = load_spec()
PER_FRAME = SPEC.audio.frames_per_video_frame
SOUND_FRAMES = SPEC.window.frames * PER_FRAME
VIEW_DROPOUT = 0.10

Inputs = tuple[NDArray[np.float32], ...]
Span = tuple[int, int]


class Pixels:
    """The model's own inputs, in its own order."""

    def pools(self, folder: Path, video_limit: int = 1_000_000, audio_limit: int = 1_000_000) -> tuple[Pool, Pool]:
        """Pictures and sounds in ``folder`` of windows, read."""
        pools = Pool(folder / "video", video_limit), Pool(folder / "audio", audio_limit)
        for pool in pools:
            pool.refresh()
        return pools

    def net(self, model: JointModel) -> nn.Module:
        """What takes these inputs and answers as ``model`` does."""
        return model

    def pack(self, video: Pool, audio: Pool, videos: NDArray[np.int64], audios: NDArray[np.int64]) -> Inputs:
        """Inputs of paired window numbers; -1 leaves a side empty."""
        n, bands = len(videos), SPEC.audio
        mel = np.zeros((n, 1, bands.mel_bands, SOUND_FRAMES), np.float32)
        linear = np.zeros((n, 1, bands.linear_bands, SOUND_FRAMES), np.float32)
        for i in np.flatnonzero(audios >= 0):
            mel[i, 0], linear[i, 0] = audio.row("mel", audios[i]), audio.row("linear", audios[i])
        return *decode_video(video, videos), mel, linear

    def move(self, inputs: Inputs, window: int, lag: int) -> None:
        """Move the sound of one window ``lag`` video frames later, around the window, in place."""
        for sound in inputs[3:]:
            sound[window] = np.roll(sound[window], lag * PER_FRAME, axis=-1)

    def disguise(self, inputs: Inputs, rng: np.random.Generator) -> None:
        """Mix the styles of sounds and take away parts of what the model sees, in place and blind to the class, so that
        no single cue can carry it.

        Whole views (face, frame difference, mouth, motion, mel or linear bands) of one modality at a time, a square of
        the face, and stretches of time and frequency of the sound (SpecAugment, Park et al. 2019).
        """
        self._mix(inputs, rng)
        face, mouth, motion = inputs[:3]
        for i in range(len(face)):
            view = rng.random(2)
            if view[0] < VIEW_DROPOUT:
                self._hide_face(inputs, i)
            elif view[0] < 2 * VIEW_DROPOUT:
                mouth[i] = motion[i] = 0
            elif view[0] < 3 * VIEW_DROPOUT:
                motion[i] = 0
            elif view[0] < 4 * VIEW_DROPOUT:
                face[i, :, 3] = 0
            if view[1] < VIEW_DROPOUT:
                self._mel(inputs)[i] = 0
            elif view[1] < 2 * VIEW_DROPOUT:
                self._hide_bands(inputs, i, slice(None), slice(None))
            _erase_square(face[i], rng)
            self._mask(inputs, i, *sound_masks(rng))

    def _mix(self, inputs: Inputs, rng: np.random.Generator) -> None:
        mix_band_styles(inputs[3], inputs[4], rng)

    def _mel(self, inputs: Inputs) -> NDArray[np.float32]:
        return inputs[3]

    def _hide_face(self, inputs: Inputs, window: int) -> None:
        inputs[0][window] = 0

    def _hide_bands(self, inputs: Inputs, window: int, bands: slice, frames: slice) -> None:
        inputs[4][window, :, bands, frames] = 0

    def _mask(self, inputs: Inputs, window: int, mel: Span, linear: Span, stretches: list[Span]) -> None:
        everywhere = slice(None)
        self._mel(inputs)[window, :, slice(*mel)] = 0
        self._hide_bands(inputs, window, slice(*linear), everywhere)
        for stretch in stretches:
            self._mel(inputs)[window, :, :, slice(*stretch)] = 0
            self._hide_bands(inputs, window, everywhere, slice(*stretch))


PIXELS = Pixels()


class Frozen(Pixels):
    """(face, mouth, motion, looks, mel, fine, middle, coarse), for ``Composed``; see ``frozen`` for the features.

    A part that is hidden looks as it would in pixels: as what the trunks say of nothing. Only what ``streams`` need is
    read. ``faces``: those that the light net sees, one of LOOK_EVERY by default: it costs more than all else together.
    """

    def __init__(
        self, store: Path, streams: Collection[str], faces: slice = slice(LOOK_EVERY // 2, None, LOOK_EVERY)
    ) -> None:
        self.features, self.faces = folder_of_features(store), faces
        zero = map_shard(self.features / "zero.npz")
        self.zero = {name: np.asarray(values, np.float32) for name, values in zero.items()}
        self.sees, self.hears = (bool({stream, "sync"} & set(streams)) for stream in ("video", "audio"))

    def pools(self, folder: Path, video_limit: int = 1_000_000, audio_limit: int = 1_000_000) -> tuple[Pool, Pool]:
        """As those of pixels, with the features beside."""
        beside = self.features / folder.name
        pools = (
            Pool(folder / "video", video_limit, beside / "video"),
            Pool(folder / "audio", audio_limit, beside / "audio"),
        )
        for pool in pools:
            pool.refresh()
        return pools

    def net(self, model: JointModel) -> nn.Module:
        """``model`` from its trunks on."""
        return Composed(model)

    def pack(self, video: Pool, audio: Pool, videos: NDArray[np.int64], audios: NDArray[np.int64]) -> Inputs:
        """Inputs of paired window numbers; -1 leaves a side empty."""
        n = len(videos)
        seen = videos if self.sees else np.full(n, -1)
        pictures = decode_video(video, seen, self.faces)
        looks, *taps = (np.repeat(self.zero[name][None], n, 0) for name in ("looks", *TAPS))
        mel = np.zeros((n, 1, SPEC.audio.mel_bands, SOUND_FRAMES), np.float32)
        for i in np.flatnonzero(seen >= 0):
            looks[i] = video.row("looks", seen[i])
        for i in np.flatnonzero(audios >= 0) if self.hears else ():
            mel[i, 0] = audio.row("mel", audios[i])
            for name, tap in zip(TAPS, taps, strict=True):
                tap[i] = audio.row(name, audios[i])
        return *pictures, looks, mel, *taps

    def move(self, inputs: Inputs, window: int, lag: int) -> None:
        """As of pixels; the coarser taps by the whole number of their steps that is nearest."""
        for sound in inputs[4:]:
            share = sound.shape[-1] / SPEC.window.frames
            sound[window] = np.roll(sound[window], round(lag * share), axis=-1)

    def _mix(self, inputs: Inputs, rng: np.random.Generator) -> None:
        mix_styles(inputs[4:], np.flatnonzero(inputs[4].any(axis=(1, 2, 3))), rng)

    def _mel(self, inputs: Inputs) -> NDArray[np.float32]:
        return inputs[4]

    def _hide_face(self, inputs: Inputs, window: int) -> None:
        inputs[0][window] = 0
        inputs[3][window] = self.zero["looks"]

    def _hide_bands(self, inputs: Inputs, window: int, bands: slice, frames: slice) -> None:
        for name, tap in zip(TAPS, inputs[5:], strict=True):
            rows = _scaled(bands, tap.shape[2] / SPEC.audio.linear_bands)
            columns = _scaled(frames, tap.shape[3] / SOUND_FRAMES)
            tap[window, :, rows, columns] = self.zero[name][:, rows, columns]


class Composed(nn.Module):
    """``model`` from the features of its trunks on; answers as it does where there is something to see.

    Windows of sound alone do not pass the nets that look at pictures: a fifth of what is drawn, a third of what is
    judged.
    """

    def __init__(self, model: JointModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, face: Tensor, mouth: Tensor, motion: Tensor, looks: Tensor, mel: Tensor, *taps: Tensor
    ) -> tuple[Tensor, ...]:
        video = audio = None
        if self.model.video is not None:
            seen = (face.flatten(1).any(1) | mouth.flatten(1).any(1)).nonzero()[:, 0]
            seen = seen if len(seen) else torch.zeros(1, dtype=torch.int64, device=mel.device)  # nets need something
            video = self._video(self.model.video, *(x[seen] for x in (face, mouth, motion, looks)))
            video = tuple(tap.new_zeros(len(mel), *tap.shape[1:]).index_copy(0, seen, tap) for tap in video)
        if self.model.audio is not None:
            audio = self.model.audio.mix(mel, *taps)
        return self.model.fuse(video, audio, mel)

    def _video(
        self, stream: VideoStream, face: Tensor, mouth: Tensor, motion: Tensor, looks: Tensor
    ) -> tuple[Tensor, ...]:
        # A face that the light net saw answers for those that it did not.
        lights = stream.face.lights(face).repeat_interleave(FACES // face.shape[1], 3)
        faces = stream.face.join(lights, looks.flatten(0, 1)[:, :, None, None])
        return stream.mix(faces, stream.mouth(mouth), motion)


def _scaled(span: slice, share: float) -> slice:
    return span if span.start is None else slice(round(span.start * share), round(span.stop * share))


def _erase_square(face: NDArray[np.float32], rng: np.random.Generator) -> None:
    side = int(rng.integers(16, 48))
    top, left = rng.integers(0, face.shape[-1] - side, 2)
    if rng.random() < 0.5:
        face[:, :, top : top + side, left : left + side] = 0


def sound_masks(rng: np.random.Generator) -> tuple[Span, Span, list[Span]]:
    """Mel bands, linear bands and two stretches of frames to hide, as (first, end)."""
    mel, linear = (_span(bands, 4, rng) for bands in (SPEC.audio.mel_bands, SPEC.audio.linear_bands))
    return mel, linear, [_span(SOUND_FRAMES, 6, rng) for _ in range(2)]


def _span(length: int, share: int, rng: np.random.Generator) -> Span:
    width = int(rng.integers(0, length // share))
    start = int(rng.integers(0, length - width))
    return start, start + width


def mask_sound(mel: NDArray[np.float32], linear: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Hide bands and stretches of one sound, (bands, frames) each, in place."""
    low, high, stretches = sound_masks(rng)
    mel[slice(*low)] = 0
    linear[slice(*high)] = 0
    for stretch in stretches:
        mel[:, slice(*stretch)] = linear[:, slice(*stretch)] = 0


def views_of(frozen: bool, store: Path, streams: Collection[str]) -> Pixels:
    """What a run is given."""
    return Frozen(store, streams) if frozen else PIXELS


def tensors(inputs: Inputs, device: str) -> list[Tensor]:
    """On ``device``."""
    return [torch.from_numpy(x).to(device) for x in inputs]
