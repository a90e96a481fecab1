# SPDX-License-Identifier: Apache-2.0
"""Ranges of activations in a file of their own: measured once, so that the int8 graph follows from files alone.

Measured again they would be others on another kind of CPU, whose sums round otherwise.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from torch.fx import GraphModule, Node

from avguard.errors import ModelError

Ranges = dict[str, tuple[float, int]]
"""Scale and zero point by the name of the node that rounds, or takes back, by them."""


def read_ranges(path: Path, checkpoint: Path) -> Ranges | None:
    """What ``write_ranges`` wrote for this ``checkpoint``; None when there is nothing or it is of other weights.

    Raises ModelError when the file makes no sense.
    """
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["checkpoint_sha256"] != _digest(checkpoint):
            return None
        return {name: (float(scale), int(zero)) for name, (scale, zero) in raw["ranges"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} holds no ranges ({error!r}); delete it, and they are measured again.") from error


def write_ranges(path: Path, checkpoint: Path, graph: GraphModule) -> None:
    """Keep the ranges of the int8 ``graph`` that was made of ``checkpoint``."""
    found = {node.name: node.args[1:3] for node in graph.graph.nodes if _has_range(node)}
    raw = {"checkpoint_sha256": _digest(checkpoint), "ranges": found}
    path.write_text(json.dumps(raw, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def set_ranges(graph: GraphModule, ranges: Ranges) -> None:
    """Give the nodes of ``graph`` their ranges. Raises ModelError when these are of other nodes."""
    nodes = {node.name: node for node in graph.graph.nodes if _has_range(node)}
    if nodes.keys() != ranges.keys():
        raise ModelError(
            f"the ranges name {len(ranges)} places, the int8 graph has {len(nodes)}, not the same: they were measured "
            "with another version. Delete their file, and they are measured again."
        )
    for name, node in nodes.items():
        node.args = (node.args[0], *ranges[name], *node.args[3:])
    graph.recompile()


def _has_range(node: Node) -> bool:
    return node.op == "call_function" and "quantize_per_tensor" in str(node.target)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
