"""Rules put to work: which columns they are for, which rows they leave out, and the file of those rows."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

from transfer.errors import CouldNotLook, Refused
from transfer.expressions import ALIAS, fits
from transfer.pairing import ColumnPair, Finding, TablePair, names_of
from transfer.rules import NULL_ORPHAN, SKIP_ORPHAN, SKIP_ROW, Rules, applying, reason_unfit
from transfer.sqlite import quoted
from transfer.values import Stored, value_of


@dataclass(frozen=True, slots=True)
class RuleUse:
    """COUNT values of COLUMN ("table.column"), or rows of it, that RULE changed or left out."""

    column: str
    rule: str
    count: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that a rule left out, and the value that was the reason."""

    table: str
    key: dict[str, object]
    column: str
    value: object
    reason: str
    rule: str


def ruled(
    pairs: Sequence[TablePair], findings: Sequence[Finding], rules: Rules, con: sqlite3.Connection
) -> tuple[tuple[TablePair, ...], tuple[Finding, ...]]:
    """PAIRS with their rules. A table left out by a rule is a finding that does not block.

    Raises Refused for a rule of a table or a column that does not exist: it would silently do nothing.
    """
    used: set[str] = set()
    kept = []
    found = []
    for f in findings:
        if f.column is None and f.table in rules.tables:
            used.add(f.table)
            f = replace(f, blocks=False, text=f"left out by a rule ({f.text})")  # noqa: PLW2901
        found.append(f)
    for pair in pairs:
        if left_out := rules.tables & {pair.source, pair.target}:
            used |= left_out
            found = [f for f in found if f.table != pair.target]
            found.append(Finding(pair.target, None, "left out by a rule", blocks=False))
            continue
        columns = []
        for c in pair.columns:
            names = names_of(pair, c) & rules.columns.keys()
            used |= names
            own = tuple(r for name in sorted(names) for r in rules.columns[name])
            columns.append(replace(c, rules=own, private=bool(names_of(pair, c) & rules.private)))
        by_name = {c.target: c for c in columns}
        kept.append(replace(pair, columns=tuple(columns), key=tuple(by_name[c.target] for c in pair.key)))
    unknown = sorted((rules.columns.keys() | rules.tables) - used)
    if unknown:
        raise Refused(f"There are rules for what does not exist on both sides: {', '.join(unknown)}.")
    if rules.columns:
        references = {p.source: _references(con, p) for p in kept}
        by_source = {p.source: p for p in kept}
        kept = [_with_rows(p, by_source, references) for p in kept]
    return tuple(kept), tuple(found)


