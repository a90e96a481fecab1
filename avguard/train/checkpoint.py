# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as ``loop`` writes them, read back as models."""

from __future__ import annotations

from pathlib import Path

import torch

from avguard.errors import ModelError
from avguard.train.model import JointModel


def load_checkpoint(path: Path) -> JointModel:
    """A model from ``{"model": state_dict, "config": constructor arguments}``. Raises ModelError when it is not one."""
    try:
        raw = torch.load(path, map_location="cpu", weights_only=True)
        model = JointModel(**raw["config"])
        model.load_state_dict(raw["model"])
    except Exception as error:
        raise ModelError(f"{path} is not a checkpoint of the joint model: {error}") from error
    return model


def sources_of(path: Path) -> list[str]:
    """Sources whose clips a checkpoint was trained on; none where it does not tell."""
    return list(torch.load(path, map_location="cpu", weights_only=True).get("trained_on", []))
