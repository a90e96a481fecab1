# SPDX-License-Identifier: Apache-2.0
"""Name and licences of what is exported, the same in every artefact."""

from __future__ import annotations

MODEL_ID = "avguard-joint@0.1.0"
LICENCES = {
    "license_code": "Apache-2.0",
    "license_weights": "Apache-2.0: joint model (trained by this project) and face models (MediaPipe authors)",
    "license_data": "research clips of project pages, most without a licence of their own; sources named in card.md",
}
