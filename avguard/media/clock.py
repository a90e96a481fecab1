# SPDX-License-Identifier: Apache-2.0
"""Container timestamps to microseconds on one clock: the only place that knows time bases."""

from __future__ import annotations

import heapq
from fractions import Fraction

MAX_US = 1 << 52
JUMP_US = 1_000_000
COARSE_TICK_US = 100


def to_us(stamp: int, time_base: Fraction) -> int:
    """Round ``stamp * time_base`` seconds to the nearest microsecond, halves up, exactly."""
    scaled = stamp * time_base.numerator * 2_000_000 + time_base.denominator
    return scaled // (2 * time_base.denominator)


class Epochs:
    """Shifts found where the container's clock starts anew; shared, so that the streams keep their offset."""

    def __init__(self) -> None:
        self._shifts: list[int] = []

    def resume(self, stamp_us: int, expected_us: int) -> int:
        """The shift that makes ``stamp_us`` follow on: one another stream has found already, or a new one."""
        for shift in self._shifts:
            if abs(stamp_us + shift - expected_us) < JUMP_US:
                return shift
        self._shifts = [*self._shifts[-3:], expected_us - stamp_us]
        return self._shifts[-1]


class StreamClock:
    """Places the items of one stream: strictly increasing, gaps and start offset kept.

    ``missing``, ``repaired`` and ``jumps`` count what had to be invented: a stamp that is absent continues from the
    last item; a stamp that does not advance is moved just behind it; one that falls back by more than a second starts
    a new epoch.
    """

    def __init__(self, epochs: Epochs, origin_us: int, start_us: int) -> None:
        self._epochs = epochs
        self._origin_us = origin_us
        self._shift_us = 0
        self._last_us: int | None = None
        self._next_us = start_us
        self.missing = 0
        self.repaired = 0
        self.jumps = 0

    def place(self, stamp: int | None, time_base: Fraction | None) -> int:
        """The time of an item, in microseconds; call ``hold`` next, with how long it lasts."""
        t_us = self._stamp_us(stamp, time_base)
        if t_us is None:
            self.missing += 1
            t_us = self._next_us
        elif self._last_us is not None and t_us + self._shift_us < self._last_us - JUMP_US:
            self.jumps += 1
            self._shift_us = self._epochs.resume(t_us, self._next_us)
            t_us += self._shift_us
        else:
            t_us += self._shift_us
        if self._last_us is not None and t_us <= self._last_us:
            self.repaired += 1
            t_us = self._last_us + 1
        self._last_us = t_us
        return t_us

    def hold(self, next_us: int) -> None:
        """Where the item after this one is expected when it brings no stamp."""
        self._next_us = next_us

    def _stamp_us(self, stamp: int | None, time_base: Fraction | None) -> int | None:
        if stamp is None or not time_base:
            return None
        t_us = to_us(stamp, time_base) - self._origin_us
        return t_us if abs(t_us) < MAX_US else None


class SampleClock:
    """Places blocks of samples. Where the container's tick is coarse (1 ms in Matroska and FLV) a block that is within
    one tick of the end of the one before it is continuous with it: its stamp only says so less exactly.
    """

    def __init__(self, clock: StreamClock) -> None:
        self.clock = clock
        self._anchor_us = 0
        self._samples = 0
        self._rate_hz = 0

    def place(self, stamp: int | None, time_base: Fraction | None, count: int, rate_hz: int) -> int:
        """The time of the first of ``count`` samples, in microseconds."""
        t_us = self.clock.place(stamp, time_base)
        expected_us = self._end_us() if rate_hz == self._rate_hz else None
        tick_us = to_us(1, time_base) if time_base else 0
        if expected_us is not None and tick_us > COARSE_TICK_US and abs(t_us - expected_us) <= tick_us:
            t_us = expected_us
        elif t_us != expected_us:
            self._anchor_us, self._samples, self._rate_hz = t_us, 0, rate_hz
        self._samples += count
        self.clock.hold(self._end_us())
        return t_us

    def _end_us(self) -> int:
        rate_hz = self._rate_hz
        # to_us(samples, Fraction(1, rate_hz)), without a Fraction for every block
        return self._anchor_us + ((self._samples * 2_000_000 + rate_hz) // (2 * rate_hz) if rate_hz else 0)


class DecodeOrder:
    """Presentation times for containers that store only decoding times (AVI).

    Pictures come out of a decoder in presentation order, so the n-th picture has the n-th smallest packet time.
    """

    def __init__(self) -> None:
        self._stamps: list[int] = []

    def packet(self, stamp: int | None) -> None:
        """A packet went in."""
        if stamp is not None:
            heapq.heappush(self._stamps, stamp)

    def picture(self) -> int | None:
        """The stamp of the picture that came out, or of one that was lost."""
        return heapq.heappop(self._stamps) if self._stamps else None
