# SPDX-License-Identifier: Apache-2.0
"""Cheap defences: judge other windows than those that were attacked, more of them, or a picture that is jittered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from avguard.spec import load_spec
from avguard.train.adversarial.stretch import Inputs, Stretch, inputs_of
from avguard.train.pixels import affine, around

SPEC = load_spec()
JITTER = 0.03
"""Largest change of size, as a share; the shift is as large at the canvas's rim."""
LOOKS = 4


def as_the_product(stretch: Stretch) -> Inputs | None:
    """The two windows that the product judges."""
    return inputs_of(stretch, stretch.ends())


def many_windows(stretch: Stretch) -> Inputs | None:
    """Five windows, a quarter stride apart, most of which nobody attacked."""
    first, last = stretch.ends()
    return inputs_of(stretch, [int(start) for start in np.linspace(first, last, 5)])


def resize_jitter(stretch: Stretch) -> Inputs | None:
    """The product's two windows, ``LOOKS`` times each, the picture a little larger or smaller every time."""
    rng = np.random.default_rng(list(stretch.row.path.encode()))
    looks = [as_the_product(_jittered(stretch, rng)) for _ in range(LOOKS)]
    kept = [look for look in looks if look is not None]
    return tuple(np.concatenate(parts) for parts in zip(*kept, strict=True)) if kept else None


def _jittered(stretch: Stretch, rng: np.random.Generator) -> Stretch:
    centre = np.full(2, SPEC.video.canvas_px / 2)
    scale, shift = 1 + rng.uniform(-JITTER, JITTER), rng.uniform(-1, 1, 2) * JITTER * centre
    matrix = around(centre, 0.0, scale, shift)
    canvases = affine(stretch.clip.canvases, np.repeat(matrix[None], len(stretch.clip.canvases), 0))
    return replace(stretch, clip=replace(stretch.clip, canvases=canvases))


VIEWS: dict[str, Callable[[Stretch], Inputs | None]] = {
    "none": as_the_product,
    "5 windows": many_windows,
    f"resize jitter, {LOOKS} looks": resize_jitter,
}
