# SPDX-License-Identifier: Apache-2.0
"""The wiring between decoder and core that a check, a stream and training share."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avguard import _core
from avguard.errors import CancelledError, ModelError
from avguard.media import Frame, MediaReader
from avguard.models import Bundle, default_path, open_bundle

Progress = Callable[[str, float, float], object]
"""Called as progress(phase, seconds done, seconds in all or 0 when unknown); returning False cancels."""

Listener = Callable[[dict[str, Any]], object]
"""Called with every event of a session (see ``Stream.poll``) as soon as it is known."""

SELF_TEST_TOLERANCE = {"joint_float": 0.01, "joint_int8": 0.6}  # logits


def cpu_has_int8_dot() -> bool:
    """Whether this CPU multiplies int8 faster than float32 (VNNI on x86; ARM since v8.2 has dot products)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    words = set(flags.split())
    return bool(words & {"avx512_vnni", "avx_vnni", "asimddp"})


def choose_role(engine: str) -> str:
    """``engine``: "auto", "int8" or "float" -> the bundle's role to load. Raises ModelError for other names."""
    roles = {"int8": "joint_int8", "float": "joint_float"}
    if engine == "auto":
        return "joint_int8" if cpu_has_int8_dot() else "joint_float"
    if engine not in roles:
        raise ModelError(f"engine {engine!r} is not one of auto, int8, float.")
    return roles[engine]


def open_model(
    folder: str | Path | None = None,
    engine: str = "auto",
    *,
    require_signature: bool = False,
    trusted_keys: Collection[str] = (),
) -> _core.Model:
    """Verify a bundle (see ``open_bundle``), run its self-test on this CPU, and open it.

    Raises ModelError or EngineError, and UsageError for keys that are none.
    """
    bundle = open_bundle(folder, require_signature=require_signature, trusted_keys=trusted_keys)
    role = choose_role(engine)
    self_test(bundle, role)
    return _core.Model(
        bundle.program("face_detector"),
        bundle.program("face_mesh"),
        bundle.program(role),
        bundle.manifest.calibration,
        {
            "id": bundle.manifest.id,
            "licence": bundle.manifest.license_weights,
            "engine": f"executorch-xnnpack-{role.removeprefix('joint_')}",
            "unread": ", ".join(bundle.manifest.unread),
        },
    )


def open_extractor() -> _core.Model:
    """The face programs of the shipped bundle alone, for extracting training tensors."""
    folder = default_path()
    card = {"id": "extract", "licence": "Apache-2.0", "engine": "executorch-xnnpack"}
    detector, mesh = ((folder / f"{name}.pte").read_bytes() for name in ("face_detector", "face_mesh"))
    return _core.Model(detector, mesh, None, None, card)


def self_test(bundle: Bundle, role: str) -> float:
    """Largest logit error of the joint program on the bundle's golden vectors. Raises ModelError past tolerance.

    Each program has its own vectors, made by PyTorch with the same rounding. A kernel that computes wrongly on some CPU
    (seen: int8 under an emulated matrix extension) is refused here.
    """
    try:
        golden = json.loads(bundle.data[bundle.manifest.self_test])
        inputs = [pattern_input(shape, seed) for seed, shape in enumerate(golden["shapes"])]
        logits = np.asarray(golden["logits"][role], np.float32)
        outputs = _core.Program(bundle.program(role), joint=True).run(inputs)
        error = float(np.max(np.abs(outputs[0] - logits.reshape(outputs[0].shape))))
    except (KeyError, TypeError, ValueError) as failure:
        raise ModelError(
            f"the self-test vectors of the bundle make no sense ({failure}). Reinstall the bundle."
        ) from failure
    if not error <= SELF_TEST_TOLERANCE[role]:
        raise ModelError(
            f"the joint model computes wrongly on this CPU: {role} is off by {error:.3g} logits on its self-test. "
            "Try the other engine (int8 or float) and report the CPU."
        )
    return error


def pattern_input(shape: list[int], seed: int) -> NDArray[np.float32]:
    """Self-test input: float32 of ``shape`` in [-1, 1), the same everywhere."""
    # Integer arithmetic, so that every platform and NumPy release makes the same vectors.
    index = np.arange(int(np.prod(shape)), dtype=np.uint64)
    mixed = (index * np.uint64(2654435761) + np.uint64(seed * 97 + 1)) % np.uint64(4096)
    values: NDArray[np.float32] = mixed.astype(np.float32) / np.float32(2048.0) - np.float32(1.0)
    return values.reshape(shape)


def feed(
    reader: MediaReader, session: _core.Session, progress: Progress | None = None, events: Listener | None = None
) -> None:
    """Push everything ``reader`` gives into ``session``. Raises CancelledError and the reader's errors."""
    total_s = (reader.info.duration_us or 0) / 1e6
    # What stands in front of a reader and changes its items lends nothing: its pictures are copied.
    lends = isinstance(reader, MediaReader)
    for item in reader:
        if isinstance(item, Frame):
            session.push_frame(
                item.planes,
                item.format,
                item.width,
                item.height,
                item.t_us,
                full_range=item.full_range,
                matrix=item.matrix,
                rotation_deg=item.rotation_deg,
                mirrored=item.mirrored,
                release=reader.keep() if lends else None,
            )
        else:
            session.push_audio(item.samples, item.sample_rate_hz, item.t_us)
        if events is not None:
            tell(session, events)
        if progress is not None and progress("check", max(item.t_us, 0) / 1e6, total_s) is False:
            raise CancelledError("the check was cancelled by its progress callback; nothing was kept.")


def tell(session: _core.Session, events: Listener) -> None:
    """Hand what ``session`` found since the last time to ``events``."""
    for event in session.poll():
        events(event)
