# SPDX-License-Identifier: Apache-2.0
"""Speed of ``log_mel`` beside kaldi-native-fbank, and how far apart their mel bands are; prints one table.

Usage: python tests/bench/bench_logmel.py. Needs kaldi-native-fbank, which avguard itself does not. Both compute 64 HTK
mel bands of the same 25 ms Hann frames every 10 ms, one thread, in turns; avguard adds its 128 linear bands.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import kaldi_native_fbank as knf
import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.spec import load_spec

SECONDS = 30
ROUNDS = 15


def noise() -> NDArray[np.float32]:
    count = SECONDS * load_spec().audio.sample_rate_hz
    return (0.1 * np.random.default_rng(7).standard_normal(count)).astype(np.float32)


def kaldi_options() -> knf.FbankOptions:
    audio = load_spec().audio
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = audio.sample_rate_hz
    options.frame_opts.dither = 0.0
    options.frame_opts.preemph_coeff = 0.0
    options.frame_opts.remove_dc_offset = False
    options.frame_opts.window_type = "hann"
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = audio.mel_bands
    options.mel_opts.low_freq = audio.mel_low_hz
    options.mel_opts.high_freq = audio.mel_high_hz
    return options


def run_kaldi(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    bank = knf.OnlineFbank(kaldi_options())
    bank.accept_waveform(load_spec().audio.sample_rate_hz, samples)
    bank.input_finished()
    return np.stack([bank.get_frame(j) for j in range(bank.num_frames_ready)])


def run_kaldi_without_copy(samples: NDArray[np.float32]) -> None:
    """What is timed: fetching frames one by one in Python would be counted against it."""
    bank = knf.OnlineFbank(kaldi_options())
    bank.accept_waveform(load_spec().audio.sample_rate_hz, samples)
    bank.input_finished()


def run_avguard(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    frames: NDArray[np.float32] = _core.log_mel(samples)[1]
    return frames


def seconds(action: Callable[[NDArray[np.float32]], object], samples: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    action(samples)
    return time.perf_counter() - start


def difference(samples: NDArray[np.float32]) -> float:
    """Largest difference of mel bands, in log units, away from the ends (kaldi mirrors the signal there)."""
    audio = load_spec().audio
    theirs = run_kaldi(samples)[2:-2] - 2 * np.log(audio.window_samples / 2)
    ours = run_avguard(samples)[2:-2, : audio.mel_bands]
    return float(np.abs(theirs - ours).max())


def compare(rounds: int) -> tuple[float, float]:
    """Seconds of (kaldi-native-fbank, avguard), the fastest of ``rounds`` taken in turns."""
    samples = noise()
    pairs = [(seconds(run_kaldi_without_copy, samples), seconds(run_avguard, samples)) for _ in range(rounds)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def main() -> None:
    samples = noise()
    kaldi, avguard = compare(ROUNDS)
    print(f"{'log-mel of ' + str(SECONDS) + ' s':24}{'min ms':>10}{'x real time':>14}")
    for name, spent in (("kaldi-native-fbank", kaldi), ("avguard", avguard)):
        print(f"{name:24}{1e3 * spent:>10.2f}{SECONDS / spent:>14.0f}")
    print(f"{'ratio':24}{kaldi / avguard:>10.2f}")
    print(f"{'max |difference|, log':24}{difference(samples):>10.1e}")


if __name__ == "__main__":
    main()
