"""What the commands of `tminus db` are told: a SQLite file, a database, rules."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tminus.cli.common import UNUSABLE, end

if TYPE_CHECKING:
    from checks.rules import Told
    from state.problems import KeyPath

F = TypeVar("F", bound=Callable[..., Any])

A_PATH = click.Path(path_type=Path)


def sqlite_option(what: str, *, required: bool = True) -> Callable[[F], F]:
    """--sqlite FILE; WHAT it is for this command."""
    return click.option("--sqlite", type=A_PATH, metavar="FILE", required=required, help=what)


def postgres_options(command: F) -> F:
    """--postgres URL and --postgres-env NAME, for `url_of`."""
    by_name = click.option(
        "--postgres-env", "variable", metavar="NAME", default="", help="The environment variable that holds the URL."
    )
    plain = click.option(
        "--postgres",
        "url",
        metavar="URL",
        default="",
        help="The database. Without a password: argv is public; libpq's own PGPASSWORD and ~/.pgpass work too.",
    )
    return by_name(plain(command))


rules_option = click.option(
    "--rules",
    type=A_PATH,
    metavar="FILE",
    default=None,
    help="TOML with [transfer.rules] and [transfer] private = […]; a checklist is such a file.",
)
private_option = click.option(
    "--private",
    metavar="TABLE.COLUMN",
    multiple=True,
    help="A column whose values are not shown. May be given more than once.",
)


def url_of(url: str, variable: str, *, needed: bool = True) -> str:
    """The database's URL; "" when none is given and none is NEEDED. Ends with 2 when it cannot be used.

    A password in argv is warned about: everybody on the machine can read it while the command runs.
    """
    if url and variable:
        raise click.UsageError("--postgres and --postgres-env both name a database: give one of them")
    if not (url or variable):
        if needed:
            raise click.UsageError("which database? Give --postgres-env NAME, or --postgres URL")
        return ""
    from transfer.errors import Refused
    from transfer.postgres import parameters

    found = os.environ.get(variable, "") if variable else url
    if not found:
        raise click.UsageError(f"{variable} is not set in the environment, or empty")
    try:
        password = parameters(found).get("password")
    except Refused as refused:
        end(UNUSABLE, str(refused))
    if url and password:
        click.echo(
            "warning: the password stands in argv, where everybody on this machine can read it; "
            "use --postgres-env NAME",
            err=True,
        )
    return found


def rules_of(file: Path | None, private: Sequence[str] = ()) -> Told:
    """The rules and private columns of FILE, and PRIVATE beside them. Ends with 2 and every mistake in the file."""
    from checks.rules import rule_problems, told_in
    from state.definition import Transfer

    for column in private:
        if "." not in column.strip("."):
            raise click.UsageError(f"--private {column}: say which table's, as in users.email")
    table = Transfer()
    if file is not None:
        table = _table_of(file)
        wrong = list(rule_problems(table.rules))
        if wrong:
            end(UNUSABLE, _mistakes(file, wrong))
    return told_in(table.rules, [*table.private, *private])


def _table_of(file: Path) -> Any:
    import msgspec

    from state.definition import Transfer

    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        end(UNUSABLE, f"{file}: {error.strerror or error}")
    except ValueError as error:
        end(UNUSABLE, f"{file}: not TOML: {error}")
    if "transfer" not in data:
        # A file that was named and says nothing is a mistake: the rules it should bring would silently be missing.
        end(UNUSABLE, f'{file}: no [transfer] in it; write [transfer.rules] with "table.column" = "rule"')
    try:
        return msgspec.convert(data["transfer"], Transfer)
    except msgspec.ValidationError as error:
        mend = '[transfer] holds private = ["table.column", …] and [transfer.rules]'
        end(UNUSABLE, f"{file}: transfer: {error}\n    {mend}")


def _mistakes(file: Path, wrong: Sequence[tuple[KeyPath, str, str]]) -> str:
    from state.locate import line_of, locate
    from state.problems import Problem, dotted

    lines = locate(file.read_bytes())
    found = []
    for below, message, mend in wrong:
        path = ("transfer", *below)
        place = line_of(lines, path)
        found.append(Problem(file=file.name, line=place, path=dotted(path), message=message, mend=mend))
    return "\n".join(map(str, sorted(found)))
