"""What of a schema is not carried, or not as it was: names, keys, checks, views, triggers, sequences."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence

from transfer.audit.findings import AuditFinding, Severity
from transfer.errors import Refused
from transfer.pairing import LEFT_ALONE
from transfer.schema import statements
from transfer.schema.line import CARRIED, NOT_CARRIED, SchemaLine
from transfer.schema.model import Schema
from transfer.sqlite import sequences

LONGEST = 63  # bytes of a name (NAMEDATALEN - 1)
# Names that PostgreSQL takes only in quotes and applications tend to use (PostgreSQL, appendix C: "reserved").
_RESERVED_WORDS = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate column
    constraint create current_date current_role current_time current_timestamp current_user default deferrable
    desc distinct do else end except false fetch for foreign freeze from full grant group having in initially
    inner intersect into is isnull join leading left like limit localtime localtimestamp natural not notnull null
    offset on only or order outer overlaps placing primary references returning right select session_user similar
    some symmetric table then to trailing true union unique user using variadic verbose when where window with
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_THINGS = {
    "view": "view",
    "trigger": "trigger",
    "check": "check",
    "foreign key": "foreign-key",
    "index": "index",
    "unique": "unique",
    "default": "default",
    "not null": "not-null",
    "primary key": "primary-key",
    "generated": "generated",
    "collation": "collation",
    "sequence": "no-sequence",
}


def structure(con: sqlite3.Connection, schema: Schema, *, will_be_made: bool) -> Iterator[AuditFinding]:
    """What SQLite's side alone tells."""
    yield from names(schema, will_be_made=will_be_made)
    yield from _ahead(con)


def to_be_made(con: sqlite3.Connection) -> Iterator[AuditFinding]:
    """What is lost or changed when we create the tables."""
    try:
        told = statements(con).findings
    except Refused as why:
        yield _finding("", None, "schema", Severity.BLOCKS, str(why))
        return
    for f in told:
        left = f.table in LEFT_ALONE
        severity = Severity.BLOCKS if f.blocks else Severity.NOTE if left else Severity.CHANGES
        yield _finding(f.table, f.column, _kind(f.text), severity, f.text)


def held_against(lines: Sequence[SchemaLine]) -> Iterator[AuditFinding]:
    """What tables that exist do not have, or have in another way."""
    for line in lines:
        if line.state == CARRIED or line.thing not in _THINGS:
            continue
        text = f"{line.thing} {line.name}: {line.state}{': ' + line.text if line.text else ''}"
        # What the migrations word in another way is theirs to decide; what they leave out may be forgotten.
        lost = line.state == NOT_CARRIED or line.thing == "sequence"
        severity = Severity.CHANGES if lost and line.table not in LEFT_ALONE else Severity.NOTE
        yield _finding(line.table, None, _THINGS[line.thing], severity, text)


def _kind(text: str) -> str:
    for word, kind in (
        ("declared type", "typeless"),
        ("virtual table", "virtual-table"),
        ("trigger", "trigger"),
        ("view", "view"),
        ("GENERATED", "generated"),
        ("VIRTUAL", "generated"),
        ("CHECK", "check"),
        ("NOCASE", "collation"),
        ("DEFAULT", "default"),
        ("index", "index"),
        ("FOREIGN KEY", "foreign-key"),
    ):
        if word in text:
            return kind
    return "schema"


def names(schema: Schema, *, will_be_made: bool) -> Iterator[AuditFinding]:
    """Names that PostgreSQL cuts, that need quotes, or that are one name to whoever writes them without."""
    long = Severity.BLOCKS if will_be_made else Severity.NOTE
    for table in schema.tables:
        yield from _name(table.name, None, table.name, long)
        for c in table.columns:
            yield from _name(table.name, c.name, c.name, long)
    yield from _colliding("tables", "", [t.name for t in schema.tables])
    for table in schema.tables:
        yield from _colliding("columns", table.name, [c.name for c in table.columns])


def _name(table: str, column: str | None, name: str, long: Severity) -> Iterator[AuditFinding]:
    size = len(name.encode())
    if size > LONGEST:
        yield _finding(table, column, "long-name", long, f"a name of {size} bytes: PostgreSQL keeps {LONGEST}")
    if name.lower() in _RESERVED:
        yield _finding(
            table, column, "reserved-name", Severity.NOTE, "a reserved word: it needs quotes in every query"
        )
    elif not re.fullmatch(r"[a-z_][a-z0-9_$]*", name):
        text = "PostgreSQL folds unquoted names to lower case: this one needs quotes in every query"
        yield _finding(table, column, "quoted-name", Severity.NOTE, text)


def _colliding(what: str, table: str, found: Sequence[str]) -> Iterator[AuditFinding]:
    by_folded: dict[str, list[str]] = {}
    for name in found:
        by_folded.setdefault(name.casefold(), []).append(name)
    for same in by_folded.values():
        if len(same) > 1:
            text = f"{what} that differ in case alone: {', '.join(same)}"
            yield _finding(table or same[0], None, "colliding-names", Severity.NOTE, text)


def _ahead(con: sqlite3.Connection) -> Iterator[AuditFinding]:
    """Ids that were given and deleted again: a sequence must not give them a second time (a copy sees to it)."""
    listed = {_text(n) for (n,) in con.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for table, given in sequences(con).items():
        if table not in listed:
            continue
        quoted = '"' + table.replace('"', '""') + '"'
        highest = con.execute(f"SELECT max(rowid) FROM {quoted}").fetchone()[0] or 0  # noqa: S608 - quoted
        if given > highest:
            text = (
                f"ids up to {given} were given, the highest there is {highest}: the sequence goes on from {given + 1}"
            )
            yield _finding(table, None, "sequence-ahead", Severity.NOTE, text)


def _text(value: str | bytes | bytearray) -> str:
    return value if isinstance(value, str) else value.decode()


def _finding(table: str, column: str | None, kind: str, severity: Severity, text: str) -> AuditFinding:
    return AuditFinding(table, column, kind, severity, None, (), text)
