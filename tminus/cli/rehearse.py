"""`tminus rehearse`: the whole cutover on a stage, or the migration of a project of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from tminus.cli.common import json_option, name_option


@click.command(epilog="Example: tminus rehearse --auto")
@click.option("--auto", is_flag=True, help="Fly it unattended, without a terminal; the marks are the rehearsal's.")
@click.option("--rollback", is_flag=True, help="With --auto: let the new version fail, and fly the way back.")
@click.option(
    "--stage",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("stage"),
    show_default=True,
    help="The folder of the stage; made when it is not there.",
)
@click.option("--users", type=click.IntRange(10), default=2000, show_default=True, help="Users in the database.")
@click.option("--fresh", is_flag=True, help="Begin again: throw away what an earlier rehearsal left there.")
@name_option
@click.option("--group", default="", help="Practise with a second person: from a login of their own, in this group.")
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Instead: rehearse the migration of the project in this folder.",
)
@click.option("--sqlite", type=click.Path(path_type=Path), metavar="FILE", help="Its SQLite file. [default: found]")
@click.option("--python", default="", metavar="PY", help="Its interpreter. [default: its virtual environment's]")
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML with [transfer.rules]. [default: its checklist.toml]",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("rehearsals"),
    show_default=True,
    help="Where the page of a project's rehearsal is written.",
)
@json_option
def command(
    auto: bool,
    rollback: bool,
    folder: Path,
    users: int,
    fresh: bool,
    name: str,
    group: str,
    project: Path | None,
    sqlite: Path | None,
    python: str,
    rules: Path | None,
    into: Path,
    as_json: bool,
) -> None:
    """Practise the cutover: a live application on SQLite is moved to a real PostgreSQL, while visitors use it.

    A sample application, a PostgreSQL and visitors are started in a folder of their own, on loopback; the
    cockpit opens on them. All of it ends when you leave; the records stay in the folder, and the next rehearsal
    there goes on where an unfinished one was left. Without a terminal it flies unattended, as with --auto, and
    ends with 0 only if every item is settled and the record verifies.

    With --auto --rollback the new version begins to fail after visitors have written to PostgreSQL: a gate trips,
    the rollback is decided, what was written is carried back to SQLite, and the flight ends with 0 only if nothing
    is missing that a visitor was told was saved.

    With --group nothing is left out of what takes two: the second person opens `tminus watch -C stage/checklist.toml`
    from a login of their own.

    With --project it is your own data that is moved: a copy of the project's SQLite file, by its own Alembic
    migrations in its own interpreter, into a PostgreSQL that is thrown away afterwards. Nothing of the project is
    touched. Exit 0: every row arrived, equal. 1: something was found, by table and row. 2: it cannot begin. 3: it
    could not look.
    """
    if project is not None:
        from tminus.cli.rehearse_project import Asked, rehearse_project

        rehearse_project(Asked(project, sqlite, python, rules, into, as_json))
    if sqlite or python or rules or as_json:
        raise click.UsageError("--sqlite, --python, --rules and --json are about a project: give --project DIR too")
    from tminus.cli.rehearse_stage import rehearse_on_stage

    if rollback and not auto:
        raise click.UsageError("the rollback is flown unattended: say --auto too")
    if group and auto:
        raise click.UsageError("an unattended flight has no second person: leave out --auto or --group")
    rehearse_on_stage(folder, users=users, fresh=fresh, auto=auto, rollback=rollback, name=name, group=group)
