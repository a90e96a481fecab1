# SPDX-License-Identifier: Apache-2.0
"""The product under measurement, in a module of its own: a spawned worker cannot import what lives in __main__."""

from __future__ import annotations

from avguard.api import Checker
from avguard.evaluate.judge import CheckerLike


def make_checker(model: str | None, engine: str) -> CheckerLike:
    """The product, as a worker process builds it."""
    checker: CheckerLike = Checker(model, engine=engine)
    return checker
