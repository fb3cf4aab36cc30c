"""`tminus db audit`, `schema`, `compare`: both sides looked at, neither changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD, HOLDS, json_option
from tminus.cli.db.lines import audit_lines, comparison_lines, size, table
from tminus.cli.db.options import (
    A_PATH,
    postgres_options,
    private_option,
    rules_of,
    rules_option,
    sqlite_option,
    url_of,
)
from tminus.cli.db.work import Answer, Lines, carry_out


@click.command(short_help="Find what PostgreSQL would refuse, change or lose.")
@sqlite_option("The database, live or a backup.")
@postgres_options
@rules_option
@private_option
@json_option
def audit(sqlite: Path, url: str, variable: str, rules: Path | None, private: tuple[str, ...], as_json: bool) -> None:
    """Find every value that PostgreSQL would refuse, change or lose, days before the move.

    \b
      tminus db audit --sqlite instance/app.db
      tminus db audit --sqlite instance/app.db --postgres-env DATABASE_URL --rules checklist.toml

    With a database the types are those of its tables (of Alembic's, say); without one, those that the declarations
    in SQLite stand for. Each finding has its count, rows as examples, and the rule that would settle it. Exit 0: all
    fits, or has a rule. Reads all of the file and the database's catalogue; writes nothing anywhere.
    """
    database_url = url_of(url, variable, needed=False)
    told = rules_of(rules, private)

    def work(on: Lines) -> Answer:
        from transfer.audit import audit as look

        told.must_know(sqlite)
        found = look(
            sqlite,
            database_url or None,
            rules=told.rules,
            private=told.private,
            progress=on.progress,
            cancelled=on.cancelled,
        )
        code = (HOLDS if found.clean else DOES_NOT_HOLD) if found.tables else COULD_NOT_LOOK
        return Answer(code, audit_lines(found), found)

    carry_out("audit", work, as_json=as_json, secrets=[database_url], stopping="stopping")


@click.command(short_help="Hold two schemas against each other.")
@sqlite_option("The database, live or a backup.")
@postgres_options
@click.option("--out", type=A_PATH, metavar="FILE", default=None, help="Write SQLite's schema as SQL to this file.")
@json_option
def schema(sqlite: Path, url: str, variable: str, out: Path | None, as_json: bool) -> None:
    """Hold the two schemas against each other, or export SQLite's as SQL.

    \b
      tminus db schema --sqlite instance/app.db --postgres-env DATABASE_URL
      tminus db schema --sqlite instance/app.db --out backups/schema.sql

    With a database: what of SQLite's schema is there, is not, or differs (NOT NULL, lengths, UNIQUE, CHECK, foreign
    keys, indexes, views, triggers, sequences); exit 0 when all of it is there. With --out: writes FILE, readable by
    you alone, after loading it into an empty database. Never overwrites a file; never touches either database.
    """
    database_url = url_of(url, variable, needed=False)
    if not database_url and out is None:
        raise click.UsageError("give a database to hold the schema against, or --out FILE to export it")
    if database_url and out is not None:
        raise click.UsageError("one at a time: a database to hold the schema against, or --out FILE")

    def work(on: Lines) -> Answer:
        return _export(sqlite, out) if out is not None else _report(sqlite, database_url)

    carry_out("schema", work, as_json=as_json, secrets=[database_url], stopping="stopping")


def _export(sqlite: Path, out: Path) -> Answer:
    from transfer.restore import export_schema

    made = export_schema(sqlite, out)
    lines = [
        f"{made.path}",
        f"{made.statements} statements, {size(made.bytes)}; loaded again: equal",
        f"sha256 {made.sha256}",
    ]
    return Answer(HOLDS, lines, made)


def _report(sqlite: Path, database_url: str) -> Answer:
    from contextlib import closing

    from transfer.opening import reading
    from transfer.postgres import connect, speaking_of
    from transfer.schema import report

    with reading(sqlite) as con, closing(connect(database_url)) as conn:
        conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with speaking_of(database_url, conn), conn.cursor() as cur:
            found: list[Any] = list(report(con, cur))
    if not found:
        return Answer(COULD_NOT_LOOK, ["there is nothing to hold against each other: is it the right file?"], found)
    lost = [line for line in found if line.state != "carried"]
    kept = len(found) - len(lost)
    lines = [f"{kept} things carried, {len(lost)} not carried or different"]
    rank = {"differs": 1, "carried": 2}
    ordered = sorted(found, key=lambda s: rank.get(s.state, 0))
    shown = [(s.state, s.table, s.thing, s.name, s.text) for s in ordered]
    lines += ["", *table(("state", "table", "thing", "name", ""), shown)]
    return Answer(DOES_NOT_HOLD if lost else HOLDS, lines, found)


@click.command(short_help="Prove that both sides hold the same.")
@sqlite_option("The backup that was copied.")
@postgres_options
@rules_option
@private_option
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="Differences named, a table.")
@json_option
def compare(
    sqlite: Path, url: str, variable: str, rules: Path | None, private: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """Prove that both sides hold the same rows with the same contents. Exit 0: every one of them is equal.

    \b
      tminus db compare --sqlite backups/app-20261122T120000000Z.db --postgres-env DATABASE_URL
      tminus db compare … --rules checklist.toml --private users.email --limit 100

    Compares every value of every table (not counts), sequences and foreign keys; names the rows and columns that
    differ. Rules that the copy went by must be given again. Reads one snapshot; writes nothing on either side.
    """
    from transfer.comparing import compare as look

    database_url = url_of(url, variable)
    told = rules_of(rules, private)

    def work(on: Lines) -> Answer:
        told.must_know(sqlite)
        found = look(
            sqlite,
            database_url,
            progress=on.progress,
            cancelled=on.cancelled,
            limit=limit,
            **told.keywords,
        )
        code = (HOLDS if found.equal else DOES_NOT_HOLD) if found.tables else COULD_NOT_LOOK
        return Answer(code, comparison_lines(found), found)

    carry_out("compare", work, as_json=as_json, secrets=[database_url], stopping="stopping")
