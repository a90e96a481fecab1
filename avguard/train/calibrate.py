# SPDX-License-Identifier: Apache-2.0
"""Calibration on held-out sources: what turns the raw logits of a joint program into probabilities and labels.

Logits come from the product's own session on the validation clips, so that what is calibrated is what ships.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.evaluate.manifest import Row
from avguard.line import feed
from avguard.media import open_media
from avguard.models import default_path
from avguard.spec import load_spec
from avguard.train.conditions import Change, Changed
from avguard.verdict import Verdict

HEADS = load_spec().heads
FAKE_FPR, REAL_FPR = 0.04, 0.20
LEAST_CLIPS = 10
BOTH_PRIOR = [0.4, 0.1, 0.1, 0.4, 0.1]
"""Weights of the overall score before any clip was seen: of either one being fake, and of each head."""
# An offset is told where, at its contrast and above, so many of those told are right so nearly.
OFFSET_RIGHT, OFFSET_NEAR_MS, NEVER = 0.9, 40, 10.0
Moved = Mapping[int, list["ClipLogits"]]
"""Bona fide clips whose sound was made late, by how many milliseconds."""


def identity_calibration() -> dict[str, Any]:
    """Scores are the raw logits' sigmoids; every clip is judged."""
    ones, zeros, half = (dict.fromkeys(HEADS, value) for value in (1.0, 0.0, 0.5))
    mix = {"bias": 0.0, "either": 0.0, "weight": zeros}
    return {
        "scale": ones, "bias": zeros, "peak_weight": 0.0, "both": mix, "video_only": mix, "audio_only": mix,
        "fake_above": 0.5, "real_below": 0.5, "head_fake_above": half, "head_real_below": half,
        "segment_above": half, "minimum_face_s": 0.8, "minimum_speech_s": 0.4, "offset_contrast": NEVER,
    }  # fmt: skip


@dataclass(frozen=True)
class ClipLogits:
    """Raw window logits of one clip by head; empty where a head was not judged. Offset: None where not measured."""

    row: Row
    logits: dict[str, list[float]]
    offset_ms: float | None = None
    offset_contrast: float = 0.0

    def pooled(self, head: str, peak_weight: float) -> float:
        """As the core pools them; NaN when there are none."""
        values = self.logits[head]
        return (1 - peak_weight) * float(np.mean(values)) + peak_weight * max(values) if values else float("nan")


_model: _core.Model | None = None


def _open(program: bytes) -> None:
    global _model
    folder = default_path()
    faces = ((folder / f"{name}.pte").read_bytes() for name in ("face_detector", "face_mesh"))
    told = identity_calibration() | {"offset_contrast": 0.0}
    _model = _core.Model(*faces, program, told, {"id": "raw", "licence": "", "engine": ""})


def _logits_of(row: Row, data: Path, change: Callable[[], Change] | None) -> ClipLogits:
    with open_media(data / row.path) as reader:
        assert _model is not None
        session = _core.Session(
            _model, expect_video=reader.info.video is not None, expect_audio=reader.info.audio is not None
        )
        feed(reader if change is None else Changed(reader, change()), session)
        verdict = Verdict.from_json(session.finish())
        events = [event for event in session.poll() if event["kind"] == "window"]
    primary = next((track.id for track in verdict.tracks if track.primary), -1)
    logits: dict[str, list[float]] = {head: [] for head in HEADS}
    for event in events:
        if event["track"] not in (primary, -1):
            continue
        for head in HEADS:
            score = event["scores"][head]
            if score is not None and getattr(verdict.score, head) is not None:
                bounded = min(max(score, 1e-7), 1 - 1e-7)
                logits[head].append(float(np.log(bounded / (1 - bounded))))
    return ClipLogits(row, logits, verdict.offset_ms, verdict.offset_contrast)


def collect_logits(
    rows: list[Row], data: Path, program: bytes, workers: int = 2, change: Callable[[], Change] | None = None
) -> list[ClipLogits]:
    """Raw logits of every clip of ``rows`` through the product's session, each changed by a new ``change`` if given."""
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_open, initargs=(program,)) as pool:
        return list(pool.map(_logits_of, rows, repeat(data), repeat(change), chunksize=4))


