# SPDX-License-Identifier: Apache-2.0
"""Station 1, decode: frames and PCM with true timestamps, read by a child process that has limits.

Names are imported on first use, so that the decoder process does not pay for the parent's half of the room.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avguard.media.forkserver import ForkServer as ForkServer
    from avguard.media.info import AudioInfo as AudioInfo
    from avguard.media.info import MediaInfo as MediaInfo
    from avguard.media.info import VideoInfo as VideoInfo
    from avguard.media.items import Frame as Frame
    from avguard.media.items import Pcm as Pcm
    from avguard.media.limits import Limits as Limits
    from avguard.media.reader import MediaReader as MediaReader
    from avguard.media.reader import open_media as open_media
    from avguard.media.reader import start_media as start_media

_HOMES = {
    "AudioInfo": "info",
    "ForkServer": "forkserver",
    "Frame": "items",
    "MediaInfo": "info",
    "Pcm": "items",
    "VideoInfo": "info",
    "Limits": "limits",
    "MediaReader": "reader",
    "open_media": "reader",
    "start_media": "reader",
}

__all__ = [
    "AudioInfo",
    "ForkServer",
    "Frame",
    "Limits",
    "MediaInfo",
    "MediaReader",
    "Pcm",
    "VideoInfo",
    "open_media",
    "start_media",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
