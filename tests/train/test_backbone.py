# SPDX-License-Identifier: Apache-2.0
"""The ImageNet trunk: its shapes, and that the published weights land where they belong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from avguard.errors import ModelError
from avguard.train.backbone import TAP_CHANNELS, Trunk, load_imagenet, weights_path


def test_taps_have_the_strides_that_the_streams_count_on() -> None:
    taps = Trunk(1).eval()(torch.randn(2, 1, 128, 192))
    assert [tuple(t.shape) for t in taps] == [
        (2, c, 128 // s, 192 // s) for c, s in zip(TAP_CHANNELS, (4, 8, 16, 16), strict=True)
    ]
    assert len(Trunk(3, taps=2)(torch.randn(2, 3, 32, 32))) == 2


@torch.no_grad()
def test_the_first_block_computes_what_the_published_weights_say() -> None:
    trunk = Trunk(3).eval()
    load_imagenet(trunk)
    saved = torch.load(weights_path(), weights_only=True)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, var = saved[f"{name}.running_mean"], saved[f"{name}.running_var"]
        return functional.batch_norm(x, mean, var, saved[f"{name}.weight"], saved[f"{name}.bias"], eps=1e-3)

    x = torch.randn(1, 3, 32, 32)
    y = functional.relu6(norm(functional.conv2d(x, saved["_conv_stem.weight"], stride=2, padding=1), "_bn0"))
    depthwise = functional.conv2d(y, saved["_blocks.0._depthwise_conv.weight"], padding=1, groups=32)
    y = functional.relu6(norm(depthwise, "_blocks.0._bn1"))
    y = norm(functional.conv2d(y, saved["_blocks.0._project_conv.weight"]), "_blocks.0._bn2")
    assert torch.allclose(trunk.stages[0][0](trunk.stem(x)), y, atol=1e-5)
    last = trunk.stages[-1][-1].net[-1]
    assert torch.equal(last.running_mean, saved["_blocks.8._bn2.running_mean"])


@torch.no_grad()
def test_one_channel_sees_what_three_equal_channels_saw() -> None:
    grey, colour = Trunk(1).eval(), Trunk(3).eval()
    for trunk in (grey, colour):
        load_imagenet(trunk)
    x = torch.randn(1, 1, 32, 32)
    for a, b in zip(grey(x), colour(x.expand(-1, 3, -1, -1)), strict=True):
        assert torch.allclose(a, b, atol=1e-3)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(b"not the weights")
    with pytest.raises(ModelError, match="not the published file"):
        load_imagenet(Trunk(3), tmp_path / "other.pth")


def test_frozen_parts_keep_weights_and_statistics_while_the_rest_learns() -> None:
    trunk = Trunk(3)
    trunk.freeze(2)
    trunk.train()
    before = {k: v.clone() for k, v in trunk.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in trunk.parameters() if p.requires_grad], 0.1)
    sum(tap.square().mean() for tap in trunk(torch.randn(4, 3, 32, 32))).backward()
    optimizer.step()
    changed = {k for k, v in trunk.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert not any(k.startswith(("stem", "stages.0")) for k in changed)
    assert any(k.startswith("stages.1") for k in changed)
