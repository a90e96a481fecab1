# SPDX-License-Identifier: Apache-2.0
"""The video forge: what is forged is labelled, what is not forged is untouched, and seeds decide everything."""

from __future__ import annotations

import numpy as np
import pytest

from avguard.errors import UsageError
from avguard.train import mesh
from avguard.train.forge import blends, faces, masks, textures, video, warp
from avguard.train.forge.video import FAMILIES, WEIGHTS, forge_video
from tests.train.synthetic_face import resting_mesh, talking_face

FACE, DONOR = talking_face(24, 1), talking_face(20, 2)
BLENDS = {
    "self_blend": blends.self_blend,
    "time_shift_blend": blends.time_shift_blend,
    "low_res_mouth": blends.low_res_mouth,
    "other_moment_mouth": blends.other_moment_mouth,
    "lip_reenact": faces.lip_reenact,
    "face_swap": lambda c, p, rng: faces.face_swap(c, p, *DONOR, rng),
    "over_smooth": textures.over_smooth,
    "denoise_time": textures.denoise_time,
    "texture_flicker": textures.texture_flicker,
    "upsample_artefacts": textures.upsample_artefacts,
    "autoencoder_like": textures.autoencoder_like,
}


def test_every_family_has_a_weight_and_every_blend_is_tested() -> None:
    assert set(FAMILIES) == set(WEIGHTS) == {*BLENDS, "still_animation"}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("frames", [12, 33])
def test_shapes_types_and_sources_left_alone(family: str, frames: int) -> None:
    canvases, points = talking_face(frames, 3)
    before = canvases.copy(), points.copy(), DONOR[0].copy(), DONOR[1].copy()
    for seed in range(6):
        result = forge_video(canvases, points, np.random.default_rng(seed), family, DONOR, talking_face(17, 3))
        assert result.canvases.dtype == np.uint8
        assert result.canvases.shape == canvases.shape
        assert result.points.dtype == np.float32
        assert result.points.shape == points.shape
        assert np.isfinite(result.points).all()
        assert result.frame_fake.dtype == np.bool_
        assert result.frame_fake.shape == (frames,)
        assert result.family == family
    for now, then in zip((canvases, points, *DONOR), before, strict=True):
        assert (now == then).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_seed_decides(family: str) -> None:
    one, same, other = (forge_video(*FACE, np.random.default_rng(s), family, DONOR) for s in (4, 4, 5))
    assert (one.canvases == same.canvases).all()
    assert (one.points == same.points).all()
    assert (one.frame_fake == same.frame_fake).all()
    assert (one.canvases != other.canvases).any()


@pytest.mark.parametrize("family", BLENDS)
def test_outside_the_mask_every_byte_is_the_sources(family: str) -> None:
    canvases, points = FACE
    for seed in range(8):
        result = BLENDS[family](canvases, points, np.random.default_rng(seed))
        outside = result.mask == 0
        assert outside[:, [0, 0, -1, -1], [0, -1, 0, -1]].all(), "the mask reaches the canvas's corners"
        assert outside.mean() > 0.2
        assert (result.canvases[outside] == canvases[outside]).all()
        assert 0 <= result.mask.min() <= result.mask.max() <= 1


@pytest.mark.parametrize("family", BLENDS)
def test_a_frame_is_labelled_fake_if_and_only_if_it_is_forged(family: str) -> None:
    canvases = FACE[0]
    for seed in range(8):
        result = BLENDS[family](*FACE, np.random.default_rng(seed))
        changed = (result.canvases != canvases).any((1, 2, 3))
        assert result.frame_fake.any()
        assert changed[result.frame_fake].all()
        # Frames labelled real may carry the foot of a fade, no more.
        traces = result.mask[changed & ~result.frame_fake]
        assert traces.max(initial=0) <= 0.25 * result.mask.max()


def test_forgeries_in_a_stretch_keep_the_other_frames() -> None:
    partial = 0
    for seed in range(40):
        result = forge_video(*FACE, np.random.default_rng(seed), "low_res_mouth")
        same = (result.canvases == FACE[0]).all((1, 2, 3))
        assert not (same & result.frame_fake).any()
        assert (result.points[same] == FACE[1][same]).all()
        partial += bool(same.any())
    assert 4 <= partial <= 20


