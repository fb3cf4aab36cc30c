"""`tminus record`: what a record is worth."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from tminus.cli.common import DOES_NOT_HOLD, UNUSABLE, end, json_option


@click.group(epilog="Example: tminus record verify deployments/2026-11-22-postgresql-migration.toml")
def command() -> None:
    """Look into a record of a run."""


@command.command(epilog="Example: tminus record verify deployments/2026-11-22-postgresql-migration.toml")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def verify(file: Path, as_json: bool) -> None:
    """Replay FILE and check its chain, its tables and its seal. Exit 0 it holds, 1 broken, 2 unreadable."""
    from state.record import RecordError
    from state.record_file import read_record

    try:
        run, events = read_record(file)
    except RecordError as error:
        end(DOES_NOT_HOLD, str(error))
    except OSError as error:
        end(UNUSABLE, f"{file.name}: {error.strerror}")
    facts = {
        "record": file.name,
        "title": run.meta.get("title", ""),
        "events": len(events),
        "head": events[-1].digest if events else "",
        "items": len(run.items),
        "closed": run.closed,
        "rehearsal": bool(run.meta.get("rehearsal", False)),
    }
    if as_json:
        click.echo(msgspec.json.encode(facts).decode())
    else:
        click.echo("{record}: {events} events, {items} items, chain, tables and seal hold".format(**facts))
        if (wal := file.with_name(file.name + ".wal")).exists() and wal.stat().st_size:
            click.echo("the log beside it holds events that are not folded in yet: an engine is at work, or died")
