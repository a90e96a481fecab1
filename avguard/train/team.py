# SPDX-License-Identifier: Apache-2.0
"""One training process or several: who this one is, and what they must agree on.

Started by torchrun, by ``--processes`` or by Ray Train, a process finds its rank in the environment (or its process
group ready); started plainly it is alone. Gradients are averaged by DistributedDataParallel: gloo on CPUs, NCCL on
GPUs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from avguard.errors import UsageError


@dataclass(frozen=True)
class Team:
    """This process is number ``rank`` of ``size`` and computes on ``device``."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def leads(self) -> bool:
        """Whether this one validates, writes and talks."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """``model``, its gradients averaged over the team."""
        if self.size == 1:
            return model
        cuda = [torch.device(self.device)] if self.device.startswith("cuda") else None
        # A batch may lack every label of a head, and an ablation lacks whole streams.
        return DistributedDataParallel(model, device_ids=cuda, find_unused_parameters=True)

    def share(self, batch: int) -> int:
        """This process's part of a batch. Raises UsageError when it cannot be cut evenly."""
        if batch % self.size:
            raise UsageError(f"a batch of {batch} cannot be shared by {self.size} processes: give a multiple")
        return batch // self.size

    def agree(self, value: float) -> float:
        """What the first process says."""
        if self.size == 1:
            return value
        said = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.broadcast(said, 0)
        return float(said)

    def gather(self, value: object) -> list[Any]:
        """What every process says, in order of rank."""
        if self.size == 1:
            return [value]
        said: list[Any] = [None] * self.size
        distributed.all_gather_object(said, value)
        return said


def join(device: str) -> Team:
    """The team that the launcher made of this process. ``device``: cpu, cuda, or auto for a GPU where there is one."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    size = int(os.environ.get("WORLD_SIZE", "1"))
    ready = distributed.is_available() and distributed.is_initialized()
    if size == 1 and not ready:
        return Team(device=device)
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    if not ready:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return Team(distributed.get_rank(), distributed.get_world_size(), device)


def random_state(device: str) -> dict[str, Tensor]:
    """State of torch's generators: of the CPU, and of this process's GPU where it has one."""
    state = {"cpu": torch.get_rng_state()}
    return state | {"cuda": torch.cuda.get_rng_state(device)} if device.startswith("cuda") else state


def set_random_state(state: dict[str, Tensor], device: str) -> None:
    """The reverse of ``random_state``; a state that was saved without a GPU leaves its generator alone."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and device.startswith("cuda"):
        torch.cuda.set_rng_state(state["cuda"], device)
