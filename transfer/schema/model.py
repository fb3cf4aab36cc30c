"""A SQLite schema as values: what the pragmas say of it, completed by its own text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """DEFAULT: the text of its expression, None = none. GENERATED: "", "VIRTUAL" or "STORED", by EXPRESSION.

    COLLATION: upper case, "BINARY" when none is declared.
    """

    name: str
    declared: str
    not_null: bool
    default: str | None
    generated: str
    expression: str
    collation: str


@dataclass(frozen=True, slots=True)
class Check:
    name: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """One key of an index: a COLUMN, or an EXPRESSION when that is None. COLLATION as Column's."""

    column: str | None
    expression: str
    descending: bool
    collation: str


@dataclass(frozen=True, slots=True)
class Index:
    """CONSTRAINT: it is a UNIQUE of the table's own text, whose NAME may be None. PREDICATE: "" = the whole table."""

    name: str | None
    constraint: bool
    unique: bool
    parts: tuple[Part, ...]
    predicate: str


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """PARENT_COLUMNS are resolved to the parent's key when the text names none; () = the parent has none.

    DEFERRABLE: "", "DEFERRABLE" or "DEFERRABLE INITIALLY DEFERRED".
    """

    name: str | None
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_update: str
    on_delete: str
    deferrable: str


@dataclass(frozen=True, slots=True)
class Table:
    """KEY: columns of the primary key in its order. ROWID: the column that is another name of the rowid, if any."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    key_name: str | None
    rowid: str | None
    checks: tuple[Check, ...]
    indexes: tuple[Index, ...]
    foreign_keys: tuple[ForeignKey, ...]

    def column(self, name: str) -> Column | None:
        """By name, whatever its case: SQLite minds none."""
        return next((c for c in self.columns if c.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Schema:
    """VIEWS by name; TRIGGERS as (table, name); VIRTUAL tables, and the SHADOWS in which they are stored."""

    tables: tuple[Table, ...]
    views: tuple[str, ...]
    triggers: tuple[tuple[str, str], ...]
    virtual: tuple[str, ...]
    shadows: tuple[str, ...]
