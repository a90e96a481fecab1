# SPDX-License-Identifier: Apache-2.0
"""The joint model in an order that suits XNNPACK: the same weights and answers, less copied, more of it in cache.

XNNPACK computes with the channels of a pixel side by side. A program that takes its pictures as planes turns them
round in every run, after it has copied them for want of a fifth axis.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import ExportedProgram, export
from torch.fx import GraphModule, Node
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avguard.train.backbone import Inverted
from avguard.train.model import INPUT_SHAPES, JointModel, random_inputs
from avguard.train.streams import FACES, LOOK_EVERY, FaceNet, pool

# Bytes, of the smallest cores that are common: beyond it a depthwise kernel waits for L2 at every tap.
L1_BYTES = 32 * 1024
# Channels that XNNPACK's kernels compute at once, at most.
LANES = 16
RESHAPE, CAT, SLICE = torch.ops.aten.reshape.default, torch.ops.aten.cat.default, torch.ops.aten.slice.Tensor


class InGroups(nn.Module):
    """``FaceNet`` of one window, LOOK_EVERY faces at a time while maps are large: faster than layer by layer.

    A convolution that reads pictures from memory itself waits for them; the copy of a group reads ahead.
    """

    def __init__(self, net: FaceNet) -> None:
        super().__init__()
        self.light, self.look = net.light, net.look
        trunk = net.trunk
        self.stem = nn.Sequential(fuse_conv_bn_eval(trunk.stem[0], trunk.stem[1]), trunk.stem[2])  # type: ignore[type-var]
        self.stem[0].weight = _with_fourth(self.stem[0].weight)
        self.first, *others = trunk.stages
        self.others = nn.ModuleList(others)

    def forward(self, face: Tensor) -> Tensor:
        frames = face.reshape(face.shape[1:])
        groups = [frames[at : at + LOOK_EVERY] for at in range(0, FACES, LOOK_EVERY)]
        middle = LOOK_EVERY // 2
        light = torch.cat([pool(self.light(group)) for group in groups])
        taps = [torch.cat([self.first(self.stem(group[middle : middle + 1])) for group in groups])]
        for stage in self.others:
            taps.append(stage(taps[-1]))
        looked = self.look(torch.cat([pool(tap) for tap in taps], 1))
        columns = [x.reshape(1, FACES, -1, 1).permute(0, 2, 3, 1) for x in (light, looked)]
        return torch.cat(columns, 1)


def _with_fourth(weight: Tensor) -> nn.Parameter:
    """A weight of nought for the fourth channel: to cut single channels out of pixels takes longer than to multiply."""
    return nn.Parameter(F.pad(weight.detach(), (0, 0, 0, 0, 0, 1)), requires_grad=False)


class Parts(nn.Module):
    """An inverted block whose depthwise convolution was cut by channels: the sum of what its parts project."""

    def __init__(self, block: Inverted, sizes: list[int]) -> None:
        super().__init__()
        net = block.net
        expand, depthwise, project = (fuse_conv_bn_eval(net[i], net[i + 1]) for i in (0, 3, 6))  # type: ignore[type-var]
        self.residual = block.residual
        self.parts = nn.ModuleList()
        for at, size in zip(torch.tensor([0, *sizes]).cumsum(0).tolist(), sizes, strict=False):
            cut = slice(at, at + size)
            last = nn.Conv2d(size, project.out_channels, 1, bias=at == 0)
            last.weight.data = project.weight[:, cut].clone()
            if last.bias is not None:
                last.bias.data = project.bias.clone()
            self.parts.append(
                nn.Sequential(_rows(expand, cut), nn.ReLU6(), _rows(depthwise, cut, size), nn.ReLU6(), last)
            )

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.parts
        y: Tensor = x + first(x) if self.residual else first(x)
        for part in others:
            y = y + part(x)
        return y


def _rows(convolution: nn.Conv2d, cut: slice, groups: int = 1) -> nn.Conv2d:
    weight, bias = convolution.weight[cut], convolution.bias
    assert bias is not None
    inputs = weight.shape[1] * groups
    part = nn.Conv2d(
        inputs, len(weight), weight.shape[2:], convolution.stride, convolution.padding, groups=groups  # type: ignore[arg-type]
    )  # fmt: skip
    part.weight.data, part.bias.data = weight.clone(), bias[cut].clone()  # type: ignore[union-attr]
    return part


def part_sizes(channels: int, taps: int) -> list[int]:
    """Multiples of LANES, as even as these are, each so small that its weights and the pixels under them fit in L1."""
    count = -(-channels * taps * 2 * 4 // L1_BYTES)
    edges = [round(channels * i / count / LANES) * LANES for i in range(count)] + [channels]
    return [b - a for a, b in zip(edges, edges[1:], strict=False)]


def for_cache(model: JointModel) -> JointModel:
    """``model``, from ``deployable``, with its wide 5x5 blocks as Parts and its faces InGroups. For one window."""
    if model.video is not None:
        model.video.face = InGroups(model.video.face)  # type: ignore[assignment]
    for stage in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for i, block in enumerate(stage):
            if not isinstance(block, Inverted) or len(block.net) < 8:
                continue
            depthwise = block.net[3]
            assert isinstance(depthwise, nn.Conv2d)
            sizes = part_sizes(depthwise.in_channels, depthwise.weight[0].numel())
            if depthwise.kernel_size == (5, 5) and len(sizes) > 1:
                stage[i] = Parts(block, sizes)
    return model


def channels_last(program: ExportedProgram) -> ExportedProgram:
    """A traced program of one window, float or fake-quantised, that takes pictures as single frames.

    ``face`` (12, 4, 112, 112) lies with its channels last, ``mouth`` is (48, 1, 48, 48); the other inputs stay.
    """
    module = program.module()
    assert isinstance(module, GraphModule)
    graph = module.graph
    inputs = dict(zip(INPUT_SHAPES, graph.find_nodes(op="placeholder"), strict=True))
    for name in ("face", "mouth"):
        for node in list(inputs[name].users):
            if node.target == RESHAPE and node.args[1] == list(INPUT_SHAPES[name]):
                node.replace_all_uses_with(inputs[name])
                graph.erase_node(node)
    _take_looks(module, inputs["face"])
    for node in graph.find_nodes(op="call_module", target="_guards_fn"):
        graph.erase_node(node)
    # Another module: hooks of this one check the shapes that were.
    return export(
        GraphModule(module, graph), as_frames(random_inputs(1, torch.Generator().manual_seed(0))), strict=False
    )


def as_frames(window: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs of one window, in the shapes of ``INPUT_SHAPES`` with a batch of one, as such a program takes them."""
    face, mouth, *others = window
    return (face[0].contiguous(memory_format=torch.channels_last), mouth[0], *others)


def _take_looks(module: GraphModule, face: Node) -> None:
    """Give the trunk whole frames."""
    graph = module.graph
    folded = next((node for node in face.users if node.target == RESHAPE), None)
    if folded is None:  # InGroups, or a model without the video stream
        return
    (colours,) = folded.users
    (stem,) = colours.users
    with graph.inserting_before(stem):
        frames = range(LOOK_EVERY // 2, INPUT_SHAPES["face"][0], LOOK_EVERY)
        looks = graph.call_function(CAT, ([graph.call_function(SLICE, (face, 0, i, i + 1)) for i in frames],))
    stem.replace_input_with(colours, looks)
    for node in (colours, folded):
        graph.erase_node(node)
    weight = stem.args[1]
    assert isinstance(weight, Node)
    owner, _, leaf = str(weight.target).rpartition(".")
    holder = module.get_submodule(owner)
    setattr(holder, leaf, _with_fourth(getattr(holder, leaf)))
