# SPDX-License-Identifier: Apache-2.0
"""export.arrange: another order of the same work gives the same answers, and copies less."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from avguard.train.backbone import Inverted
from avguard.train.graph import deployable, trace
from avguard.train.model import JointModel, random_inputs
from avguard.train.quantize import quantized
from export.arrange import L1_BYTES, Parts, as_frames, channels_last, for_cache, part_sizes

RESHAPE = torch.ops.aten.reshape.default


@pytest.fixture(scope="module")
def model() -> JointModel:
    """Random weights and batch-norm statistics that are not those of a fresh layer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = JointModel(width=0.5)
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.uniform_(layer.running_mean, -0.2, 0.2)
                nn.init.uniform_(layer.running_var, 0.5, 1.5)
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.uniform_(layer.bias, -0.2, 0.2)
    return model.eval()


@pytest.mark.parametrize(("channels", "taps"), [(240, 25), (480, 25), (144, 25), (480, 9), (250, 25), (17, 49)])
def test_parts_cover_every_channel_once_and_fit_in_the_cache(channels: int, taps: int) -> None:
    sizes = part_sizes(channels, taps)
    assert sum(sizes) == channels
    assert all(size % 16 == 0 for size in sizes[:-1])
    assert max(sizes) - 15 <= L1_BYTES / (8 * taps)


@torch.no_grad()
def test_parts_sum_to_the_block() -> None:
    for inputs, outputs, stride in ((40, 40, 1), (24, 40, 2)):
        block = Inverted(inputs, outputs, 5, stride, 6).eval()
        inner = inputs * 6
        x = torch.randn(2, inputs, 9, 11, generator=torch.Generator().manual_seed(1))
        parts = Parts(block, part_sizes(inner, 40))
        assert len(parts.parts) > 1
        torch.testing.assert_close(parts(x), block(x), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_model_for_cache_and_frames_answers_as_before(model: JointModel) -> None:
    window = random_inputs(1, torch.Generator().manual_seed(2))
    expected = model(*window)
    cut = for_cache(deployable(model))
    assert sum(isinstance(module, Parts) for module in cut.modules()) == 3
    got = channels_last(trace(cut)).module()(*as_frames(window))
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_no_picture_is_reshaped(model: JointModel) -> None:
    window = random_inputs(1, torch.Generator().manual_seed(3))
    graph = quantized(model, [window])
    for program in (trace(deployable(model)), trace(graph)):
        arranged = channels_last(program)
        sizes = [node.meta["val"].numel() for node in arranged.graph.nodes if node.target == RESHAPE]
        assert max(sizes) < 48 * 48 * 48
    got, expected = arranged.module()(*as_frames(window))[0], graph(*window)[0]
    assert float((got - expected).abs().max()) < 0.1
