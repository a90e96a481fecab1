# SPDX-License-Identifier: Apache-2.0
"""What streams that no longer learn give for every window of the store: computed once, held as float16."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avguard.train.pairs import take_lips, take_sound
from avguard.train.store import Pool, decode_video
from avguard.train.streams import AudioStream, VideoStream

AT_ONCE = 32


def _in_parts(what: str, ids: NDArray[np.int64], give: Callable[[NDArray[np.int64]], Sequence[Tensor]]) -> list[Tensor]:
    parts: list[Sequence[Tensor]] = []
    with torch.no_grad():
        for at in range(0, len(ids), AT_ONCE):
            parts.append([x.half() for x in give(ids[at : at + AT_ONCE])])
            print(f"\r{what}: {min(at + AT_ONCE, len(ids))}/{len(ids)} windows ", end="", file=sys.stderr, flush=True)
    return [torch.cat(list(columns)) for columns in zip(*parts, strict=True)]


def face_features(stream: VideoStream, pool: Pool) -> Tensor:
    """(windows, C, 1, 12): what single faces give."""
    return _in_parts(
        "faces", np.arange(len(pool)), lambda ids: [stream.face(torch.from_numpy(decode_video(pool, ids)[0]))]
    )[0]


def video_taps(stream: VideoStream, pool: Pool, faces: Tensor) -> list[Tensor]:
    """The three taps of every window, (windows, C, 1, T) each; ``faces`` from ``face_features``."""

    def give(ids: NDArray[np.int64]) -> Sequence[Tensor]:
        mouth, motion = take_lips(pool, ids)
        return stream.mix(faces[torch.from_numpy(ids)].float(), stream.mouth(mouth), motion)

    return _in_parts("lips", np.arange(len(pool)), give)


def audio_taps(stream: AudioStream, pool: Pool, ids: NDArray[np.int64]) -> list[Tensor]:
    """The three taps of the windows ``ids``, (len(ids), C, 1, T) each."""
    return _in_parts("sound", ids, lambda some: stream(*take_sound(pool, some)))
