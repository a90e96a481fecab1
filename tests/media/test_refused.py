# SPDX-License-Identifier: Apache-2.0
"""What is no clip, or claims too much, is refused by name, early and cheaply."""

from __future__ import annotations

import http.server
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from avguard.errors import DecoderCrashError, InputNotFoundError, LimitError, MediaError, UsageError
from avguard.media import Limits, open_media
from tests.make_media import Film, Sound, patch_box, picture, write_clip, write_riff_header, write_wav
from tests.media.reading import read


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = {"movflags": "faststart"}
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", Film(seconds=2), Sound(seconds=2), options)


def copy(clip: Path, to: Path, end: int | None = None) -> Path:
    to.write_bytes(clip.read_bytes()[:end])
    return to


def test_missing_directory_pipe_and_nul(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="does not exist"):
        open_media(tmp_path / "none.mp4")
    with pytest.raises(InputNotFoundError, match="directory"):
        open_media(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputNotFoundError, match="pipe"):
        open_media(tmp_path / "pipe")
    with pytest.raises(InputNotFoundError, match="NUL"):
        open_media("a\0b")
    with pytest.raises(UsageError, match="path is a int"):
        open_media(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="limits is a dict"):
        open_media(tmp_path, {})  # type: ignore[arg-type]


STILL = {"jpg": b"\xff\xd8\xff\xe0", "png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF\x10\0\0\0WEBPVP8 "}
STILL |= {"heic": b"\0\0\0\x18ftypheic\0\0\0\0", "gif": b"GIF89a", "bmp": b"BM\x90\0\0\0\0\0\0\0\x36\0\0\0\0\0"}


