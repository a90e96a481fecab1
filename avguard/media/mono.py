# SPDX-License-Identifier: Apache-2.0
"""Samples of any format as mono float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALES = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "s64": np.int64, "flt": np.float32, "dbl": np.float64}


def to_mono(raw: NDArray[np.uint8], form: str, planar: bool, channels: int) -> NDArray[np.float32]:
    """The mean of all channels as a copy, full scale at 1.0, float32 (n,). ``raw``: bytes as in wire.PcmHead."""
    values: NDArray[Any] = raw.view(DTYPES[form])
    by_channel = values.reshape(channels, -1) if planar else values.reshape(-1, channels).T
    return mix(by_channel, SCALES.get(form), unsigned=form == "u8")


def mix(samples: NDArray[np.number[Any]], full_scale: float | None, unsigned: bool = False) -> NDArray[np.float32]:
    """Mean over the channels of (channels, n); ``full_scale`` is None for samples that are floats already."""
    if samples.dtype == np.float32 and len(samples) == 1:
        first: NDArray[np.float32] = samples[0].astype(np.float32)
        return first
    wide = samples.mean(axis=0, dtype=np.float64)
    if full_scale is not None:
        wide = (wide - full_scale if unsigned else wide) / full_scale
    narrow: NDArray[np.float32] = wide.astype(np.float32)
    return narrow
