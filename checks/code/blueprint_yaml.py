"""YAML as a tree that knows its lines: what a file says, and where it says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaml.nodes import Node as YamlNode

_LONGEST = 1024 * 1024  # bytes; a Blueprint is a few hundred lines
_MOST = 50_000  # nodes, with every alias written out
_DEEPEST = 50


class BlueprintError(Exception):
    """FILE is no YAML that could be read: where (line from 1, 0: the file as a whole), and what is wrong."""

    def __init__(self, file: str, line: int, message: str) -> None:
        self.file, self.line, self.message = file, line, message
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `value` is what YAML 1.1 makes of it, `text` what was written, `plain` whether without quotes."""

    line: int
    value: str | int | float | bool | None
    text: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    items: tuple[Tree, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `lines` says where each key stands, `twice` names the keys that are there more than once."""

    line: int
    entries: Mapping[str, Tree] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    twice: tuple[tuple[str, int], ...] = ()

    def get(self, *path: str) -> Tree | None:
        """What stands at PATH, if it is there."""
        here: Tree | None = self
        for key in path:
            here = here.entries.get(key) if isinstance(here, Table) else None
        return here

    def text(self, *path: str) -> str:
        """The scalar at PATH as text; empty when there is none."""
        found = self.get(*path)
        return as_text(found) if isinstance(found, Scalar) else ""

    def number(self, *path: str) -> int | None:
        """The whole number at PATH, if it is one."""
        found = self.get(*path)
        value = found.value if isinstance(found, Scalar) else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def tables(self, *path: str) -> tuple[Table, ...]:
        """The tables in the list at PATH."""
        found = self.get(*path)
        items = found.items if isinstance(found, Sequence) else ()
        return tuple(one for one in items if isinstance(one, Table))

    def line_of(self, key: str) -> int:
        """Where KEY stands; the table's own line when it is not there."""
        return self.lines.get(key, self.line)


Tree = Scalar | Sequence | Table


def as_text(scalar: Scalar) -> str:
    """The value as an environment variable would hold it: a number loses what is not its value (3.10 is 3.1)."""
    if isinstance(scalar.value, bool):
        return str(scalar.value).lower()
    return "" if scalar.value is None else str(scalar.value)


def read_tree(text: str, file: str) -> Table:
    """TEXT as a table; an empty text is an empty one. Raises BlueprintError."""
    import yaml

    if len(text) > _LONGEST:
        raise BlueprintError(file, 0, "larger than a MiB: this is no Blueprint")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = _Reader(file).read(node, ()) if node is not None else Table(1)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BlueprintError(file, mark.line + 1 if mark else 0, error.problem or "not YAML") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BlueprintError(file, line, f"a character that YAML does not allow: {error.reason}") from None
    except yaml.YAMLError as error:
        raise BlueprintError(file, 0, f"not YAML: {error}") from None
    except RecursionError:
        raise BlueprintError(file, 0, "nested too deeply") from None
    if not isinstance(tree, Table):
        raise BlueprintError(file, tree.line, "a Blueprint is a table: services: …, databases: …")
    return tree


class _Reader:
    """Nodes of PyYAML as a tree, within bounds: aliases may refer to themselves, or multiply without end."""

    def __init__(self, file: str) -> None:
        import yaml

        self.file, self.left, self.nodes = file, _MOST, yaml.nodes
        self.constructor = yaml.SafeLoader("")

    def read(self, node: YamlNode, above: tuple[int, ...]) -> Tree:
        line = node.start_mark.line + 1
        self.left -= 1
        if id(node) in above or len(above) > _DEEPEST or self.left < 0:
            why = (
                "an alias refers to itself"
                if id(node) in above
                else "nested too deeply, or too long with its aliases"
            )
            raise BlueprintError(self.file, line, why)
        inside = (*above, id(node))
        if isinstance(node, self.nodes.ScalarNode):
            return self._scalar(node, line)
        if isinstance(node, self.nodes.SequenceNode):
            return Sequence(line, tuple(self.read(one, inside) for one in node.value))
        return self._table(node, line, inside)

    def _scalar(self, node: YamlNode, line: int) -> Scalar:
        value = node.value
        if node.tag.rpartition(":")[2] in ("int", "float", "bool", "null"):
            try:
                value = self.constructor.construct_object(node)
            except (ValueError, OverflowError):
                value = node.value
        return Scalar(line, value, node.value, getattr(node, "style", None) is None)

    def _table(self, node: YamlNode, line: int, inside: tuple[int, ...]) -> Table:
        entries: dict[str, Tree] = {}
        merged: dict[str, Tree] = {}
        lines: dict[str, int] = {}
        twice: list[tuple[str, int]] = []
        for key_node, value_node in node.value:
            at = key_node.start_mark.line + 1
            if not isinstance(key_node, self.nodes.ScalarNode):
                raise BlueprintError(self.file, at, "a key must be text")
            key = key_node.value
            value = self.read(value_node, inside)
            if key_node.tag.endswith(":merge"):
                for one in value.items if isinstance(value, Sequence) else (value,):
                    if isinstance(one, Table):
                        merged = {**one.entries, **merged}
                continue
            if key in entries:
                twice.append((key, at))
            entries[key], lines[key] = value, at
        # What is written out stands before what is merged in.
        added = {key: value for key, value in merged.items() if key not in entries}
        return Table(line, {**entries, **added}, lines, tuple(twice))