def test_time_shift_takes_the_lower_face_of_a_near_frame() -> None:
    canvases, points = FACE
    still = np.repeat(canvases[:1], 24, 0), np.repeat(points[:1], 24, 0)
    frozen = blends.time_shift_blend(*still, np.random.default_rng(0))
    assert not frozen.frame_fake.any(), "a picture that never moves cannot be time-shifted"
    for seed in range(10):
        result = blends.time_shift_blend(canvases, points, np.random.default_rng(seed))
        assert 2 <= result.frame_fake.sum() < 24
        eyes = np.s_[:, 30:46, :]
        gap = np.abs(result.canvases.astype(int) - canvases)
        assert gap[:, 70:90, 40:70].mean() > 2 * gap[eyes].mean()


def test_sync_is_broken_where_lips_come_from_other_words() -> None:
    truth = {"other_moment_mouth": {True}, "lip_reenact": {True}, "self_blend": {False}, "face_swap": {False},
             "low_res_mouth": {False}, "still_animation": {True, False}}  # fmt: skip
    for family, wanted in truth.items():
        seen = {forge_video(*FACE, np.random.default_rng(s), family, DONOR).breaks_sync for s in range(12)}
        assert seen == wanted, family
    assert not any(forge_video(*FACE, np.random.default_rng(s), "still_animation").breaks_sync for s in range(12))


def test_points_follow_the_pasted_lips() -> None:
    opening = FACE[1][:, 14, 1] - FACE[1][:, 13, 1]
    for forge in (blends.other_moment_mouth, faces.lip_reenact):
        result = forge(*FACE, np.random.default_rng(3))
        moved = result.points[:, 14, 1] - result.points[:, 13, 1]
        assert np.abs(moved - opening).max() > 2
        assert np.allclose(result.points[:, [33, 263]], FACE[1][:, [33, 263]], atol=0.05)


def test_face_swap_brings_the_donors_skin_in_the_targets_place() -> None:
    target, donor = talking_face(12, 8), talking_face(12, 9)
    donor[0][:, 50:56, 30:40] = (255, 0, 255)
    result = faces.face_swap(*target, *donor, np.random.default_rng(1))
    spot = result.canvases[:, 51:55, 32:38].astype(int)
    before = target[0][:, 51:55, 32:38].astype(int)
    tint = (spot[..., 0] + spot[..., 2] - 2 * spot[..., 1]).mean()
    assert tint - (before[..., 0] + before[..., 2] - 2 * before[..., 1]).mean() > 60
    with pytest.raises(UsageError, match="donor"):
        forge_video(*target, np.random.default_rng(0), "face_swap")


def test_still_animation_moves_one_frame_by_the_drivers_mesh() -> None:
    canvases, points = FACE
    result = faces.still_animation(canvases[3], points[3], points, np.random.default_rng(2))
    assert result.frame_fake.all()
    own, made = points[:, 14, 1] - points[:, 13, 1], result.points[:, 14, 1] - result.points[:, 13, 1]
    assert np.corrcoef(own, made)[0, 1] > 0.99
    widest = int(own.argmax())
    top, bottom = (int(result.points[widest, i, 1]) for i in (13, 14))
    mouth, skin = result.canvases[widest, top + 1 : bottom, 54:58], result.canvases[widest, 66:68, 54:58]
    assert mouth.mean() < skin.mean(), "an open mouth is darker than the skin"
    quiet = faces.still_animation(canvases[3], points[3], points[3:4].repeat(5, 0), np.random.default_rng(2))
    assert np.ptp(quiet.canvases, axis=0).max() == 0, "without motion a still stays still, its noise frozen"


def test_temporal_families_change_time_the_way_they_say() -> None:
    canvases, points = talking_face(24, 11)
    points[:] = points[0]
    generator = np.random.default_rng(0)
    canvases = np.clip(canvases[:1] + generator.normal(0, 4, canvases.shape), 0, 255).astype(np.uint8)
    cheek = np.s_[:, 52:62, 66:76]
    noise = canvases[cheek].std(0).mean()
    calm = textures.denoise_time(canvases, points, np.random.default_rng(1)).canvases[cheek]
    assert calm[6:].std(0).mean() < 0.8 * noise
    light = canvases[cheek].mean((1, 2, 3)).std()
    wobble = [textures.texture_flicker(canvases, points, np.random.default_rng(s)).canvases[cheek] for s in range(8)]
    assert np.median([w.mean((1, 2, 3)).std() for w in wobble]) > 4 * light


