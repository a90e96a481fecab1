# SPDX-License-Identifier: Apache-2.0
"""Starts the processes of a team on this machine; for several machines use torchrun, which each process understands."""

from __future__ import annotations

import uuid
from pathlib import Path

from torch import distributed
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from avguard.errors import UsageError
from avguard.train.loop import Settings, Trainer

# A worker that dies takes the team down, and the team goes on from its last checkpoint, this often.
_RESTARTS = 3


def fit(settings: Settings, data: Path, store: Path, folder: Path, processes: int = 1) -> None:
    """Train in this process, or in so many. Raises UsageError for fewer than one."""
    if processes < 1:
        raise UsageError(f"{processes} processes cannot train: give 1 or more")
    if processes == 1:
        Trainer(settings, data, store, folder).run()
        return
    plan = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=_RESTARTS,
        monitor_interval=1,
        start_method="spawn",
    )
    elastic_launch(plan, _member)(settings, data, store, folder)


def _member(settings: Settings, data: Path, store: Path, folder: Path) -> None:
    try:
        Trainer(settings, data, store, folder).run()
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
