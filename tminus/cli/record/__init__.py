"""`tminus record`: what a record is worth, in git, and beside another."""

from __future__ import annotations

import click

from tminus.cli.record.commit import commit
from tminus.cli.record.verify import verify


@click.group()
def command() -> None:
    """Verify the record of a run, commit it, and compare it with another."""


for _one in (verify, commit):
    command.add_command(_one)