def _held_out_auc(features: np.ndarray, labels: np.ndarray) -> float:
    """Logistic regression by gradient descent on one half of the pairs, AUC (ties count half) on the other."""
    features = (features - features.mean(0)) / (features.std(0) + 1e-9)
    half = len(labels) // 2
    weights = np.zeros(features.shape[1])
    for _ in range(300):
        odds = 1 / (1 + np.exp(-features[:half] @ weights))
        weights -= 0.1 * features[:half].T @ (odds - labels[:half]) / half
    scores, truth = features[half:] @ weights, labels[half:]
    gaps = scores[truth == 1][:, None] - scores[truth == 0][None]
    return float((gaps > 1e-9).mean() + 0.5 * (np.abs(gaps) <= 1e-9).mean())


def test_leak_audit_background_tells_nothing_and_the_face_tells() -> None:
    rows: dict[str, list[np.ndarray]] = {"outside": [], "inside": []}
    labels = []
    for seed in range(24):
        canvases, points = talking_face(12, 100 + seed)
        result = textures.over_smooth(canvases, points, np.random.default_rng(seed))
        outside = (result.mask == 0).all(0)
        for label, picture in enumerate((canvases, result.canvases)):
            for name, place in (("outside", outside), ("inside", ~outside)):
                level = picture[:, place].astype(np.float64)
                detail = np.abs(np.diff(picture.astype(np.float64), axis=2))[:, place[:, 1:] & place[:, :-1]]
                rows[name].append(np.array([level.mean(), level.std(), detail.mean(), np.diff(level, axis=0).std()]))
            labels.append(label)
    order = np.arange(len(labels))
    truth = np.array(labels)[order]
    assert _held_out_auc(np.array(rows["outside"]), truth) == 0.5
    assert _held_out_auc(np.array(rows["inside"]), truth) > 0.6


def test_paste_is_exact_at_zero_and_at_one() -> None:
    source, fake = FACE[0], DONOR[0][:1].repeat(24, 0)
    mask = np.zeros((24, 112, 112), np.float32)
    assert (masks.paste(source, fake, mask) == source).all()
    mask[:, 40:60, 30:50] = 1
    result = masks.paste(source, fake, mask)
    assert (result[:, 40:60, 30:50] == fake[:, 40:60, 30:50]).all()
    assert (result[mask == 0] == source[mask == 0]).all()


def test_fits_find_the_motion_that_was_put_in() -> None:
    points = resting_mesh(6)[None]
    turn = np.array([[[0.98, -0.1, 3.0], [0.1, 0.98, -2.0]]])
    moved = (points @ turn[0, :, :2].T + turn[0, :, 2]).astype(np.float32)
    for fit in (warp.fit_similarity, warp.fit_affine):
        assert np.allclose(fit(points, moved), turn, atol=2e-3)
    assert np.abs(warp.misfit(points, moved)).max() < 1e-3


def test_piecewise_warp_with_equal_points_is_the_identity() -> None:
    canvases, points = FACE
    anchors = points[:, list(mesh.ANCHORS)]
    result = warp.piecewise(canvases, anchors, anchors, warp.triangulate(points), 0.0)
    assert np.abs(result.astype(int) - canvases).max() <= 1


def test_wrong_arguments_are_refused() -> None:
    canvases, points = FACE
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="unknown forge family"):
        forge_video(canvases, points, rng, "no_such_family")
    with pytest.raises(UsageError, match="canvases"):
        forge_video(canvases[:, :96], points, rng)
    with pytest.raises(UsageError, match="points"):
        forge_video(canvases, points[:5], rng)
    with pytest.raises(UsageError, match="NaN"):
        forge_video(canvases, np.where(points < 20, np.float32(np.nan), points), rng)
    with pytest.raises(UsageError, match="canvases"):
        forge_video(canvases, points, rng, "self_blend", donor=(DONOR[0][:, :, :50], DONOR[1]))


def test_drawn_families_leave_the_swap_out_without_a_donor() -> None:
    names = {video._draw_family(np.random.default_rng(s), None) for s in range(300)}
    assert names == set(FAMILIES) - {"face_swap"}
