# SPDX-License-Identifier: Apache-2.0
"""On-device audio-visual deepfake detection.

>>> import avguard
>>> avguard.check("clip.mp4").label
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avguard.api import Checker as Checker
    from avguard.api import Stream as Stream
    from avguard.api import check as check
    from avguard.errors import AvguardError as AvguardError
    from avguard.media import Limits as Limits
    from avguard.verdict import Verdict as Verdict

__version__ = "0.1.0"
__all__ = ["AvguardError", "Checker", "Limits", "Stream", "Verdict", "__version__", "check"]

_HOMES = {
    "AvguardError": "avguard.errors",
    "Checker": "avguard.api",
    "Limits": "avguard.media",
    "Stream": "avguard.api",
    "Verdict": "avguard.verdict",
    "check": "avguard.api",
}


def __getattr__(name: str) -> object:
    # Names load on first use: importing avguard must not cost a decoder or a model.
    if name not in _HOMES:
        raise AttributeError(f"module 'avguard' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
