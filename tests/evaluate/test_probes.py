# SPDX-License-Identifier: Apache-2.0
"""Shortcut probes find a planted shortcut, and do not find one where there is none."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avguard.errors import UsageError
from avguard.evaluate.journal import Result
from avguard.evaluate.manifest import Row, read_manifest, select
from avguard.evaluate.probes import ProbeReport, fit_logistic, make_probes, quartiles, render_probes
from avguard.evaluate.text import plain
from avguard.evaluate.trivial import NAMES, Trivial, bandwidth_hz, measure, measure_all
from tests.evaluate.doubles import MODEL, clip_row, write_lists

Floats = NDArray[np.float64]
RATE = 32000


def write_clip(path: Path, *, size: tuple[int, int], border: int, silence_s: float, tone_hz: float) -> None:
    """Two seconds: a grey middle with a border of one colour, a tone after a silence."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream("aac", rate=RATE)
        audio.layout = "mono"
        picture = np.full((size[1], size[0], 3), 128, np.uint8)
        picture[:, : size[0] // 5] = border
        picture[:, -size[0] // 5 :] = border
        picture[: size[1] // 5] = border
        picture[-size[1] // 5 :] = border
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        time_s = np.arange(2 * RATE) / RATE
        wave = np.where(time_s < silence_s, 0.0, 0.3 * np.sin(2 * np.pi * tone_hz * time_s)).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(wave[None, :], format="fltp", layout="mono")
        sound.sample_rate, sound.pts = RATE, 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode())


def test_features_of_a_synthesised_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_clip(path, size=(160, 96), border=250, silence_s=0.5, tone_hz=1000)
    found = measure(path, "a.mp4")
    assert found.error is None
    assert set(found.values) == set(NAMES)
    values = found.values
    assert (values["width_px"], values["height_px"], values["frame_rate_hz"]) == (160, 96, 25)
    assert values["duration_s"] == pytest.approx(2, abs=0.15)
    assert values["silence_ms"] == pytest.approx(500, abs=80)
    assert values["border_mean_g"] == pytest.approx(250 / 255, abs=0.03)
    assert values["border_std_g"] < 0.05
    assert values["bytes_per_s"] == pytest.approx(path.stat().st_size / 2, rel=0.1)
    assert values["is_mp4"] == 1


@pytest.mark.parametrize("cutoff_hz", [3000, 7000, 12000])
def test_bandwidth_is_where_the_sound_ends(cutoff_hz: int) -> None:
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal(4 * RATE))
    spectrum[np.fft.rfftfreq(4 * RATE, 1 / RATE) > cutoff_hz] = 0
    found = bandwidth_hz(np.fft.irfft(spectrum), RATE)
    # 60 dB down, the window's leakage is five bins wide.
    assert found == pytest.approx(cutoff_hz, abs=200)


def test_silence_has_no_bandwidth() -> None:
    assert math.isnan(bandwidth_hz(np.zeros(4096), RATE))


def test_a_file_that_is_no_media_is_an_error_and_the_cache_is_used(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"text")
    cache, calls = tmp_path / "f.jsonl", list[int]()
    first = measure_all(tmp_path, ["a.mp4", "gone.mp4"], cache, lambda done, _: calls.append(done))
    assert first["a.mp4"].error is not None
    assert first["gone.mp4"].error is not None
    (tmp_path / "a.mp4").unlink()
    assert measure_all(tmp_path, ["a.mp4"], cache, lambda done, _: calls.append(done)) == {"a.mp4": first["a.mp4"]}
    assert calls == [1, 2]
    cache.write_text('{"x": 1}\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"f\.jsonl"):
        measure_all(tmp_path, ["a.mp4"], cache)


def test_logistic_regression_is_at_its_minimum() -> None:
    rng = np.random.default_rng(4)
    values = rng.standard_normal((200, 3)) * [1, 5, 0.1] + [0, 10, -3]
    truth = (values[:, 0] + 0.2 * values[:, 1] - 2 + rng.standard_normal(200) > 0).astype(np.int64)
    fitted = fit_logistic(values, truth)
    inputs = np.column_stack([(values - fitted.mean) / fitted.scale, np.ones(200)])
    weight = np.where(truth == 1, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))

    def loss(beta: Floats) -> float:
        odds = inputs @ beta
        return float(np.sum(weight * (np.logaddexp(0, odds) - truth * odds)) + 0.5 * np.sum(beta[:-1] ** 2))

    best = loss(fitted.beta)
    for _ in range(50):
        assert loss(fitted.beta + 0.05 * rng.standard_normal(4)) > best
    gap = values[:3].copy()
    gap[:, 1] = np.nan
    median = values[:3].copy()
    median[:, 1] = np.median(values[:, 1])
    assert fitted.score(gap) == pytest.approx(fitted.score(median))


def test_quartiles_keep_ties_together() -> None:
    assert quartiles(np.arange(8.0)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(set(quartiles(np.array([1.0, 1, 1, 1, 1, 5])).tolist())) == 2


def planted(folder: Path, *, model_reads_bandwidth: bool) -> tuple[tuple[Row, ...], ProbeReport]:
    """Fakes have more bandwidth; the model reads either only that, or the truth and nothing else."""
    rng = np.random.default_rng(11)
    clips, features, results = [], {}, {}
    for index in range(240):
        kind, split = ("real", "fake")[index % 2], ("train", "test")[index % 3 == 0]
        source = f"{split}/{kind}{index % 5}"
        row = clip_row(f"{index}.mp4", kind, split=split, source=source, group=str(index))
        bandwidth = 6000 + 2000 * (kind == "fake") + 1500 * float(rng.standard_normal())
        score = bandwidth / 2000 - 3.5 if model_reads_bandwidth else 2.0 * (kind == "fake") + rng.standard_normal()
        overall = float(1 / (1 + np.exp(-score)))
        clips.append(row)
        features[row["clip"]] = Trivial(row["clip"], {"bandwidth_hz": bandwidth, "width_px": float(rng.integers(9))})
        results[row["clip"]] = Result(row["clip"], MODEL, "real", {"overall": overall, "audio": overall})
    features[clips[0]["clip"]] = Trivial(clips[0]["clip"], {}, "MediaError: x")
    rows = read_manifest(write_lists(folder, clips))
    seed = np.random.default_rng(0)
    return rows, make_probes(rows, select(rows, "test"), results, features, rng=seed, draws=50)


def test_a_planted_shortcut_is_found(tmp_path: Path) -> None:
    _, report = planted(tmp_path, model_reads_bandwidth=True)
    trained = {(p.family, p.head): p for p in report.trained}
    bandwidth = trained["audio bandwidth", "overall"]
    assert bandwidth.auc.value > 0.75
    assert bandwidth.held_out_auc > 0.75
    assert bandwidth.auc.low < bandwidth.auc.value < bandwidth.auc.high
    assert bandwidth.model_auc == pytest.approx(bandwidth.auc.value)
    assert abs(trained["resolution", "overall"].held_out_auc - 0.5) < 0.15
    explained = {(e.feature, e.head): e for e in report.explained}
    found = explained["bandwidth_hz", "overall"]
    assert found.rho > 0.95
    assert found.halves_auc > 0.95
    assert found.matched_auc < found.model_auc - 0.1
    assert report.unreadable == 1
    assert (bandwidth.clips, bandwidth.train_clips) == (79, 160)


def test_an_honest_model_is_not_accused(tmp_path: Path) -> None:
    _, report = planted(tmp_path, model_reads_bandwidth=False)
    found = next(e for e in report.explained if (e.feature, e.head) == ("bandwidth_hz", "overall"))
    assert abs(found.rho) < 0.4
    assert found.matched_auc > found.model_auc - 0.1
    text = render_probes(report)
    assert "audio bandwidth" in text
    assert "same quartile" in text
    assert "nan" not in text
    assert plain(report)


def test_features_that_say_nothing_and_no_train_split_make_no_probe(tmp_path: Path) -> None:
    rows = read_manifest(write_lists(tmp_path, [clip_row("a.mp4"), clip_row("b.mp4", "fake")]))
    features = {row.path: Trivial(row.path, {"width_px": 100.0}) for row in rows}
    report = make_probes(rows, rows, {}, features, rng=np.random.default_rng(0), draws=5)
    assert report == ProbeReport((), (), 0)
    assert render_probes(report) == "\n"
