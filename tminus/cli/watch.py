"""`tminus watch`: a read-only cockpit."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tminus.cli.cockpit import open_cockpit
from tminus.cli.common import checklist_option, find_place, name_option, your_name


@click.command(epilog="Example: tminus watch -C /srv/app/checklist.toml")
@checklist_option
@name_option
def command(checklist: Path, name: str) -> None:
    """Watch the run in a cockpit of your own, at the size of your own terminal. You may hold, challenge,
    co-sign, sign, agree, note, and ask for control."""
    sys.exit(open_cockpit(find_place(checklist).socket, name=your_name(name), read_only=True))
