# SPDX-License-Identifier: Apache-2.0
"""Calibration on held-out sources: what turns the raw logits of a joint program into probabilities and labels.

Logits come from the product's own session on the validation clips, so that what is calibrated is what ships.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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


def _logits_of(row: Row, data: Path) -> ClipLogits:
    with open_media(data / row.path) as reader:
        assert _model is not None
        session = _core.Session(
            _model, expect_video=reader.info.video is not None, expect_audio=reader.info.audio is not None
        )
        feed(reader, session)
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


def collect_logits(rows: list[Row], data: Path, program: bytes, workers: int = 2) -> list[ClipLogits]:
    """Raw logits of every clip of ``rows`` through the product's session."""
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_open, initargs=(program,)) as pool:
        return list(pool.map(_logits_of, rows, [data] * len(rows), chunksize=4))


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


def calibrate(clips: list[ClipLogits], peak_weight: float) -> dict[str, Any]:
    """The calibration of a manifest, fitted on validation clips."""
    result = identity_calibration()
    result["peak_weight"] = peak_weight
    kinds = np.array([clip.row.kind == "fake" for clip in clips], np.float64)
    sources = np.array([clip.row.source for clip in clips])
    logits: dict[str, NDArray[np.float64]] = {}
    for head in HEADS:
        raw = np.array([clip.pooled(head, peak_weight) for clip in clips])
        truth = np.array([_truth(clip.row, head) for clip in clips], np.float64)
        usable = ~np.isnan(raw) & ~np.isnan(truth)
        scale, bias = (1.0, 0.0) if len(set(truth[usable])) < 2 else fit_head(raw[usable], truth[usable])
        result["scale"] = {**result["scale"], head: scale}
        result["bias"] = {**result["bias"], head: bias}
        logits[head] = scale * raw + bias
        clean = usable & (truth == 0)
        bona_fide = 1 / (1 + np.exp(-logits[head][clean]))
        if len(bona_fide):
            above = worst_threshold(bona_fide, sources[clean], FAKE_FPR)
            limits = {"head_fake_above": above, "segment_above": above}
            limits["head_real_below"] = min(threshold_at(bona_fide, REAL_FPR), above)
            for key, limit in limits.items():
                result[key] = {**result[key], head: limit}
    _fit_overall(result, clips, kinds, logits)
    return result


def _truth(row: Row, head: str) -> float:
    # Whether a given generator's lips fit its voice is not known: desync is left as it is.
    value = None if head == "desync" else row.truth(head)  # type: ignore[arg-type]
    return float("nan") if value is None else float(value)


def _fit_overall(
    result: dict[str, Any], clips: list[ClipLogits], kinds: NDArray[np.float64], logits: dict[str, NDArray[np.float64]]
) -> None:
    video, audio = ~np.isnan(logits["video"]), ~np.isnan(logits["audio"])
    features = np.stack(
        [either(logits["video"], logits["audio"]), *(np.nan_to_num(logits[h]) for h in ("video", "audio", "sync"))], 1
    )
    scores = np.full(len(clips), np.nan)
    priors = {
        "both": (video & audio, [0.4, 0.1, 0.1, 0.4]),
        "video_only": (video & ~audio, [0.0, 1.0, 0.0, 0.0]),
        "audio_only": (audio & ~video, [0.0, 0.0, 1.0, 0.0]),
    }
    for name, (rows, prior) in priors.items():
        fitted = np.append(np.array(prior), 0.0)
        if name == "both":
            fitted = fit_logistic(features[rows], kinds[rows], np.array(prior), 0.05)
        weights = {"video": float(fitted[1]), "audio": float(fitted[2]), "sync": float(fitted[3]), "desync": 0.0}
        result[name] = {"either": float(fitted[0]), "weight": weights, "bias": float(fitted[4])}
        scores[rows] = 1 / (1 + np.exp(-(features[rows] @ fitted[:4] + fitted[4])))
    clean = (kinds == 0) & video & audio
    sources = np.array([clip.row.source for clip in clips])
    result["fake_above"] = worst_threshold(scores[clean], sources[clean], FAKE_FPR)
    result["real_below"] = min(threshold_at(scores[clean], REAL_FPR), result["fake_above"])
