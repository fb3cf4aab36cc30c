"""`tminus db copy` and `salvage`: there, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD, HOLDS, json_option
from tminus.cli.db.lines import comparison_lines, finding_lines, size, table, took
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

unverified_option = click.option(
    "--unverified", is_flag=True, help="Take a file without a manifest, on trust. Nobody may be writing to it."
)


@click.command(short_help="Copy a backup into PostgreSQL, proven.")
@sqlite_option("A backup, with the manifest that `tminus db backup` wrote beside it.")
@postgres_options
@click.option("--dry-run", is_flag=True, help="Do all of it, the proof too, then take it back: a rehearsal.")
@click.option("--create-schema", is_flag=True, help="Make the tables from SQLite's schema, in the same transaction.")
@click.option("--replace", metavar="TABLE", multiple=True, help="A table that may hold rows: they are replaced.")
@rules_option
@click.option(
    "--rejects", type=A_PATH, metavar="FILE", help="Where rows go that a rule leaves out. [beside the backup]"
)
@private_option
@unverified_option
@json_option
def copy(
    sqlite: Path,
    url: str,
    variable: str,
    dry_run: bool,
    create_schema: bool,
    replace: tuple[str, ...],
    rules: Path | None,
    rejects: Path | None,
    private: tuple[str, ...],
    unverified: bool,
    as_json: bool,
) -> None:
    """Copy a backup into PostgreSQL, all or nothing, proven before the commit.

    \b
      tminus db copy --sqlite backups/app-20261122T120000000Z.db --postgres-env DATABASE_URL --dry-run
      tminus db copy --sqlite backups/app-20261122T120000000Z.db --postgres-env DATABASE_URL

    Writes rows into the tables that migrations made (or makes them: --create-schema), in one transaction: load, keys
    and indexes, sequences, proof of every value, COMMIT. Whatever goes wrong, PostgreSQL is as it was. Tables with
    rows are refused unless --replace names them. Never touches the SQLite file, other tables, or alembic_version.
    """
    from transfer.copying import copy as move

    database_url = url_of(url, variable)
    told = rules_of(rules, private)
    if rejects is not None and not told.rules:
        raise click.UsageError("--rejects is for rows that a rule leaves out: give --rules FILE too")

    def work(on: Lines) -> Answer:
        _verified(sqlite, unverified)
        told.must_know(sqlite)
        more: dict[str, Any] = {"create_schema": True} if create_schema else {}
        if told.rules:
            more["rejects"] = rejects or sqlite.with_name(f"{sqlite.stem}-rejects-{_stamp()}.jsonl")
        report = move(
            sqlite,
            database_url,
            progress=on.progress,
            cancelled=on.cancelled,
            dry_run=dry_run,
            allow_rows_in=replace,
            **told.keywords,
            **more,
        )
        ruled = _ruled(report) if told.rules else []
        return Answer(HOLDS if report.proof.equal else DOES_NOT_HOLD, _copied(report, ruled), report)

    carry_out("copy", work, as_json=as_json, secrets=[database_url], stopping="stopping, the target stays as it was")


def _copied(report: Any, ruled: list[str]) -> list[str]:
    did = "WOULD BE COPIED (dry run, taken back)" if report.dry_run else "COPIED"
    proof = "proven equal" if report.proof.equal else "NOT PROVEN EQUAL"
    lines = [
        f"{did}: {report.rows:,} rows of {len(report.tables)} tables into {report.target}, {proof}",
        f"in {took(report.seconds)}: {report.rows_per_second:,.0f} rows/s, {size(report.bytes)}; "
        + ", ".join(f"{stage} {took(seconds)}" for stage, seconds in report.seconds_by_stage.items()),
        "",
        *table(("table", "rows"), [(t.table, t.rows) for t in report.tables]),
        "",
        f"sequences: {sum(s.ok for s in report.sequences)} of {len(report.sequences)} ahead of their ids",
        *ruled,
        *finding_lines(report.findings),
    ]
    return lines if report.proof.equal else [*lines, "", *comparison_lines(report.proof)]


def _ruled(report: Any) -> list[str]:
    lines = [f"rule {use.rule} of {use.column}: {use.count:,} times" for use in report.rules]
    if report.rejected:
        lines.append(f"REJECTED by a rule: {report.rejected:,} rows, which are in {report.rejects}")
    return lines or ["no rule was needed"]


@click.command(short_help="Carry what was written since, back.")
@sqlite_option("The backup that was copied to PostgreSQL, with its manifest.")
@postgres_options
@click.option("--into", type=A_PATH, metavar="FILE", required=True, help="The new SQLite file.")
@click.option("--dry-run", is_flag=True, help="Count what would be carried back, and write no file.")
@rules_option
@private_option
@unverified_option
@json_option
def salvage(
    sqlite: Path,
    url: str,
    variable: str,
    into: Path,
    dry_run: bool,
    rules: Path | None,
    private: tuple[str, ...],
    unverified: bool,
    as_json: bool,
) -> None:
    """Carry what was written to PostgreSQL since the copy back, into a copy of the SQLite backup.

    \b
      tminus db salvage --sqlite backups/app-20261122T120000000Z.db --postgres-env DATABASE_URL --into app-back.db

    For a rollback that loses nothing: rows that were inserted, updated or deleted in PostgreSQL are the same in FILE,
    the others stay to the bit what they were. What cannot be carried is listed, and its row left as in the backup
    (exit 1). Writes FILE alone and never overwrites one; never touches the backup or PostgreSQL.
    Give the same --rules as to the copy: rows that it left out are not in PostgreSQL, and must stay in FILE.
    """
    database_url = url_of(url, variable)
    told = rules_of(rules, private)

    def work(on: Lines) -> Answer:
        from transfer.salvage import salvage as bring

        _verified(sqlite, unverified)
        told.must_know(sqlite)
        found = bring(
            sqlite,
            database_url,
            into,
            dry_run=dry_run,
            progress=on.progress,
            cancelled=on.cancelled,
            **told.keywords,
        )
        good = not found.conflicts and (found.equal or dry_run)
        code = (HOLDS if good else DOES_NOT_HOLD) if found.tables else COULD_NOT_LOOK
        return Answer(code, _salvaged(found, dry_run=dry_run), found)

    carry_out("salvage", work, as_json=as_json, secrets=[database_url], stopping="stopping, no file is left behind")


def _salvaged(found: Any, *, dry_run: bool) -> list[str]:
    where = "nothing was written (dry run)" if dry_run else str(found.path)
    equal = "" if dry_run else ", equal to PostgreSQL" if found.equal else ", NOT EQUAL to PostgreSQL"
    lines = [f"{where}{equal}, in {took(found.seconds)}", ""]
    counts = [(t.table, t.inserted, t.updated, t.deleted, t.unchanged) for t in found.tables]
    lines += table(("table", "inserted", "updated", "deleted", "unchanged"), counts)
    if found.conflicts:
        lines += ["", f"{len(found.conflicts):,} conflicts; these rows are as they were in the backup:"]
        lines += [
            f"CONFLICT  {c.table}  {c.key}{'  ' + c.column if c.column else ''}  {c.text}" for c in found.conflicts
        ]
    return [*lines, *finding_lines(found.findings)]


def _verified(backup: Path, unverified: bool) -> None:
    """Raises Refused unless BACKUP is the file its manifest speaks of; without a manifest only when UNVERIFIED."""
    from transfer.backup import verify_backup
    from transfer.errors import Refused
    from transfer.manifest import manifest_path
    from transfer.opening import header

    header(backup)
    if not manifest_path(backup).is_file():
        if unverified:
            return
        raise Refused(
            f"{backup.name} has no manifest beside it. Make a backup (tminus db backup --sqlite … --into DIR) and "
            "take that, or say --unverified if nobody can be writing to this file"
        )
    sound = verify_backup(backup, contents_too=False)
    if not sound.ok:
        problems = "; ".join(sound.problems[:3])
        raise Refused(f"{backup.name} is not what it was when it was made: {problems}. Make a new backup")


def _stamp() -> str:
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z"
