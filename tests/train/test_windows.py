# SPDX-License-Identifier: Apache-2.0
"""Windows of cached clips: placing, labels per step, and the packing that the product shares."""

from __future__ import annotations

import numpy as np
import pytest

from avguard.spec import load_spec
from avguard.train import windows as w
from avguard.train.store import Pool, decode_video, encode_audio, encode_video, write_shard

SPEC = load_spec()
SIDE = SPEC.video.canvas_px


def clip_of(frames: int, first: int = 3, seconds: float | None = None) -> w.CachedClip:
    rng = np.random.default_rng(0)
    points = np.full((frames, 468, 2), 56, np.float32) + rng.normal(0, 10, (1, 468, 2)).astype(np.float32)
    samples = int((frames / 25 if seconds is None else seconds) * 16000)
    return w.CachedClip(
        "clip",
        np.arange(first, first + frames, dtype=np.int64),
        rng.integers(0, 256, (frames, SIDE, SIDE, 3), np.uint8),
        points + rng.normal(0, 0.5, (frames, 468, 2)).astype(np.float32),
        np.zeros((frames, 4), np.float32),
        rng.normal(0, 0.1, samples).astype(np.float32),
        first * 640,
    )


def test_starts_lie_inside_the_clip_and_a_stride_apart() -> None:
    clip = clip_of(130)
    starts = w.window_starts(clip, None)
    assert starts[0] == 3
    assert set(np.diff(starts)) == {SPEC.window.stride_frames}
    assert max(starts) + SPEC.window.frames <= 133
    jittered = w.window_starts(clip, np.random.default_rng(1))
    assert jittered != starts
    assert min(jittered) >= 3
    assert max(jittered) + SPEC.window.frames <= 133


def test_gaps_are_held_and_mostly_missing_faces_refused() -> None:
    clip = clip_of(48, first=0)
    keep = np.r_[0:10, 20:48]
    holes = w.CachedClip(
        "c", clip.indices[keep], clip.canvases[keep], clip.points[keep], clip.poses[keep], clip.samples, 0
    )
    canvases, points, _ = w.gather(holes, 0)  # type: ignore[misc]
    assert np.array_equal(canvases[15], clip.canvases[9])
    assert np.array_equal(points[20], clip.points[20])
    few = np.r_[0:5, 40:48]
    sparse = w.CachedClip(
        "c", clip.indices[few], clip.canvases[few], clip.points[few], clip.poses[few], clip.samples, 0
    )
    assert w.gather(sparse, 0) is None


def test_labels_per_step_and_window() -> None:
    frames = np.zeros(48, bool)
    frames[8:20] = True
    steps = w.per_step(frames)
    assert steps.tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert w.window_label(steps) == 1.0
    steps[3:] = 0
    assert np.isnan(w.window_label(steps))
    assert w.window_label(np.zeros(12, np.float32)) == 0.0


def test_sound_labels_follow_the_forged_samples() -> None:
    clip = clip_of(48, first=0)
    truth = np.zeros(len(clip.samples), np.float32)
    truth[16000:] = 1  # from one second on
    (window,) = w.sound_windows(clip, [0], clip.samples, truth, 0.0, "partial")
    assert window.steps[:6].tolist() == [0] * 6
    assert window.steps[7:].tolist() == [1] * 5
    assert window.label == 1.0


def test_sound_and_picture_of_one_window_share_the_clock() -> None:
    clip = clip_of(96, first=0)
    burst = np.zeros_like(clip.samples)
    burst[16000:16160] = 0.5  # at 1.0 s: mel frame 100, grid frame 25
    (window,) = w.sound_windows(clip, [24], burst, None, 0.0, "")
    loudest = int(window.mel.sum(0).argmax())
    assert abs(loudest - (100 - (24 * 4 + SPEC.audio.frame_offset))) <= 1


def test_forging_changes_labels_and_pixels() -> None:
    clip, donor = clip_of(60, first=0), clip_of(60, first=0)
    rng = np.random.default_rng(3)
    made = [w.forged_video(clip, 0, donor, rng, seed) for seed in range(6)]
    assert any(m is not None and m.label == 1.0 for m in made)
    assert all(m is None or m.family for m in made)


def test_shards_keep_what_the_core_packed(tmp_path) -> None:  # noqa: ANN001
    clip = clip_of(60, first=0)
    video = [w.plain_video(clip, start, 1.0, None) for start in (0, 5)]
    audio = list(w.sound_windows(clip, [0, 5], clip.samples, None, 0.0, ""))
    write_shard(tmp_path / "video", "a", encode_video([v for v in video if v is not None]))
    write_shard(tmp_path / "audio", "a", encode_audio(audio))
    pool = Pool(tmp_path / "video")
    assert pool.refresh() == 2
    assert pool.refresh() == 0
    face, mouth, motion = decode_video(pool, np.array([1, 0]))
    assert video[1] is not None
    np.testing.assert_allclose(face[0][:, :3], video[1].face[:, :3], atol=1e-6)
    step = SPEC.video.difference_scale
    clipped = np.clip(video[1].face[:, 3:], -127 * step, 127 * step)
    half_a_level = 0.5001
    np.testing.assert_allclose(face[0][:, 3:], clipped, atol=half_a_level * step)
    np.testing.assert_allclose(mouth[0], video[1].mouth, atol=half_a_level * SPEC.video.pixel_scale)
    np.testing.assert_allclose(motion[0], video[1].motion, atol=2e-3)
    assert not list((tmp_path / "video").glob(".*"))


def test_pool_forgets_the_oldest_shard(tmp_path) -> None:  # noqa: ANN001
    import os

    clip = clip_of(60, first=0)
    for number in range(3):
        sound = list(w.sound_windows(clip, [0, 5], clip.samples, None, float(number % 2), str(number)))
        write_shard(tmp_path, f"s{number}", encode_audio(sound))
        os.utime(tmp_path / f"s{number}.npz", (number, number))
    pool = Pool(tmp_path, limit=4)
    pool.refresh()
    assert sorted(set(pool.column("family"))) == ["1", "2"]


@pytest.mark.parametrize("length", [0, 4000])
def test_too_short_a_sound_gives_no_window(length: int) -> None:
    clip = clip_of(48, first=0, seconds=length / 16000)
    assert w.audio_variant(clip, [0], 0.0, np.random.default_rng(0), forge=False) == []
