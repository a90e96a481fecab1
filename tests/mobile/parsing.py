# SPDX-License-Identifier: Apache-2.0
"""What a tree-sitter parser could not read."""

from __future__ import annotations

from tree_sitter import Node, Tree


def errors(tree: Tree) -> list[str]:
    """A line for each place that is no sentence of the language."""
    found: list[str] = []

    def walk(node: Node) -> None:
        if node.is_error or node.is_missing:
            row, column = node.start_point
            found.append(f"line {row + 1}, column {column + 1}: {(node.text or b'')[:60]!r}")
        elif node.has_error:
            for child in node.children:
                walk(child)

    walk(tree.root_node)
    return found
