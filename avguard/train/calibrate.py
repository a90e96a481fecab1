# SPDX-License-Identifier: Apache-2.0
"""Calibration on held-out sources: what turns the raw logits of a joint program into probabilities and labels.

Logits come from the product's own session on the validation clips, so that what is calibrated is what ships.
"""

from __future__ import annotations

from collections.abc import Collection
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
from avguard.train.conditions import CONDITIONS, Changed
from avguard.verdict import Verdict

HEADS = load_spec().heads
FAKE_FPR, REAL_FPR = 0.04, 0.20
LEAST_CLIPS = 10


def identity_calibration() -> dict[str, Any]:
    """Scores are the raw logits' sigmoids; every clip is judged."""
    ones, zeros, half = (dict.fromkeys(HEADS, value) for value in (1.0, 0.0, 0.5))
    mix = {"bias": 0.0, "either": 0.0, "weight": zeros}
    return {
        "scale": ones, "bias": zeros, "peak_weight": 0.0, "both": mix, "video_only": mix, "audio_only": mix,
        "fake_above": 0.5, "real_below": 0.5, "head_fake_above": half, "head_real_below": half,
        "segment_above": half, "minimum_face_s": 0.8, "minimum_speech_s": 0.4, "offset_contrast": 10.0,
    }  # fmt: skip


@dataclass(frozen=True)
class ClipLogits:
    """Raw window logits of one clip by head; empty where a head was not judged."""

    row: Row
    logits: dict[str, list[float]]

    def pooled(self, head: str, peak_weight: float) -> float:
        """As the core pools them; NaN when there are none."""
        values = self.logits[head]
        return (1 - peak_weight) * float(np.mean(values)) + peak_weight * max(values) if values else float("nan")


_model: _core.Model | None = None


def _open(program: bytes) -> None:
    global _model
    folder = default_path()
    faces = ((folder / f"{name}.pte").read_bytes() for name in ("face_detector", "face_mesh"))
    _model = _core.Model(*faces, program, identity_calibration(), {"id": "raw", "licence": "", "engine": ""})


def _logits_of(row: Row, data: Path, condition: str | None) -> ClipLogits:
    with open_media(data / row.path) as reader:
        assert _model is not None
        session = _core.Session(
            _model, expect_video=reader.info.video is not None, expect_audio=reader.info.audio is not None
        )
        feed(reader if condition is None else Changed(reader, CONDITIONS[condition]()), session)
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
    return ClipLogits(row, logits)


def collect_logits(
    rows: list[Row], data: Path, program: bytes, workers: int = 2, condition: str | None = None
) -> list[ClipLogits]:
    """Raw logits of every clip of ``rows`` through the product's session, under one of CONDITIONS if named."""
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_open, initargs=(program,)) as pool:
        return list(pool.map(_logits_of, rows, repeat(data), repeat(condition), chunksize=4))


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


def calibrate(clips: list[ClipLogits], peak_weight: float, hard: Collection[list[ClipLogits]] = ()) -> dict[str, Any]:
    """The calibration of a manifest, fitted on validation clips.

    ``hard``: bona fide clips under each of CONDITIONS; thresholds are as high as the worst of them needs.
    """
    result = identity_calibration()
    result["peak_weight"] = peak_weight
    kinds = np.array([clip.row.kind == "fake" for clip in clips], np.float64)
    sources = np.array([clip.row.source for clip in clips])
    for head in HEADS:
        raw = np.array([clip.pooled(head, peak_weight) for clip in clips])
        truth = np.array([_truth(clip.row, head) for clip in clips], np.float64)
        usable = ~np.isnan(raw) & ~np.isnan(truth)
        scale, bias = (1.0, 0.0) if len(set(truth[usable])) < 2 else fit_head(raw[usable], truth[usable])
        result["scale"] = {**result["scale"], head: scale}
        result["bias"] = {**result["bias"], head: bias}
        clean = usable & (truth == 0)
        if not clean.any():
            continue
        bona_fide = _sigmoid(scale * raw[clean] + bias)
        above = worst_threshold(bona_fide, sources[clean], FAKE_FPR)
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
    return result


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values))


def _clean_logits(clips: list[ClipLogits], head: str, peak_weight: float) -> NDArray[np.float64]:
    raw = np.array([clip.pooled(head, peak_weight) for clip in clips if _truth(clip.row, head) == 0])
    return raw[~np.isnan(raw)]


def _truth(row: Row, head: str) -> float:
    # Whether a given generator's lips fit its voice is not known: desync is left as it is.
    value = None if head == "desync" else row.truth(head)  # type: ignore[arg-type]
    return float("nan") if value is None else float(value)


def _features(
    result: dict[str, Any], clips: list[ClipLogits]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.bool_]]]:
    """What the overall score is made of, (n, 4), and which clips each mixture is for (picture and sound, or one)."""
    logits = {
        head: result["scale"][head] * np.array([clip.pooled(head, result["peak_weight"]) for clip in clips])
        + result["bias"][head]
        for head in HEADS
    }
    video, audio = ~np.isnan(logits["video"]), ~np.isnan(logits["audio"])
    features = np.stack(
        [either(logits["video"], logits["audio"]), *(np.nan_to_num(logits[h]) for h in ("video", "audio", "sync"))], 1
    )
    return features, {"both": video & audio, "video_only": video & ~audio, "audio_only": audio & ~video}


def _fit_overall(result: dict[str, Any], clips: list[ClipLogits], kinds: NDArray[np.float64]) -> None:
    features, parts = _features(result, clips)
    priors = {"both": [0.4, 0.1, 0.1, 0.4], "video_only": [0.0, 1.0, 0.0, 0.0], "audio_only": [0.0, 0.0, 1.0, 0.0]}
    for name, prior in priors.items():
        fitted = np.append(np.array(prior), 0.0)
        if name == "both":
            fitted = fit_logistic(features[parts[name]], kinds[parts[name]], np.array(prior), 0.05)
        weights = {"video": float(fitted[1]), "audio": float(fitted[2]), "sync": float(fitted[3]), "desync": 0.0}
        result[name] = {"either": float(fitted[0]), "weight": weights, "bias": float(fitted[4])}


def overall_scores(result: dict[str, Any], clips: list[ClipLogits]) -> NDArray[np.float64]:
    """Overall score of clips of which picture and sound were judged, (n,); NaN for the others."""
    features, parts = _features(result, clips)
    mix = result["both"]
    weights = np.array([mix["either"], *(mix["weight"][h] for h in ("video", "audio", "sync"))])
    return np.where(parts["both"], _sigmoid(features @ weights + mix["bias"]), np.nan)
