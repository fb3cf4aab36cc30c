"""The line of every key in a TOML file, for messages that point at it. Loaded only when there is a mistake."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from state.problems import KeyPath


def locate(source: bytes) -> Mapping[KeyPath, int]:
    """Line (1-based) of each key path in SOURCE, arrays of tables and their elements included.

    SOURCE must be valid TOML; what a parser of another kind could still not place is left out, and the caller
    falls back to the nearest path above.
    """
    tree = Parser(Language(tree_sitter_toml.language())).parse(source)
    lines: dict[KeyPath, int] = {(): 1}
    counts: dict[KeyPath, int] = {}
    for node in tree.root_node.children:
        if node.type == "pair":
            _pair(node, (), lines)
        elif node.type in ("table", "table_array_element"):
            _table(node, lines, counts)
    return lines


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of PATH, or of the nearest path above it."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 0)


def _table(node: Node, lines: dict[KeyPath, int], counts: dict[KeyPath, int]) -> None:
    header = next(child for child in node.children if child.type in ("bare_key", "quoted_key", "dotted_key"))
    path: KeyPath = ()
    names = _names(header)
    for depth, name in enumerate(names):
        path = (*path, name)
        is_last = depth == len(names) - 1
        if is_last and node.type == "table_array_element":
            counts[path] = counts.get(path, -1) + 1
            lines.setdefault(path, node.start_point[0] + 1)
        if path in counts:
            path = (*path, counts[path])
    lines[path] = node.start_point[0] + 1
    for child in node.children:
        if child.type == "pair":
            _pair(child, path, lines)


def _pair(node: Node, above: KeyPath, lines: dict[KeyPath, int]) -> None:
    key, value = node.children[0], node.children[-1]
    path = above
    for name in _names(key):
        path = (*path, name)
        lines.setdefault(path, node.start_point[0] + 1)
    _value(value, path, lines)


def _value(node: Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    if node.type == "inline_table":
        for child in node.children:
            if child.type == "pair":
                _pair(child, path, lines)
    elif node.type == "array":
        elements = [child for child in node.children if child.is_named and child.type != "comment"]
        for index, child in enumerate(elements):
            lines[(*path, index)] = child.start_point[0] + 1
            _value(child, (*path, index), lines)


def _names(node: Node) -> list[str]:
    if node.type == "dotted_key":
        return [name for child in node.children if child.type != "." for name in _names(child)]
    text = (node.text or b"").decode()
    # A quoted key means what TOML says it means: let the parser unquote it.
    return [next(iter(tomllib.loads(f"{text} = 1")))] if node.type == "quoted_key" else [text]