@dataclass(frozen=True, slots=True)
class _Reference:
    """A foreign key of SQLite: COLUMNS of the table to PARENT_COLUMNS of PARENT."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


def _references(con: sqlite3.Connection, pair: TablePair) -> tuple[_Reference, ...]:
    rows = con.execute(
        'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq', (pair.source,)
    )
    by_id: dict[int, list[tuple[str, str, str | None]]] = {}
    for number, parent, column, to in rows:
        by_id.setdefault(number, []).append((_name(parent), _name(column), None if to is None else _name(to)))
    found = []
    for columns in by_id.values():
        parent = columns[0][0]
        keys = [
            _name(k) for (k,) in con.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (parent,))
        ]
        to_columns = [to for _, _, to in columns if to is not None] or keys
        if len(to_columns) == len(columns):
            found.append(_Reference(tuple(c for _, c, _ in columns), parent, tuple(to_columns)))
    return tuple(found)


def _name(value: str | bytes | bytearray) -> str:
    return value if isinstance(value, str) else value.decode()


def _with_rows(
    pair: TablePair, pairs: Mapping[str, TablePair], references: Mapping[str, tuple[_Reference, ...]]
) -> TablePair:
    columns = tuple(
        replace(c, orphaned=" OR ".join(_orphans(c, pair, pairs, references))) if NULL_ORPHAN in c.rules else c
        for c in pair.columns
    )
    by_name = {c.target: c for c in columns}
    key = tuple(by_name[c.target] for c in pair.key)
    return replace(pair, columns=columns, key=key, keep=_kept(pair, ALIAS, pairs, references, ()))


def _orphans(
    c: ColumnPair,
    pair: TablePair,
    pairs: Mapping[str, TablePair],
    references: Mapping[str, tuple[_Reference, ...]],
    alias: str = ALIAS,
    above: tuple[str, ...] = (),
) -> list[str]:
    """For each foreign key that C is part of: SQL that holds for a row without its parent, or whose parent is left
    out itself. Each level of parents has an alias of its own; a table that comes round again is not followed."""
    found = []
    for r in references[pair.source]:
        if c.source.casefold() not in (x.casefold() for x in r.columns):
            continue
        inner = f"{alias}_{len(above)}"
        given = [f"{alias}.{quoted(x)} IS NOT NULL" for x in r.columns]
        same = [
            f"{inner}.{quoted(p)} = {alias}.{quoted(x)}" for x, p in zip(r.columns, r.parent_columns, strict=True)
        ]
        parent = next((p for p in pairs.values() if p.source.casefold() == r.parent.casefold()), None)
        if parent is not None and parent.source not in (pair.source, *above):
            same += [k for k in [_kept(parent, inner, pairs, references, (*above, pair.source))] if k]
        exists = f"EXISTS (SELECT 1 FROM {quoted(r.parent)} AS {inner} WHERE {' AND '.join(same)})"  # noqa: S608
        found.append(f"({' AND '.join(given)} AND NOT {exists})")
    if not found:
        raise Refused(f"{pair.source}.{c.source}: a rule about orphans, but the column refers to no table.")
    return found


def _kept(
    pair: TablePair,
    alias: str,
    pairs: Mapping[str, TablePair],
    references: Mapping[str, tuple[_Reference, ...]],
    above: tuple[str, ...],
) -> str:
    conditions = [condition for _, _, condition in _reasons(pair, alias, pairs, references, above)]
    return " AND ".join(f"NOT ({c})" for c in conditions)


def _reasons(
    pair: TablePair,
    alias: str,
    pairs: Mapping[str, TablePair],
    references: Mapping[str, tuple[_Reference, ...]],
    above: tuple[str, ...] = (),
) -> Iterator[tuple[ColumnPair, str, str]]:
    """(column, rule, SQL that holds for the rows it leaves out)."""
    for c in pair.columns:
        if SKIP_ROW in c.rules:
            yield c, SKIP_ROW, f"NOT {fits(c, alias)}"
        if SKIP_ORPHAN in c.rules:
            yield c, SKIP_ORPHAN, " OR ".join(_orphans(c, pair, pairs, references, alias, above))


def rejects(con: sqlite3.Connection, pairs: Sequence[TablePair]) -> Iterator[Reject]:
    """Every row that a rule leaves out, once, with its first reason. CON as comparing.source() gives it."""
    by_source = {p.source: p for p in pairs}
    references = {p.source: _references(con, p) for p in pairs}
    for pair in pairs:
        reasons = list(_reasons(pair, ALIAS, by_source, references))
        if not reasons:
            continue
        key = [c.source for c in pair.key] or ["rowid"]
        which = " ".join(f"WHEN {condition} THEN {i}" for i, (_, _, condition) in enumerate(reasons))
        wanted = [f"{ALIAS}.{quoted(k)}" for k in (*key, *(c.source for c, _, _ in reasons))]
        sql = f"SELECT CASE {which} END, {', '.join(wanted)} FROM {quoted(pair.source)} AS {ALIAS}"  # noqa: S608
        for row in con.execute(f"{sql} WHERE NOT ({pair.keep})"):
            at = row[0]
            column, rule, _ = reasons[at]
            value = value_of(row[1 + len(key) + at])
            reason = "no such parent"
            if rule == SKIP_ROW:
                apply = applying(column.rules, column.type)
                reason = reason_unfit(value, column.type, apply, not_null=column.not_null) or "does not fit"
            named = {k: _plain(v) for k, v in zip(key, row[1 : 1 + len(key)], strict=True)}
            yield Reject(pair.target, named, column.target, _plain(row[1 + len(key) + at]), reason, rule)


def _plain(stored: Stored) -> object:
    """As JSON can hold it and a person can read it: a blob, and a text that is no UTF-8, in hexadecimal."""
    if isinstance(stored, bytearray):
        try:
            return stored.decode()
        except UnicodeDecodeError:
            return {"text as hex": stored.hex()}
    return {"blob as hex": stored.hex()} if isinstance(stored, bytes) else stored


def write_rejects(path: Path | None, con: sqlite3.Connection, pairs: Sequence[TablePair]) -> Iterator[Reject]:
    """Yields every reject once it is written: one JSON object a line, in a file readable by its owner alone.

    Raises Refused when there are such rows and no PATH, CouldNotLook when PATH exists or cannot be written.
    """
    found = rejects(con, pairs)
    first = next(found, None)
    if first is None:
        return
    if path is None:
        raise Refused(f"Rules leave out rows (the first: {first.table} {first.key}), and no file is named for them.")
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            for r in chain([first], found):
                f.write(json.dumps(asdict(r), ensure_ascii=False) + "\n")
                yield r
            f.flush()
            os.fsync(fd)
    except OSError as e:
        raise CouldNotLook(f"{path}: the rows left out could not be written: {e.strerror or e}") from e


def nulled(con: sqlite3.Connection, pair: TablePair, column: ColumnPair) -> int:
    """How many references of a column a rule takes as NULL."""
    keep = f" AND ({pair.keep})" if pair.keep else ""
    sql = f"SELECT count(*) FROM {quoted(pair.source)} AS {ALIAS} WHERE ({column.orphaned}){keep}"  # noqa: S608
    return int(con.execute(sql).fetchone()[0])
