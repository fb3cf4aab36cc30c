"""The lines of a report on two schemas, and what they are made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from transfer import catalog
from transfer.pairing import TablePair
from transfer.schema.mapping import Mapped, Place, known_to
from transfer.schema.model import Table
from transfer.schema.terms import Columns

Thing = Literal[
    "table",
    "column",
    "not null",
    "default",
    "check",
    "primary key",
    "unique",
    "index",
    "foreign key",
    "generated",
    "view",
    "trigger",
    "virtual table",
    "sequence",
    "collation",
]
State = Literal["carried", "not carried", "differs"]
CARRIED: State = "carried"
NOT_CARRIED: State = "not carried"
DIFFERS: State = "differs"


@dataclass(frozen=True, slots=True)
class SchemaLine:
    """One THING of TABLE (SQLite's name; PostgreSQL's when it stands there alone). TEXT: in what it differs."""

    table: str
    thing: Thing
    name: str
    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Held:
    """A table on both sides: as SQLite has it, the pairs of its columns, as PostgreSQL has it.

    TABLES: all pairs by SQLite's name. TYPES: what each column would become.
    """

    source: Table
    pair: TablePair
    target: catalog.Table
    tables: Mapping[str, TablePair]
    types: Mapping[Place, Mapped]

    def named(self, column: str) -> str | None:
        """What a column of SQLite is called in PostgreSQL; None when it is not there."""
        return next((c.target for c in self.pair.columns if c.source == column), None)

    @property
    def columns(self) -> Columns:
        """What SQLite's expressions name, under the names and kinds of PostgreSQL."""
        pairs = [(self.source.column(p.source), p) for p in self.pair.columns]
        return known_to((c, p.target, p.type.kind) for c, p in pairs if c is not None)

    def line(self, thing: Thing, name: str, state: State, text: str = "") -> SchemaLine:
        return SchemaLine(self.source.name, thing, name, state, text)


def plain(sql: str) -> str:
    """An expression without casts to text types, quotes of names, parentheses and blanks: for comparing loosely."""
    sql = re.sub(r"::(text|character varying|varchar|bpchar)(\(\d+\))?", "", sql)
    parts = re.split(r"('(?:[^']|'')*')", sql)
    return "".join(p if p.startswith("'") else re.sub(r'[\s()"]', "", p).lower() for p in parts)
