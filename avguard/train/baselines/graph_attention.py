# SPDX-License-Identifier: Apache-2.0
"""Graph layers of AASIST (Jung et al., "AASIST: Audio Anti-Spoofing using Integrated Spectro-Temporal Graph Attention
Networks", ICASSP 2022): nodes are rows of (N, nodes, channels), every node is a neighbour of every other.

No layer knows the order of its nodes: permuted nodes give permuted answers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NODE_DROPOUT = 0.2


def _column(channels: int) -> nn.Parameter:
    weight = torch.empty(channels, 1)
    nn.init.xavier_normal_(weight)
    return nn.Parameter(weight)


class NodeNorm(nn.Module):
    """Batch norm over all nodes of all graphs, then SELU. (N, nodes, C) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x.flatten(0, 1)).reshape(x.shape)
        return nn.functional.selu(y)


class GraphAttention(nn.Module):
    """Attention from the products of two nodes. (N, nodes, inputs) -> (N, nodes, outputs)."""

    def __init__(self, inputs: int, outputs: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.drop = nn.Dropout(NODE_DROPOUT)
        self.pair, self.weight = nn.Linear(inputs, outputs), _column(outputs)
        self.gathered, self.own = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)
        self.norm = NodeNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(x)
        likeness = torch.tanh(self.pair(x[:, :, None] * x[:, None])) @ self.weight
        share = torch.softmax(likeness[..., 0] / self.temperature, -2)
        out: Tensor = self.norm(self.gathered(share @ x) + self.own(x))
        return out


class HeterogeneousAttention(nn.Module):
    """Attention between and within two kinds of nodes, and a stack node that reads them all and is read by none.

    ``first`` (N, A, inputs), ``second`` (N, B, inputs), ``stack`` (N, 1, inputs) -> the same three with ``outputs``.
    """

    def __init__(self, inputs: int, outputs: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.drop = nn.Dropout(NODE_DROPOUT)
        self.first, self.second = nn.Linear(inputs, inputs), nn.Linear(inputs, inputs)
        self.pair, self.pair_stack = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)
        self.within_first, self.within_second = _column(outputs), _column(outputs)
        self.between, self.to_stack = _column(outputs), _column(outputs)
        self.gathered, self.own = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)
        self.stack_gathered, self.stack_own = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)
        self.norm = NodeNorm(outputs)

    def forward(self, first: Tensor, second: Tensor, stack: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count = first.shape[1]
        x = self.drop(torch.cat([self.first(first), self.second(second)], 1))
        share = torch.softmax(self._likeness(x, count) / self.temperature, -2)
        heard = torch.tanh(self.pair_stack(x * stack)) @ self.to_stack
        heard = torch.softmax(heard / self.temperature, -2)
        stack = self.stack_gathered(heard.transpose(1, 2) @ x) + self.stack_own(stack)
        x = self.norm(self.gathered(share @ x) + self.own(x))
        return x[:, :count], x[:, count:], stack

    def _likeness(self, x: Tensor, count: int) -> Tensor:
        pairs = torch.tanh(self.pair(x[:, :, None] * x[:, None]))
        upper, lower = pairs[:, :count], pairs[:, count:]
        top = torch.cat([upper[:, :, :count] @ self.within_first, upper[:, :, count:] @ self.between], 2)
        bottom = torch.cat([lower[:, :, :count] @ self.between, lower[:, :, count:] @ self.within_second], 2)
        return torch.cat([top, bottom], 1)[..., 0]


class GraphPool(nn.Module):
    """Keeps the share ``kept`` of the nodes that score highest, each times its score. (N, nodes, C) -> fewer nodes."""

    def __init__(self, channels: int, kept: float, dropout: float = 0.3) -> None:
        super().__init__()
        self.kept = kept
        self.score = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        scores = self.score(x)
        best = torch.topk(scores, max(1, int(self.kept * x.shape[1])), 1).indices
        return (x * scores).gather(1, best.expand(-1, -1, x.shape[2]))
