# SPDX-License-Identifier: Apache-2.0
"""The twelve seed media that the sweep breaks: the common containers and codecs, each below 1 MB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av

from tests.make_demo import write_demo
from tests.make_media import Film, Sound, write_clip, write_wav

SECONDS = 1.2
FILM = Film(seconds=SECONDS)
SOUND = Sound(seconds=SECONDS)


def _clip(codec: str, sound: str, rate_hz: int = 48000, **options: str) -> Callable[[Path], object]:
    film = Film(codec=codec, seconds=SECONDS, b_frames=2 if codec == "libx264" else 0)
    if codec == "mjpeg":
        film = Film(codec=codec, seconds=SECONDS, pixel_format="yuvj420p")
    voice = Sound(codec=sound, rate_hz=rate_hz, seconds=SECONDS)
    return lambda path: write_clip(path, film, voice, options or None)


def _remuxed(path: Path) -> None:
    """The face clip's packets in a container of another kind."""
    source = write_demo(path.with_name("face-source.mp4"), SECONDS)
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
    source.unlink()


SEEDS: dict[str, Callable[[Path], object]] = {
    "face.mp4": lambda path: write_demo(path, SECONDS),
    "face.mkv": _remuxed,
    "fragments.mp4": _clip("libx264", "aac", movflags="frag_keyframe+empty_moov"),
    "phone.3gp": _clip("mpeg4", "libopencore_amrnb", 8000),
    "camera.mov": _clip("mjpeg", "pcm_s16le"),
    "web.webm": _clip("libvpx-vp9", "libopus"),
    "old.avi": _clip("mpeg4", "libmp3lame", 44100),
    "air.ts": _clip("libx264", "aac"),
    "flash.flv": _clip("flv", "libmp3lame", 44100),
    "voice.wav": lambda path: write_wav(path, SOUND),
    "voice.flac": lambda path: write_wav(path, SOUND),
    "voice.mp3": lambda path: write_wav(path, SOUND),
}


def write_seeds(folder: Path) -> dict[str, bytes]:
    """Name -> content of each seed; those that ``folder`` holds are read: a resumed sweep must break the same bytes.

    Encoders may change between releases, so the bytes are not part of the repository's promise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {}
    for name, write in SEEDS.items():
        path = folder / name
        if not path.exists():
            aside = folder / f"making-{name}"
            write(aside)
            aside.rename(path)
        contents[name] = path.read_bytes()
        assert len(contents[name]) <= 1_000_000, name
    return contents
