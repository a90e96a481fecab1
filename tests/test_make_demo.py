# SPDX-License-Identifier: Apache-2.0
"""The demo clip is one that the line can judge: a face, speech, and lips that move with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avguard import _core
from avguard.line import feed, open_extractor
from avguard.media import open_media
from tests import make_demo


def test_the_demo_has_a_face_and_speech_that_belong_together(demo_clip: Path) -> None:
    session = _core.Session(open_extractor(), extract=True)
    with open_media(demo_clip) as reader:
        assert reader.info.video is not None
        assert (reader.info.video.codec, reader.info.video.width, reader.info.video.height) == ("h264", 512, 512)
        assert reader.info.audio is not None
        assert reader.info.audio.codec == "aac"
        feed(reader, session)
    session.finish()
    extracted = session.extracted()
    (track,) = extracted["tracks"]
    assert len(track["indices"]) == make_demo.FPS * make_demo.SECONDS
    gap_px = np.linalg.norm(track["points"][:, 13] - track["points"][:, 14], axis=1)
    wanted = make_demo.envelope(np.arange(len(gap_px)) / make_demo.FPS, make_demo.SECONDS)
    assert np.corrcoef(gap_px, wanted)[0, 1] > 0.7
    frames = extracted["samples"][: 124 * 640].reshape(124, 640)
    assert np.corrcoef(np.sqrt((frames**2).mean(1)), wanted[:124])[0, 1] > 0.5


def test_the_demo_is_the_same_every_time() -> None:
    assert np.array_equal(make_demo.voice(0.5), make_demo.voice(0.5))
    first, second = make_demo.pictures(0.08), make_demo.pictures(0.08)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(make_demo.voice(0.5, 0), make_demo.voice(0.5, 1))


def test_a_closed_mouth_is_the_photo() -> None:
    photo = make_demo.skimage.data.astronaut()
    still = make_demo.speaking(photo.astype(np.float64), 0.0, 0.0)
    assert np.abs(still.astype(int) - photo).max() <= 1
    spoken = make_demo.speaking(photo.astype(np.float64), 1.0, 0.0)
    changed = np.argwhere(np.abs(spoken.astype(int) - photo).max(-1) > 8)
    assert (changed.min(0) > (135, 150)).all()
    assert (changed.max(0) < (215, 300)).all()
