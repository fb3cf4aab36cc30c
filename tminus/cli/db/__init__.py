"""`tminus db`: the move from SQLite to PostgreSQL by itself, step by step, without a checklist and without a run."""

from __future__ import annotations

import click

from tminus.cli.db.carry import copy, salvage
from tminus.cli.db.files import backup, dump, quiet, restore
from tminus.cli.db.look import audit, compare, schema


class _InOrder(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder,
    epilog="Example: tminus db audit --sqlite app.db\n\n"
    "Exit codes: 0 done and equal, 1 it differs, was refused or was found, 2 usage, 3 could not look, "
    "130 stopped by Ctrl+C. Results go to stdout (--json: one document), progress and warnings to stderr.",
)
def command() -> None:
    """Move a SQLite database to PostgreSQL and prove it, without a checklist.

    In the order of a cutover, days before:

    \b
      tminus db audit   --sqlite app.db --postgres-env DATABASE_URL
      tminus db backup  --sqlite app.db --into backups
      tminus db restore --sqlite backups/app-….db --into try-out
      tminus db copy    --sqlite backups/app-….db --postgres-env STAGING_URL --dry-run

    On the day, with the application's writes stopped:

    \b
      tminus db backup  --sqlite app.db --into backups
      tminus db quiet   --sqlite app.db --manifest backups/app-….db.json
      tminus db copy    --sqlite backups/app-….db --postgres-env DATABASE_URL
      tminus db compare --sqlite backups/app-….db --postgres-env DATABASE_URL

    And the way back, with what people wrote since:

    \b
      tminus db salvage --sqlite backups/app-….db --postgres-env DATABASE_URL --into app-back.db

    The SQLite file is only ever read. Give the database as --postgres-env NAME, the name of an environment variable
    that holds its URL: what stands in argv is seen by everybody on the machine.
    """


for _one in (audit, schema, backup, quiet, restore, dump, copy, compare, salvage):
    command.add_command(_one)