@pytest.mark.parametrize("suffix", STILL)
def test_still_images(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(STILL[suffix] + bytes(500))
    with pytest.raises(MediaError, match="a still image, no clip"):
        open_media(path)


def test_empty_text_and_noise(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    for content, message in ((b"", "empty"), (b"hello world\n" * 99, "text"), (os.urandom(65536), "no readable media")):
        path.write_bytes(content)
        with pytest.raises(MediaError, match=message):
            open_media(path)


def test_playlists_reach_nothing(tmp_path: Path, clip: Path) -> None:
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/a.ts"
        lists = [f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n", f"ffconcat version 1.0\nfile '{url}'\n"]
        lists += [f"ffconcat version 1.0\nfile '{clip}'\n", f'<?xml version="1.0"?><MPD><BaseURL>{url}</BaseURL></MPD>']
        secret = tmp_path / "secret"
        secret.write_text("secret")
        for address in (secret.as_uri(), str(secret), "/etc/passwd", f"concat:{secret}|{secret}"):
            lists += [f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n"]
        for text in lists:
            path = tmp_path / "list.mp4"
            path.write_text(text)
            with pytest.raises(MediaError, match="playlist"):
                open_media(path)
        server.shutdown()
    assert seen == []


def test_a_reference_to_another_file_is_not_followed(tmp_path: Path, clip: Path) -> None:
    """QuickTime lets a track say that its samples lie in another file; the flag 0 says: follow the location."""
    path = copy(clip, tmp_path / "a.mp4")
    assert path.read_bytes().count(b"url ") == 2
    patch_box(path, b"url ", 0, bytes(4))
    whole = read(clip)
    followed = read(path)
    assert len(followed.pcm) == len(whole.pcm)
    assert len(followed.frames) in (0, len(whole.frames))


def test_other_demuxers_are_not_on_the_list(tmp_path: Path) -> None:
    path = tmp_path / "a.nut"
    write_clip(path, Film(codec="mpeg4"), None)
    with pytest.raises(MediaError, match="no readable media"):
        open_media(path)


def test_cut_off_before_the_index(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match="cut off"):
        open_media(copy(whole, tmp_path / "b.mp4", whole.stat().st_size // 2))


def test_truncated_file_gives_what_is_there(tmp_path: Path, clip: Path) -> None:
    half = read(copy(clip, tmp_path / "half.mp4", clip.stat().st_size * 2 // 3))
    assert 5 < len(half.frames) < 50
    assert half.pcm
    assert any("truncated" in warning for warning in half.info.warnings)


def test_truncated_wav_says_so(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.wav", Sound())
    half = read(copy(whole, tmp_path / "b.wav", whole.stat().st_size // 2))
    assert len(half.samples()) == pytest.approx(24000, abs=64)
    assert any("truncated" in warning for warning in half.info.warnings)


def test_damage_is_skipped_and_counted(tmp_path: Path, clip: Path) -> None:
    content = bytearray(clip.read_bytes())
    begin = content.index(b"mdat")
    generator = np.random.default_rng(3)
    for at in generator.integers(begin + 3000, len(content), 150):
        content[at] ^= 0x55
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    damaged = read(path)
    assert damaged.frames or damaged.pcm
    assert any("damaged" in warning for warning in damaged.info.warnings)


@pytest.mark.parametrize("seed", range(6))
def test_any_damage_ends_in_items_or_a_named_error(tmp_path: Path, clip: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    content = np.frombuffer(clip.read_bytes(), np.uint8).copy()
    at = generator.integers(0, len(content), len(content) // (50 << seed % 3))
    content[at] = generator.integers(0, 256, len(at))
    path = tmp_path / "a.mp4"
    path.write_bytes(content.tobytes())
    with suppress(MediaError, LimitError):
        assert read(path).info.container


def test_a_cover_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=44100, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        image = av.VideoFrame.from_ndarray(picture(Film(width=64, height=64), 0, 0), "rgb24")
        container.mux(cover.encode(image.reformat(format="yuvj420p")))
        for _ in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 44100
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    clip = read(path)
    assert clip.info.video is None
    assert not clip.frames


def test_claims_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", Film(codec="rawvideo", pixel_format="uyvy422", seconds=0.2), None)
    patch_box(path, b"2vuy", 24, struct.pack(">HH", 40000, 30000))
    program = (
        "import sys,resource;sys.path[:]=eval(sys.argv[1])\n"
        "from avguard.media import open_media;from avguard.errors import LimitError\n"
        "try: open_media(sys.argv[2])\n"
        "except LimitError as e: print(e, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    arguments = [sys.executable, "-c", program, repr(sys.path), str(path)]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert "Limits.max_side_px" in answer
    assert int(answer.split()[-1]) < 150 * 1024


def test_the_codec_may_not_claim_more_than_the_header(tmp_path: Path) -> None:
    with pytest.raises((LimitError, MediaError)):
        read(write_clip(tmp_path / "a.ts", Film(seconds=0.2), None), Limits(max_pixels=10_000))


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(max_fps=20), "max_fps"),
        (Limits(max_duration_s=1.5), "max_duration_s"),
        (Limits(max_file_bytes=1000), "max_file_bytes"),
        (Limits(max_streams=1), "max_streams"),
        (Limits(max_audio_rate_hz=44100), "max_audio_rate_hz"),
        (Limits(max_side_px=150), "max_side_px"),
    ],
)
def test_limits_name_themselves(clip: Path, limits: Limits, name: str) -> None:
    with pytest.raises(LimitError, match=rf"Limits\.{name}"):
        read(clip, limits)


def test_too_little_memory_is_named_or_ends_the_child_only(clip: Path) -> None:
    """Which of the two depends on who asks for the page that is not there: Python says so, a codec may just fall."""
    with pytest.raises((LimitError, DecoderCrashError), match=r"Limits\.memory_bytes|decoder process ended"):
        read(clip, Limits(memory_bytes=100 << 20))


@pytest.mark.parametrize(("rate_hz", "channels"), [(1_000_000, 1), (100, 1), (48000, 999)])
def test_wav_claims(tmp_path: Path, rate_hz: int, channels: int) -> None:
    with pytest.raises((LimitError, MediaError)):
        open_media(write_riff_header(tmp_path / "a.wav", rate_hz, channels, 1 << 20))


def test_limits_are_checked_themselves() -> None:
    with pytest.raises(UsageError, match="max_fps"):
        Limits(max_fps=float("nan"))
    with pytest.raises(UsageError, match="memory_bytes"):
        Limits(memory_bytes=0)


NAMES = [
    "x" * 251 + ".mp4",
    "with space.mp4",
    "-dash.mp4",
    "quote'\".mp4",
    "new\nline.mp4",
    "fd:0",
    "http:x.mp4",
    "ü" * 120 + ".mp4",
]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"not\xffutf8.mp4")])
def test_any_file_name_works(tmp_path: Path, clip: Path, name: str) -> None:
    with open_media(copy(clip, tmp_path / name)) as reader:
        assert next(reader) is not None


REPRODUCERS = sorted(Path(__file__).with_name("reproducers").iterdir())


@pytest.mark.parametrize("path", REPRODUCERS, ids=lambda path: path.name)
def test_what_once_ended_the_decoder_is_read(path: Path) -> None:
    """Files that a sweep found (tests/soak): stream-appears.mpegts announces a stream in its middle."""
    assert path.stat().st_size <= 200_000
    clip = read(path)
    assert clip.frames
    assert clip.pcm
