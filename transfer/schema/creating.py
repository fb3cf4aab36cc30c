"""Carries the plan of a schema out, and shows it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import psycopg2
import psycopg2.errors

from transfer.errors import Refused
from transfer.pairing import Finding
from transfer.postgres import Cursor
from transfer.schema.making import Step, TableStep, plan


@dataclass(frozen=True, slots=True)
class Ddl:
    """TABLES first, then AFTER: keys, indexes, and the foreign keys last. FINDINGS: what they do not carry."""

    tables: tuple[str, ...]
    after: tuple[str, ...]
    findings: tuple[Finding, ...]


def statements(con: sqlite3.Connection) -> Ddl:
    """What create() executes, in its order. Raises Refused: a name that is too long, a schema that cannot be read."""
    of = plan(con)
    return Ddl(tuple(t.sql for t in of.tables), tuple(s.sql for s in of.after), of.findings)


def create(con: sqlite3.Connection, cur: Cursor) -> tuple[Finding, ...]:
    """Makes the schema of a SQLite file in current_schema(), inside the transaction of CUR.

    What PostgreSQL cannot keep is left out and told, findings that do not block; where it has something like it,
    that is made. Raises Refused: a table that is there already, or that PostgreSQL does not take at all.
    """
    of = plan(con)
    findings = list(of.findings)
    for table in of.tables:
        findings += _made(cur, table)
    findings += [f for s in of.after if (f := _tried(cur, s)) is not None]
    return tuple(findings)


def _made(cur: Cursor, step: TableStep) -> list[Finding]:
    if _refusal(cur, step.sql) is None:
        return []
    findings = []
    why = _refusal(cur, step.core)
    if why is not None:
        last = _refusal(cur, step.plain)
        if last is not None:
            raise Refused(f"{step.table}: PostgreSQL does not take this table: {last}. Nothing was made.")
        findings += [
            Finding(
                step.table,
                c.name,
                f"GENERATED AS ({c.expression}) is not carried: {why}; an ordinary column with its values",
                blocks=False,
            )
            for c in step.generated
        ]
    return findings + [f for s in step.parts if (f := _tried(cur, s)) is not None]


def _tried(cur: Cursor, step: Step) -> Finding | None:
    why = _refusal(cur, step.sql)
    if why is None:
        return None
    return Finding(step.table, step.column, f"{step.about} is not carried: PostgreSQL says: {why}", blocks=False)


def _refusal(cur: Cursor, sql: str) -> str | None:
    """Why PostgreSQL does not take a statement, which then is undone; None when it has taken it.

    Raises Refused when something of that name is there already; whatever is no fault of the statement's, as it is.
    """
    cur.execute("SAVEPOINT tminus_schema")
    try:
        cur.execute(sql)
    except (psycopg2.errors.DuplicateTable, psycopg2.errors.DuplicateObject) as e:
        raise Refused(f"{e.diag.message_primary}. Create the schema in an empty database.") from None
    except (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.NotSupportedError) as e:
        if isinstance(e, psycopg2.errors.InsufficientPrivilege):
            raise
        cur.execute("ROLLBACK TO SAVEPOINT tminus_schema")
        return (e.diag.message_primary or str(e)).strip()
    cur.execute("RELEASE SAVEPOINT tminus_schema")
    return None