def fit_logistic(
    features: NDArray[np.float64], labels: NDArray[np.float64], prior: NDArray[np.float64], strength: float
) -> NDArray[np.float64]:
    """Weights (k,) >= 0 and bias (last), classes balanced, drawn towards ``prior`` (k,) by ``strength``."""
    x = np.concatenate([features, np.ones((len(features), 1))], 1)
    positive = labels.mean()
    sample = np.where(labels == 1, 0.5 / positive, 0.5 / (1 - positive)) / len(labels)
    weights = np.append(prior, 0.0)
    target = weights.copy()
    pull = np.append(np.full(len(prior), strength), 0.0)
    for _ in range(3000):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (sample * (p - labels)) + pull * (weights - target)
        weights -= 0.3 * gradient / max(1.0, float(np.abs(x).mean()))
        weights[:-1] = np.maximum(weights[:-1], 0.0)
    return weights


def fit_head(values: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    """Platt's scale and bias of one head; a scale of at most 2, because few clips make bold fits."""
    spread = max(float(np.std(values)), 1e-3)
    scale, bias = fit_logistic(values[:, None] / spread, labels, np.array([1.0]), 0.02)
    return min(float(scale) / spread, 2.0), float(bias)


def either(video: NDArray[np.float64], audio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds that picture or sound is fake, from their calibrated logits (absent ones as NaN)."""

    def clean(logit: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.isnan(logit), 1.0, 1 / (1 + np.exp(np.nan_to_num(logit))))

    both = np.clip(clean(video) * clean(audio), 1e-9, 1 - 1e-9)
    return np.log((1 - both) / both)


def threshold_at(values: NDArray[np.float64], fpr: float) -> float:
    """Probability that at most ``fpr`` of ``values`` (of bona fide clips) reach."""
    return float(np.clip(np.quantile(values, 1 - fpr, method="higher") + 1e-3, 0.02, 0.995))


def worst_threshold(values: NDArray[np.float64], sources: NDArray[np.str_], fpr: float) -> float:
    """The highest of the thresholds that single sources need: how material was filmed moves scores more than chance.

    Sources of fewer than LEAST_CLIPS clips count together.
    """
    names, counts = np.unique(sources, return_counts=True)
    large = set(names[counts >= LEAST_CLIPS])
    grouped = np.array([name if name in large else "" for name in sources])
    return max(threshold_at(values[grouped == name], fpr) for name in set(grouped))


def calibrate(
    clips: list[ClipLogits],
    peak_weight: float,
    hard: Collection[list[ClipLogits]] = (),
    moved: Moved | None = None,
) -> dict[str, Any]:
    """The calibration of a manifest, fitted on validation clips.

    ``hard``: bona fide clips under each of CONDITIONS; thresholds are as high as the worst of them needs. ``moved``:
    what the desync head must tell from bona fide clips as they are; whether a given generator's lips fit its voice is
    not known.
    """
    result = identity_calibration()
    result["peak_weight"] = peak_weight
    kinds = np.array([clip.row.kind == "fake" for clip in clips], np.float64)
    sources = np.array([clip.row.source for clip in clips])
    wrong = [clip for group in (moved or {}).values() for clip in group]
    for head in HEADS:
        late = wrong if head == "desync" else []
        raw = np.array([clip.pooled(head, peak_weight) for clip in clips + late])
        truth = np.array([_truth(clip.row, head) for clip in clips] + [1.0] * len(late), np.float64)
        usable = ~np.isnan(raw) & ~np.isnan(truth)
        scale, bias = (1.0, 0.0) if len(set(truth[usable])) < 2 else fit_head(raw[usable], truth[usable])
        result["scale"] = {**result["scale"], head: scale}
        result["bias"] = {**result["bias"], head: bias}
        clean = usable & (truth == 0)
        if not clean.any():
            continue
        bona_fide = _sigmoid(scale * raw[clean] + bias)
        above = worst_threshold(bona_fide, sources[clean[: len(clips)]], FAKE_FPR)
        for group in hard:
            scores = _sigmoid(scale * _clean_logits(group, head, peak_weight) + bias)
            above = max(above, threshold_at(scores, FAKE_FPR)) if len(scores) else above
        limits = {"head_fake_above": above, "segment_above": above}
        limits["head_real_below"] = min(threshold_at(bona_fide, REAL_FPR), above)
        for key, limit in limits.items():
            result[key] = {**result[key], head: limit}
    _fit_overall(result, clips, kinds)
    scores = overall_scores(result, clips)
    clean = (kinds == 0) & ~np.isnan(scores)
    result["fake_above"] = worst_threshold(scores[clean], sources[clean], FAKE_FPR)
    for group in hard:
        honest = overall_scores(result, [clip for clip in group if clip.row.kind == "real"])
        result["fake_above"] = max(result["fake_above"], threshold_at(honest[~np.isnan(honest)], FAKE_FPR))
    result["real_below"] = min(threshold_at(scores[clean], REAL_FPR), result["fake_above"])
    result["offset_contrast"] = offset_contrast(clips, moved or {})
    return result


def offset_contrast(clips: list[ClipLogits], moved: Moved) -> float:
    """The least contrast from which on OFFSET_RIGHT of the offsets told are right; NEVER when there is none."""
    honest = [clip for clip in clips if clip.row.kind == "real"]
    told = [
        (clip.offset_contrast, abs(clip.offset_ms - late) <= OFFSET_NEAR_MS)
        for late, group in {0: honest, **moved}.items()
        for clip in group
        if clip.offset_ms is not None
    ]
    contrasts, right = (np.array(column) for column in zip(*sorted(told), strict=True)) if moved and told else ([], [])
    for at in range(len(contrasts) - LEAST_CLIPS):
        if right[at:].mean() >= OFFSET_RIGHT:
            return float(contrasts[at])
    return NEVER


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values))


def _clean_logits(clips: list[ClipLogits], head: str, peak_weight: float) -> NDArray[np.float64]:
    raw = np.array([clip.pooled(head, peak_weight) for clip in clips if _truth(clip.row, head) == 0])
    return raw[~np.isnan(raw)]


def _truth(row: Row, head: str) -> float:
    honest = 0 if row.kind == "real" else None
    value = honest if head == "desync" else row.truth(head)  # type: ignore[arg-type]
    return float("nan") if value is None else float(value)


def _features(
    result: dict[str, Any], clips: list[ClipLogits]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.bool_]]]:
    """What the overall score is made of, (n, 1 + heads), and which clips each mixture is for (both sides, or one)."""
    logits = {
        head: result["scale"][head] * np.array([clip.pooled(head, result["peak_weight"]) for clip in clips])
        + result["bias"][head]
        for head in HEADS
    }
    video, audio = ~np.isnan(logits["video"]), ~np.isnan(logits["audio"])
    features = np.stack([either(logits["video"], logits["audio"]), *(np.nan_to_num(logits[h]) for h in HEADS)], 1)
    return features, {"both": video & audio, "video_only": video & ~audio, "audio_only": audio & ~video}


def _fit_overall(result: dict[str, Any], clips: list[ClipLogits], kinds: NDArray[np.float64]) -> None:
    features, parts = _features(result, clips)
    alone = {"video_only": "video", "audio_only": "audio"}
    priors = {"both": BOTH_PRIOR} | {name: [0.0, *(float(h == head) for h in HEADS)] for name, head in alone.items()}
    for name, prior in priors.items():
        fitted = np.append(np.array(prior), 0.0)
        if name == "both":
            fitted = fit_logistic(features[parts[name]], kinds[parts[name]], np.array(prior), 0.05)
        weights = {head: float(weight) for head, weight in zip(HEADS, fitted[1:-1], strict=True)}
        result[name] = {"either": float(fitted[0]), "weight": weights, "bias": float(fitted[-1])}


def overall_scores(result: dict[str, Any], clips: list[ClipLogits]) -> NDArray[np.float64]:
    """Overall score of clips of which picture and sound were judged, (n,); NaN for the others."""
    features, parts = _features(result, clips)
    mix = result["both"]
    weights = np.array([mix["either"], *(mix["weight"][h] for h in HEADS)])
    return np.where(parts["both"], _sigmoid(features @ weights + mix["bias"]), np.nan)
