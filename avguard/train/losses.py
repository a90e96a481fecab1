# SPDX-License-Identifier: Apache-2.0
"""Losses of the joint model: masked binary cross-entropy over heads, contrastive alignment of lips and voice, and what
a teacher says.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn import functional

from avguard.errors import UsageError
from avguard.spec import load_spec

SPEC = load_spec()


def masked_bce(
    logits: Tensor,
    labels: Tensor,
    *,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
    head_weights: Tensor | None = None,
) -> Tensor:
    """Multi-head binary cross-entropy with unknown labels; a scalar, zero (with gradient) when nothing is known.

    ``logits`` and ``labels``: (N, H) for windows or (N, H, T) for steps; a label is a probability, 1 = fake, and NaN =
    unknown. ``smoothing`` in [0, 1) moves labels towards 0.5. ``weights``: (N,) per sample. ``head_weights``: (H,).
    Each head is averaged over its own known entries first, so that a rarely labelled head keeps its say.
    Raises UsageError when shapes do not fit.
    """
    if logits.shape != labels.shape or logits.dim() not in (2, 3):
        raise UsageError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} must be (N, H) or (N, H, T)")
    if weights is not None and weights.shape != logits.shape[:1]:
        raise UsageError(f"weights must be ({logits.shape[0]},), got {tuple(weights.shape)}")
    known = ~torch.isnan(labels)
    target = torch.where(known, labels, 0.5) * (1.0 - smoothing) + 0.5 * smoothing
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    share = known.to(loss.dtype)
    if weights is not None:
        share = share * weights.to(loss.dtype).reshape(-1, *[1] * (logits.dim() - 1))
    over = [d for d in range(logits.dim()) if d != 1]
    mass = share.sum(over)
    per_head = (loss * share).sum(over) / torch.where(mass > 0, mass, 1.0)
    if head_weights is None:
        head_weights = torch.ones_like(per_head)
    present = (mass > 0) * head_weights.to(loss.dtype)
    return (per_head * present).sum() / present.sum().clamp_min(1e-12)


def alignment_loss(
    embed_video: Tensor,
    embed_audio: Tensor,
    in_sync: Tensor,
    *,
    lags: Tensor | None = None,
    own_window: bool = False,
    temperature: float = 0.1,
    guard_steps: int = 2,
) -> Tensor:
    """InfoNCE between lips and voice of one moment, both directions; a scalar, zero (with gradient) without rows.

    ``embed_video``, ``embed_audio``: (N, E, 1, T), normalised here. ``in_sync``: bool (N,), or (N, T) to choose single
    steps: only bona fide, aligned material belongs. ``lags``: int (N,), by how many steps the sound is late. Positive:
    the step ``lags`` later; steps without one are left out. Without lags that differ, where a step lies in its window,
    which both streams know from their padding, answers the question as well as lips and voice do. Negatives: every
    other chosen step of the batch but the same window's within ``guard_steps``, which sound and look too alike to be
    wrong; with ``own_window`` half of the loss has only those of the same window, where knowing the clip is no help.
    After van den Oord et al., "Representation Learning with Contrastive Predictive Coding" (2018).
    Raises UsageError when shapes do not fit.
    """
    if embed_video.shape != embed_audio.shape or embed_video.dim() != 4 or embed_video.shape[2] != 1:
        raise UsageError(f"embeddings must both be (N, E, 1, T): {embed_video.shape} and {embed_audio.shape}")
    n, _, _, steps = embed_video.shape
    if in_sync.dtype != torch.bool or in_sync.shape not in ((n,), (n, steps)):
        raise UsageError(f"in_sync must be bool ({n},) or ({n}, {steps}), got {in_sync.dtype} {tuple(in_sync.shape)}")
    chosen = in_sync if in_sync.dim() == 2 else in_sync[:, None].expand(n, steps)
    if lags is not None:
        later = torch.arange(steps, device=lags.device) + lags[:, None]
        chosen = chosen & (later >= 0) & (later < steps)
        places = later.clamp(0, steps - 1)[:, None, None].expand_as(embed_audio)
        embed_audio = embed_audio.gather(3, places)
    chosen = chosen.flatten().nonzero()[:, 0]
    if chosen.numel() == 0:
        return (embed_video.sum() + embed_audio.sum()) * 0.0
    video, audio = (
        functional.normalize(e[:, :, 0].transpose(1, 2).flatten(0, 1)[chosen].float(), dim=1)
        for e in (embed_video, embed_audio)
    )
    window, step = chosen // steps, chosen % steps
    same = window[:, None] == window
    near = same & ((step[:, None] - step).abs() <= guard_steps)
    near.fill_diagonal_(False)
    similarity = (video @ audio.T / temperature).masked_fill(near, float("-inf"))
    loss = _both_ways(similarity)
    return 0.5 * (loss + _both_ways(similarity.masked_fill(~same, float("-inf")))) if own_window else loss


def _both_ways(similarity: Tensor) -> Tensor:
    target = torch.arange(len(similarity), device=similarity.device)
    forward = functional.cross_entropy(similarity, target)
    return 0.5 * (forward + functional.cross_entropy(similarity.T, target))


def distillation_loss(
    outputs: tuple[Tensor, ...],
    taught: tuple[Tensor, ...],
    judged: Tensor,
    *,
    heads: Collection[str] = SPEC.heads,
    features: float = 0.5,
) -> Tensor:
    """How far a student is from its teacher: logits as probabilities, and the directions of the embeddings; a scalar.

    ``outputs``, ``taught``: logits_window (N, 4), logits_steps (N, 4, 12), embed_video and embed_audio (N, E, 1, T).
    ``judged``: bool (N, 2), picture and sound that the teacher had; the two sync heads need both. ``heads``: by name,
    those it is asked about. ``features`` weighs the embeddings. After Hinton et al., "Distilling the Knowledge in a
    Neural Network" (2015), at temperature 1: with two classes there is no dark knowledge that a higher one would show.
    """
    video, audio = judged.unbind(1)
    asked = torch.tensor([name in heads for name in SPEC.heads], device=judged.device)
    known = torch.stack([video, audio, video & audio, video & audio], 1) & asked
    nan = torch.tensor(float("nan"), device=known.device)
    window = torch.where(known, taught[0].sigmoid(), nan)
    steps = torch.where(known[:, :, None], taught[1].sigmoid(), nan)
    loss = masked_bce(outputs[0], window) + 0.5 * masked_bce(outputs[1], steps)
    for side, own, other in ((video, outputs[2], taught[2]), (audio, outputs[3], taught[3])):
        if features and side.any():
            likeness = functional.cosine_similarity(own[side].float(), other[side].float(), dim=1)
            loss = loss + features * 0.5 * (1 - likeness.mean())
    return loss
