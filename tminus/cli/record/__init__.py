"""`tminus record`: what a record is worth, in git, and beside another."""

from __future__ import annotations

import click

from tminus.cli.record.commit import commit
from tminus.cli.record.diff import diff
from tminus.cli.record.verify import verify


@click.group(epilog="Example: tminus record verify deployments/2026-11-22-postgresql-migration.toml")
def command() -> None:
    """Verify the record of a run, commit it, compare it with another."""


for _one in (verify, commit, diff):
    command.add_command(_one)
