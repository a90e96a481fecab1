# SPDX-License-Identifier: Apache-2.0
"""How far a scan is, for people: a line that is written over in a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from typing import TextIO

from avguard.scan.run import Tally

TERMINAL_EVERY_S = 0.2
LOG_EVERY_S = 10.0


class Meter:
    """Called with the tally after every step; writes when it is time to."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._terminal = out, out.isatty()
        self._next_s = 0.0

    def __call__(self, tally: Tally) -> None:
        """Write a line if the last one is old enough."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + (TERMINAL_EVERY_S if self._terminal else LOG_EVERY_S)
        self._write(line_of(tally))

    def end(self, tally: Tally) -> None:
        """The last state, whatever the time."""
        self._write(line_of(tally))
        if self._terminal:
            self._out.write("\n")

    def _write(self, line: str) -> None:
        self._out.write(f"\r{line}\x1b[K" if self._terminal else f"{line}\n")
        self._out.flush()


def line_of(tally: Tally) -> str:
    """Files, share, rate, errors and time left."""
    done = tally.skipped + tally.done
    share = 100 * done / tally.total if tally.total else 100.0
    parts = [f"{done}/{tally.total} files", f"{share:.0f} %", f"{tally.rate:.2f} files/s"]
    if tally.errors:
        parts.append(f"{tally.errors} errors")
    if tally.eta_s is not None and done < tally.total:
        parts.append(f"{clock(tally.eta_s)} left")
    return "  ".join(parts)


def clock(seconds: float) -> str:
    """h:mm:ss, or m:ss below an hour."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
