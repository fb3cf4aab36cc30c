"""`tminus db backup`, `quiet`, `restore`, `dump`: SQLite's side alone."""

from __future__ import annotations

from pathlib import Path

import click

from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD, HOLDS, json_option
from tminus.cli.db.lines import indented, size, table, took
from tminus.cli.db.options import A_PATH, sqlite_option
from tminus.cli.db.work import Answer, Lines, carry_out

_NO_FILE = "stopping, no file is left behind"


@click.command(short_help="Back up a live SQLite file, and check it.")
@sqlite_option("The live database; the application may go on writing.")
@click.option("--into", type=A_PATH, metavar="DIR", required=True, help="The folder for the backup.")
@json_option
def backup(sqlite: Path, into: Path, as_json: bool) -> None:
    """Back up a live SQLite file, check the copy, and write down what it holds.

    \b
      tminus db backup --sqlite instance/app.db --into backups

    Writes DIR/app-<UTC time>.db and its manifest beside it (.json: sha256, rows and a digest of every table), both
    readable by you alone. Never overwrites a file, and never touches the database: it is only read.
    """
    from transfer.backup import backup as make

    def work(on: Lines) -> Answer:
        into.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = make(sqlite, into, progress=on.progress, cancelled=on.cancelled)
        manifest = made.manifest
        rows = f"{manifest.rows:,} rows in {len(manifest.tables)} tables"
        lines = [
            f"{made.path}",
            f"{rows}, {size(made.bytes)}, in {took(made.seconds)}",
            f"sha256 {made.sha256}",
            f"manifest {made.manifest_path}",
        ]
        orphans = manifest.foreign_key_violations
        if orphans:
            lines.append(f"note: {orphans:,} rows without a parent, which PostgreSQL refuses: see tminus db audit")
        elif orphans is None:
            lines.append("note: a foreign key points at something that is no key: see tminus db audit")
        if not manifest.tables:
            lines.append("there is no table in it: is it the right file?")
        return Answer(HOLDS if manifest.tables else COULD_NOT_LOOK, lines, made)

    carry_out("backup", work, as_json=as_json, stopping=_NO_FILE)


@click.command(short_help="Was anything written since a backup?")
@sqlite_option("The live database.")
@click.option("--manifest", type=A_PATH, metavar="FILE", required=True, help="The backup, or the manifest beside it.")
@json_option
def quiet(sqlite: Path, manifest: Path, as_json: bool) -> None:
    """Find out whether anything was written since a backup. Exit 0: nothing was.

    \b
      tminus db quiet --sqlite instance/app.db --manifest backups/app-20261122T120000000Z.db.json

    Reads every row in one snapshot and holds it against the manifest: an update that changes no count is seen too.
    Writes nothing, and never touches the database.
    """
    from transfer.manifest import read_manifest
    from transfer.quiet import written_since

    def work(on: Lines) -> Answer:
        then = read_manifest(manifest)
        seen = written_since(sqlite, then, progress=on.progress, cancelled=on.cancelled)
        if not seen.tables_looked_at and seen.quiet:
            return Answer(COULD_NOT_LOOK, ["there is no table to look at: is it the right file?"], seen)
        if seen.quiet:
            line = f"QUIET: nothing was written since {then.made_at}, in {seen.tables_looked_at} tables"
            return Answer(HOLDS, [line], seen)
        lines = [f"WRITTEN since {then.made_at}"]
        lines += ["the schema was changed"] if seen.schema_changed else []
        changed = [(t.table, t.rows_then, t.rows_now) for t in seen.tables]
        lines += indented(table(("table", "rows then", "rows now"), changed)) if changed else []
        lines += [f"the sequence of {name} moved" for name in seen.sequences]
        return Answer(DOES_NOT_HOLD, [*lines, "Stop the writes, then make a new backup."], seen)

    carry_out("quiet", work, as_json=as_json, stopping="stopping")


@click.command(short_help="Prove that a backup can be restored.")
@sqlite_option("The backup, with its manifest beside it.")
@click.option("--into", type=A_PATH, metavar="DIR", required=True, help="The folder for the restored databases.")
@click.option("--dump/--no-dump", default=True, show_default=True, help="By way of SQL text too.")
@json_option
def restore(sqlite: Path, into: Path, dump: bool, as_json: bool) -> None:
    """Prove that a backup can be restored, by restoring it.

    \b
      tminus db restore --sqlite backups/app-20261122T120000000Z.db --into try-out

    Writes DIR/restored-backup.db and DIR/restored-dump.db, which stay there, and compares every table of each with
    the manifest. Never overwrites a file, and never touches the backup or a live database.
    """
    from transfer.restore import restore_test

    def work(on: Lines) -> Answer:
        into.mkdir(parents=True, exist_ok=True, mode=0o700)
        test = restore_test(sqlite, into, dump=dump, progress=on.progress, cancelled=on.cancelled)
        lines = []
        for form in test.forms:
            state = "EQUAL" if form.equal else "NOT EQUAL"
            lines.append(f"{state}: from the {form.form}, {form.path}, in {took(form.seconds)}")
            lines += indented(form.problems)
        lines.append(f"{test.rows:,} rows of {test.tables} tables")
        code = (HOLDS if test.equal else DOES_NOT_HOLD) if test.tables else COULD_NOT_LOOK
        return Answer(code, lines, test)

    carry_out("restore", work, as_json=as_json, stopping=_NO_FILE)


@click.command(short_help="Write a database as SQL text.")
@sqlite_option("A database, live or a backup.")
@click.option("--out", type=A_PATH, metavar="FILE", required=True, help="The file of SQL to write.")
@json_option
def dump(sqlite: Path, out: Path, as_json: bool) -> None:
    """Write a SQLite database as SQL text that gives the same database back, to the bit.

    \b
      tminus db dump --sqlite backups/app-20261122T120000000Z.db --out backups/app.sql

    Writes FILE, readable by you alone, after loading it into an empty database and comparing every row. Never
    overwrites a file, and never touches the database.
    """
    from transfer.restore import export_dump

    def work(on: Lines) -> Answer:
        made = export_dump(sqlite, out, progress=on.progress, cancelled=on.cancelled)
        lines = [
            f"{made.path}",
            f"{made.rows:,} rows, {made.statements:,} statements, {size(made.bytes)}, in {took(made.seconds)}; "
            "loaded again: equal",
            f"sha256 {made.sha256}",
        ]
        return Answer(HOLDS, lines, made)

    carry_out("dump", work, as_json=as_json, stopping=_NO_FILE)
