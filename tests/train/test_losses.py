# SPDX-License-Identifier: Apache-2.0
"""Masked cross-entropy, alignment and distillation: values by hand, masks, safety with nothing to learn from."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from avguard.errors import UsageError
from avguard.train.losses import alignment_loss, distillation_loss, masked_bce

NAN = float("nan")


def entropy(logit: float, target: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -target * math.log(p) - (1 - target) * math.log(1 - p)


def embeddings(n: int, steps: int, seed: int) -> Tensor:
    return torch.randn(n, 8, 1, steps, generator=torch.Generator().manual_seed(seed), requires_grad=True)


def test_value_by_hand_averages_each_head_over_its_known_rows() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    labels = torch.tensor([[1.0, 0.0], [0.0, NAN]])
    expected = ((entropy(2.0, 1) + entropy(0.5, 0)) / 2 + entropy(-1.0, 0)) / 2
    assert float(masked_bce(logits, labels)) == pytest.approx(expected, rel=1e-6)


def test_smoothing_and_weights_by_hand() -> None:
    logits, labels = torch.tensor([[2.0], [-1.0]]), torch.tensor([[1.0], [1.0]])
    loss = masked_bce(logits, labels, smoothing=0.1, weights=torch.tensor([1.0, 3.0]))
    assert float(loss) == pytest.approx((entropy(2.0, 0.95) + 3 * entropy(-1.0, 0.95)) / 4, rel=1e-6)


def test_head_weights_pick_heads() -> None:
    logits, labels = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 1.0]])
    loss = masked_bce(logits, labels, head_weights=torch.tensor([0.0, 2.0]))
    assert float(loss) == pytest.approx(entropy(-1.0, 1), rel=1e-6)


def test_unknown_entries_get_no_gradient() -> None:
    logits = torch.zeros(2, 4, 12, requires_grad=True)
    labels = torch.zeros(2, 4, 12)
    labels[1, 2, 5:] = NAN
    labels[:, 3] = NAN
    masked_bce(logits, labels).backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad != 0, ~labels.isnan())


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 12), (0, 4)])
def test_nothing_known_is_zero_with_gradient(shape: tuple[int, ...]) -> None:
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = masked_bce(logits, torch.full(shape, NAN))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_huge_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = masked_bce(logits, torch.tensor([[0.0, 1.0]]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1e4)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_shape_mismatch_is_refused() -> None:
    with pytest.raises(UsageError):
        masked_bce(torch.zeros(2, 4), torch.zeros(2, 3))
    with pytest.raises(UsageError):
        masked_bce(torch.zeros(2, 4), torch.zeros(2, 4), weights=torch.ones(3))


def test_aligned_pairs_score_better_than_shifted_ones() -> None:
    video = embeddings(3, 48, 0)
    rows = torch.ones(3, dtype=torch.bool)
    aligned, shifted = alignment_loss(video, video, rows), alignment_loss(video, video.roll(5, 3), rows)
    assert float(aligned.detach()) < 0.5 < 5.0 < float(shifted.detach())


def test_a_known_lag_is_looked_up_and_steps_without_a_partner_are_left_out() -> None:
    video, rows = embeddings(3, 48, 0), torch.ones(3, dtype=torch.bool)
    lags = torch.tensor([5, -7, 0])
    audio = torch.stack([window.roll(int(lag), 2) for window, lag in zip(video, lags, strict=True)])
    late = alignment_loss(video, audio, rows, lags=lags)
    inside = torch.ones(3, 48, dtype=torch.bool)
    inside[0, 43:] = inside[1, :7] = False
    assert torch.allclose(late, alignment_loss(video, video, inside))
    assert float(late.detach()) < 0.5 < float(alignment_loss(video, audio, rows).detach())
    assert float(alignment_loss(video, audio, rows, lags=-lags).detach()) > 2


def test_a_code_of_places_answers_without_lags_and_fails_with_them() -> None:
    """What zero padding tells both streams: the embedding of a step is its number, whatever is seen or heard."""
    places, rows = torch.eye(48).reshape(1, 48, 1, 48).repeat(4, 1, 1, 1), torch.ones(4, dtype=torch.bool)
    same = alignment_loss(places, places, rows, own_window=True, temperature=0.05)
    moved = alignment_loss(places, places, rows, lags=torch.tensor([6, -6, 9, 12]), own_window=True, temperature=0.05)
    assert float(same) < 1 < 5 < float(moved)


def test_own_window_is_half_of_the_loss() -> None:
    video, audio, rows = embeddings(2, 6, 0), embeddings(2, 6, 1), torch.ones(2, dtype=torch.bool)
    alone = sum(alignment_loss(video[i : i + 1], audio[i : i + 1], rows[:1]) for i in range(2)) / 2
    both = 0.5 * (alignment_loss(video, audio, rows) + alone)
    assert torch.allclose(alignment_loss(video, audio, rows, own_window=True), both)


def test_one_window_value_by_hand() -> None:
    """Four orthogonal steps, guard 1: step 0 has negatives 2 and 3, step 1 has 3, and mirrored."""
    eye = torch.eye(4).reshape(1, 4, 1, 4)
    loss = alignment_loss(eye, eye, torch.tensor([True]), temperature=1.0, guard_steps=1)
    two, one = math.log(math.e + 2) - 1, math.log(math.e + 1) - 1
    assert float(loss) == pytest.approx((2 * two + 2 * one) / 4, rel=1e-5)


def test_scale_of_embeddings_does_not_matter() -> None:
    video, audio, rows = embeddings(2, 12, 0), embeddings(2, 12, 1), torch.tensor([True, True])
    assert torch.allclose(alignment_loss(video, audio, rows), alignment_loss(video * 7, audio * 0.1, rows))


def test_neighbours_within_the_guard_are_no_negatives() -> None:
    """A step repeated inside the guard costs nothing; the same repeat in another window does."""
    steps = torch.eye(8)[:, [0, 0, 1, 2, 3, 4, 5, 6]].reshape(1, 8, 1, 8)
    rows = torch.tensor([True])
    near = alignment_loss(steps, steps, rows, temperature=0.01, guard_steps=1)
    far = alignment_loss(steps.repeat(2, 1, 1, 1), steps.repeat(2, 1, 1, 1), rows.repeat(2), temperature=0.01)
    assert float(near) < 1e-6
    assert float(far) > 0.5


def test_only_flagged_rows_and_steps_count() -> None:
    video, audio = embeddings(3, 12, 0), embeddings(3, 12, 1)
    chosen = torch.zeros(3, 12, dtype=torch.bool)
    chosen[1, 3:9] = True
    alignment_loss(video, audio, chosen).backward()
    for leaf in (video, audio):
        assert leaf.grad is not None
        assert torch.equal(leaf.grad.abs().sum((1, 2)) > 0, chosen)


def test_no_valid_rows_is_zero_with_gradient() -> None:
    video, audio = embeddings(3, 12, 0), embeddings(3, 12, 1)
    loss = alignment_loss(video, audio, torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert video.grad is not None
    assert not video.grad.any()


def test_zero_embeddings_give_finite_gradients() -> None:
    video = torch.zeros(1, 8, 1, 12, requires_grad=True)
    alignment_loss(video, video, torch.tensor([True])).backward()
    assert video.grad is not None
    assert torch.isfinite(video.grad).all()


def test_bad_flags_are_refused() -> None:
    video = embeddings(2, 12, 0)
    for bad in (torch.ones(2), torch.ones(3, dtype=torch.bool)):
        with pytest.raises(UsageError):
            alignment_loss(video, video, bad)
    with pytest.raises(UsageError):
        alignment_loss(video, video[:, :, 0], torch.ones(2, dtype=torch.bool))


def answers(n: int, seed: int) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    shapes = ((n, 4), (n, 4, 12), (n, 8, 1, 12), (n, 8, 1, 12))
    return tuple(torch.randn(shape, generator=draw, requires_grad=True) for shape in shapes)


def test_a_student_that_answers_as_its_teacher_cannot_do_better() -> None:
    taught = tuple(a.detach() for a in answers(3, 0))
    judged = torch.ones(3, 2, dtype=torch.bool)
    best = float(distillation_loss(taught, taught, judged))
    assert all(float(distillation_loss(answers(3, seed), taught, judged).detach()) > best for seed in (1, 2, 3))


def test_a_teacher_without_sound_says_nothing_of_it() -> None:
    outputs, taught = answers(2, 1), answers(2, 2)
    distillation_loss(outputs, taught, torch.tensor([[True, False], [True, False]])).backward()
    window, steps, video, voice = (output.grad for output in outputs)
    assert window is not None
    assert steps is not None
    assert video is not None
    assert window[:, 0].all()
    assert steps[:, 0].all()
    assert not window[:, 1:].any()
    assert not steps[:, 1:].any()
    assert video.any()
    assert voice is None


def test_a_teacher_of_two_heads_leaves_the_others_and_the_embeddings_alone() -> None:
    outputs, taught = answers(2, 1), answers(2, 2)
    judged = torch.ones(2, 2, dtype=torch.bool)
    distillation_loss(outputs, taught, judged, heads=("video", "audio"), features=0).backward()
    window, steps, *embeddings = (output.grad for output in outputs)
    assert window is not None
    assert steps is not None
    assert window[:, :2].all()
    assert steps[:, :2].all()
    assert not window[:, 2:].any()
    assert not steps[:, 2:].any()
    assert embeddings == [None, None]
