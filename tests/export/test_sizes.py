# SPDX-License-Identifier: Apache-2.0
"""What the models cost: counts, programs that answer what torch does, and which lines the tables have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from avguard import _core
from avguard.train import model as joint
from avguard.train.baselines.graph_attention import GraphPool
from avguard.train.streams import conv
from export import sizes
from export.sizes import NETS, SHIPPED, Cost, Net, cost_table, count_macs, exported, runner, shown

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_macs_are_those_that_the_joint_model_counts_itself() -> None:
    model = joint.JointModel(0.25)
    window = joint.random_inputs(1, torch.Generator().manual_seed(0))
    assert count_macs(model, window) == joint.count_macs(model)["total"]
    assert count_macs(nn.Linear(8, 4), [torch.zeros(3, 8)]) == 96
    net = NETS["baselines-sound"]
    assert 1e7 < count_macs(net.make(), net.inputs()) < 1e8


def test_a_net_that_is_wholly_delegated_runs_in_the_product_s_core() -> None:
    net = Net(lambda: conv(3, 8, 3, 2), ((2, 3, 16, 16),))
    data = exported(net)
    torch.manual_seed(0)
    with torch.no_grad():
        wanted = [conv(3, 8, 3, 2).eval()(*net.inputs())]
    found = _core.Program(data).run([np.ascontiguousarray(x.numpy()) for x in net.inputs()])
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.reshape(b.shape), b.numpy(), atol=1e-4)
    runner(data, net.inputs(), True)(None)


def test_a_net_with_other_operations_runs_in_pip_s_runtime() -> None:
    net = Net(lambda: GraphPool(8, 0.5), ((1, 6, 8),), whole=False)
    torch.manual_seed(0)
    with torch.no_grad():
        wanted = GraphPool(8, 0.5).eval()(*net.inputs())
    (found,) = runner(exported(net), net.inputs(), False)(None)  # type: ignore[misc]
    assert torch.allclose(found, wanted, atol=1e-5)


def test_programs_are_kept_and_every_one_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(make_net: Callable[[Net], bytes] = exported) -> Callable[[Net], bytes]:
        return lambda net: (made.append(net), make_net(net))[1]

    monkeypatch.setattr(sizes, "NETS", {"pool": Net(lambda: GraphPool(8, 0.5), ((1, 6, 8),), whole=False)})
    monkeypatch.setattr(sizes, "exported", make())
    for _ in range(2):
        found = sizes.costs(tmp_path, rounds=1)
    assert len(made) == 1
    assert list(found) == [SHIPPED + "float", SHIPPED + "int8", "pool"]
    assert all(min(cost.ms, cost.macs, cost.size, cost.parameters) > 0 for cost in found.values())
    assert found["pool"].size == (tmp_path / "pool.pte").stat().st_size


def result(name: str, group: str = "baselines", **scores: float) -> dict[str, Any]:
    clips = {"validation": {"a": scores}, "test": {}}
    return {"name": name, "group": group, "label": "all", "kind": "joint", "parameters": 5, "clips": clips}


def test_the_teacher_costs_what_its_seeds_do_and_nets_that_are_not_there_have_no_line() -> None:
    costs = {SHIPPED + "float": Cost(10, 20, 30, 1.0), "baselines-sound": Cost(1, 1, 1, 1.0)}
    results = [result("claims-0", "claims", video=1.0), result("claims-1", "claims", video=3.0),
               result(SHIPPED + "float", video=0.0), result("baselines-metadata", video=0.0)]  # fmt: skip
    chosen, found = shown(results, costs)
    assert [r["name"] for r in chosen] == [SHIPPED + "float", "mean of 2 joint runs", "baselines-metadata"]
    assert found["mean of 2 joint runs"] == Cost(20, 40, 60, 2.0)
    assert chosen[1]["clips"]["validation"]["a"]["video"] == 2.0
    both = [result("baselines-faces", video=1.0), result("baselines-sound", audio=1.0)]
    assert [r["name"] for r in shown(both, costs)[0]] == ["baselines-sound", "faces and sound, fused late"]


def test_costs_are_told_by_the_second() -> None:
    assert cost_table({"net": Cost(1000, 192_000_000, 4096, 19.2)}).splitlines()[-1] == (
        "| net | 1,000 | 100 | 4,096 | 19.20 | 0.0100 |"
    )
