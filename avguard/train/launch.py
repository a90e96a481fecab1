# SPDX-License-Identifier: Apache-2.0
"""Starts the processes of a team: on this machine, or on a cluster by Ray Train.

For several machines without Ray use torchrun, which each process understands.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import torch
from torch import distributed
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from avguard.errors import UsageError
from avguard.train.loop import Settings, Trainer

# A worker that dies takes the team down, and the team goes on from its last checkpoint, this often.
_RESTARTS = 3


LAUNCHERS = ("torchrun", "ray")


def fit(
    settings: Settings, data: Path, store: Path, folder: Path, processes: int = 1, launcher: str = "torchrun"
) -> None:
    """Train in this process, or in so many that ``launcher`` starts. Raises UsageError for fewer than one."""
    if processes < 1 or launcher not in LAUNCHERS:
        raise UsageError(
            f"{processes} processes by {launcher} cannot train: give 1 or more by {' or '.join(LAUNCHERS)}"
        )
    if launcher == "ray":
        _fit_on_ray(settings, data.resolve(), store.resolve(), folder.resolve(), processes)
        return
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


def _fit_on_ray(settings: Settings, data: Path, store: Path, folder: Path, processes: int) -> None:
    """Every machine of the cluster must see the same ``data``, ``store`` and ``folder``."""
    # No report of use leaves the machine.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    folder.mkdir(parents=True, exist_ok=True)
    here = Path.cwd()
    # Ray's workers import from where it was started, and a checkout there would hide the installed package.
    os.chdir(folder)
    try:
        ray.init(ignore_reinit_error=True)
    finally:
        os.chdir(here)
    gpu = settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available())
    TorchTrainer(
        # Ray makes the process group, and takes it down.
        lambda: Trainer(settings, data, store, folder).run(),
        scaling_config=ScalingConfig(num_workers=processes, use_gpu=gpu),
        run_config=RunConfig(storage_path=str(folder / "ray"), failure_config=FailureConfig(max_failures=_RESTARTS)),
    ).fit()
