# SPDX-License-Identifier: Apache-2.0
"""Graph layers: shapes, and that no node's place matters."""

from __future__ import annotations

import pytest
import torch

from avguard.train.baselines.graph_attention import GraphAttention, GraphPool, HeterogeneousAttention


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_permuted_nodes_give_permuted_answers() -> None:
    layer, x, order = GraphAttention(8, 6, 2.0).eval(), torch.randn(3, 7, 8), torch.randperm(7)
    out = layer(x)
    assert out.shape == (3, 7, 6)
    assert torch.allclose(layer(x[:, order]), out[:, order], atol=1e-6)


def test_a_node_hears_every_other_one() -> None:
    layer, x = GraphAttention(8, 6, 2.0).eval(), torch.randn(1, 5, 8)
    changed = x.clone()
    changed[0, 4] += 1
    assert ((layer(x) - layer(changed)).abs().amax(2) > 1e-6).all()


def test_both_kinds_may_be_permuted_and_the_stack_node_does_not_notice() -> None:
    layer = HeterogeneousAttention(8, 6, 100.0).eval()
    first, second, stack = torch.randn(2, 5, 8), torch.randn(2, 4, 8), torch.randn(2, 1, 8)
    one, two = torch.randperm(5), torch.randperm(4)
    out = layer(first, second, stack)
    assert [x.shape for x in out] == [(2, 5, 6), (2, 4, 6), (2, 1, 6)]
    permuted = layer(first[:, one], second[:, two], stack)
    for found, wanted in zip(permuted, (out[0][:, one], out[1][:, two], out[2]), strict=True):
        assert torch.allclose(found, wanted, atol=1e-6)


def test_kinds_are_told_apart_and_the_stack_node_is_not_read() -> None:
    layer = HeterogeneousAttention(8, 6, 1.0).eval()
    first, second, stack = torch.randn(2, 4, 8), torch.randn(2, 4, 8), torch.randn(2, 1, 8)
    out, swapped = layer(first, second, stack), layer(second, first, stack)
    assert not torch.allclose(out[0], swapped[1], atol=1e-3)
    others = layer(first, second, stack + 1)
    assert torch.equal(out[0], others[0])
    assert not torch.allclose(out[2], others[2], atol=1e-3)


def test_the_pool_keeps_the_nodes_that_score_highest_times_their_score() -> None:
    pool, x = GraphPool(8, 0.5).eval(), torch.randn(2, 7, 8)
    scores = pool.score(x)[..., 0]
    kept = pool(x)
    assert kept.shape == (2, 3, 8)
    for graph in range(2):
        best = scores[graph].argsort(descending=True)[:3]
        assert torch.allclose(kept[graph], x[graph, best] * scores[graph, best, None])
    assert torch.allclose(pool(x[:, torch.randperm(7)]), kept)
    assert GraphPool(8, 0.01).eval()(x).shape == (2, 1, 8)
