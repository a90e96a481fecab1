# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from avguard.media.clock import DecodeOrder, Epochs, SampleClock, StreamClock, to_us

MS = Fraction(1, 1000)


def clock(epochs: Epochs | None = None, start_us: int = 0) -> StreamClock:
    return StreamClock(epochs or Epochs(), 0, start_us)


@given(st.integers(-(2**40), 2**40), st.integers(1, 10**6), st.integers(1, 10**6))
def test_rounding_is_within_half_a_microsecond(stamp: int, num: int, den: int) -> None:
    exact = stamp * Fraction(num, den) * 1_000_000
    assert abs(to_us(stamp, Fraction(num, den)) - exact) <= Fraction(1, 2)


def test_missing_stamps_continue_from_the_last() -> None:
    line = clock(start_us=7000)
    times = []
    for stamp in (None, 40, None, None, 200):
        times.append(line.place(stamp, MS))
        line.hold(times[-1] + 40_000)
    assert times == [7000, 40_000, 80_000, 120_000, 200_000]
    assert (line.missing, line.repaired) == (3, 0)


def test_stamps_that_do_not_advance_are_moved_just_behind() -> None:
    line = clock()
    assert [line.place(s, MS) for s in (0, 40, 40, 30, 80)] == [0, 40_000, 40_001, 40_002, 80_000]
    assert line.repaired == 2


@given(st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=40))
def test_any_stamps_come_out_strictly_increasing(stamps: list[int | None]) -> None:
    line = clock()
    times = []
    for stamp in stamps:
        times.append(line.place(stamp, MS))
        line.hold(times[-1] + 40_000)
    assert all(a < b for a, b in zip(times, times[1:], strict=False))


def test_streams_keep_their_offset_where_the_clock_starts_anew() -> None:
    epochs = Epochs()
    film, sound = clock(epochs), clock(epochs)
    for second in range(100):
        film.place(second * 1000, MS)
        film.hold(second * 1_000_000 + 1_000_000)
        sound.place(second * 1000 + 120, MS)
        sound.hold(second * 1_000_000 + 1_120_000)
    assert film.place(0, MS) == 100_000_000
    assert sound.place(120, MS) == 100_120_000
    assert (film.jumps, sound.jumps) == (1, 1)


def test_coarse_stamps_are_smoothed_and_gaps_are_kept() -> None:
    line = SampleClock(clock())
    stamps = [round(k * 1024 / 44.1) for k in range(50)]
    times = [line.place(s, MS, 1024, 44100) for s in stamps]
    assert times == [to_us(k * 1024, Fraction(1, 44100)) for k in range(50)]
    assert line.place(stamps[-1] + 300, MS, 1024, 44100) == (stamps[-1] + 300) * 1000


def test_exact_stamps_are_taken_as_they_are() -> None:
    line = SampleClock(clock())
    tick = Fraction(1, 48000)
    assert [line.place(s, tick, 1024, 48000) for s in (0, 1023, 2049)] == [to_us(s, tick) for s in (0, 1023, 2049)]


def test_pictures_of_a_container_without_presentation_times_are_sorted() -> None:
    order = DecodeOrder()
    shown = []
    for stamp in (0, 1, 2, 3, 4):
        order.packet(stamp)
        if stamp >= 2:
            shown.append(order.picture())
    assert [*shown, order.picture(), order.picture(), order.picture()] == [0, 1, 2, 3, 4, None]
