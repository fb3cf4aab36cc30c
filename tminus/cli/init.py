"""`tminus init`: the first checklist of a project, from what its folder says."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tminus.cli.common import DOES_NOT_HOLD, HOLDS, UNUSABLE, end


@click.command(epilog="Example: tminus init --dry-run")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--dry-run", is_flag=True, help="Print the checklist, and write nothing.")
@click.option("--force", is_flag=True, help="Replace a checklist.toml that is there; the old one is kept as .bak.")
def command(folder: Path, dry_run: bool, force: bool) -> None:
    """Write checklist.toml (and journeys.toml) for the project in FOLDER, by what is found there.

    Looks for the SQLite file, Alembic, render.yaml, the health path, logs, the virtual environment, tests and git's
    remotes. Files are read, nothing is run, and no value is taken out of .env. Each target says where it was found;
    what was not found is a TODO that says what it means. Never overwrites a file. Exit 0: written, and sound in its
    form (what is open is listed). 1: it is there already. 2: it cannot be read or written.
    """
    from state.durable import write_atomically
    from tminus.practice.overlay import shipped
    from tminus.survey import survey
    from tminus.survey.draft import draft

    if not folder.is_dir():
        end(UNUSABLE, f"no folder {folder}")
    made = draft(shipped("checklist.toml"), survey(folder))
    path, journeys = folder / "checklist.toml", folder / "journeys.toml"
    if dry_run:
        click.echo(made.text, nl=False)
        _tell(made.open)
        sys.exit(HOLDS)
    if path.exists() and not force:
        end(DOES_NOT_HOLD, f"{path} is there already: --dry-run prints what would be written, --force replaces it")
    try:
        if path.exists():
            kept = _free(path)
            path.rename(kept)
            click.echo(f"the old one is {kept}", err=True)
        write_atomically(path, made.text.encode())
        ours = not journeys.exists()
        if ours:
            write_atomically(journeys, shipped("journeys.toml").encode())
            click.echo(f"wrote {journeys}")
    except OSError as error:
        end(UNUSABLE, f"{path}: {error.strerror or error}")
    click.echo(f"wrote {path}")
    _judge(path, ours)
    _tell(made.open)


def _free(path: Path) -> Path:
    """A name beside PATH that nothing has: .bak, .bak2, ..."""
    names = (path.with_name(f"{path.name}.bak{number if number > 1 else ''}") for number in range(1, 1000))
    return next(name for name in names if not name.exists())


def _judge(path: Path, our_journeys: bool) -> None:
    from state.problems import ChecklistError
    from tminus.definition import load

    try:
        loaded, _ = load(path)
    except ChecklistError as error:
        if not our_journeys and all(Path(one.file).name == "journeys.toml" for one in error.problems):
            click.echo(f"{error}\nthe journeys.toml that was there needs mending before the first run", err=True)
            return
        end(UNUSABLE, f"{error}\nthat is a mistake of tminus, not of yours: mend these lines, and tell its authors")
    checklist = loaded.checklist
    click.echo(
        f"{len(checklist.phase)} phases, {len(checklist.items)} items, {len(checklist.gate)} gates: sound in form"
    )


def _tell(still_open: tuple[str, ...]) -> None:
    click.echo(f"\nstill open ({len(still_open)}), each a TODO in the file:", err=True)
    for what in still_open:
        click.echo(f"  {what}", err=True)
    click.echo("\nnext: tminus validate; tminus rehearse --project .; tminus doctor", err=True)
