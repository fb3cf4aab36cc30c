"""`tminus run`: the cockpit, and the engine if there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tminus.cli.common import DOES_NOT_HOLD, UNUSABLE, checklist_option, end, find_place, name_option, your_name
from tminus.places import Place, UnsafePlace, place_of


@click.command(epilog="Example: tminus run --group cutover")
@checklist_option
@name_option
@click.option("--t0", default="", help="T0 of a new run: 2026-11-22T22:00:00Z. [default: when the run starts]")
@click.option("--no-cockpit", is_flag=True, help="Start the engine only; watch it with `tminus status`.")
@click.option("--group", default="", help="Let a second person in from a login of their own, if it is in this group.")
def command(checklist: Path, name: str, t0: str, no_cockpit: bool, group: str) -> None:
    """Open the cockpit on the run of the checklist.

    The run lives in an engine of its own: close the terminal, lose the connection, and the next `tminus run` is
    back in the same place. `tminus stop` ends it. An engine that was killed is followed by one for the same group.
    """
    from tminus.launch import EngineFailed, comes_up, is_up, start_engine
    from tminus.places import left_for_a_group

    place = find_place(checklist)
    if group:
        place = _groups_place(checklist, group, place)
    elif (left := left_for_a_group(checklist)) is not None and not is_up(place):
        place = left
        click.echo(f"the engine that died let a group in, and so does this one: {_name_of(left.group)}", err=True)
    if not is_up(place):
        try:
            start_engine(checklist, place, t0=utc(t0))
        except EngineFailed as error:
            # Somebody else may have started one at the same moment: then there is one.
            if not comes_up(place):
                end(UNUSABLE, str(error))
    if no_cockpit:
        click.echo("the engine is up; see `tminus status`")
        return
    from tminus.cli.cockpit import open_cockpit

    sys.exit(open_cockpit(place.socket, name=your_name(name), read_only=False))


def _groups_place(checklist: Path, group: str, found: Place) -> Place:
    """The place of an engine for GROUP. Ends when an engine was FOUND that is for others."""
    from tminus.launch import is_up

    try:
        wanted = place_of(checklist, group)
    except (UnsafePlace, OSError) as error:
        end(UNUSABLE, str(error))
    if found.group != wanted.group and is_up(found):
        end(DOES_NOT_HOLD, f"the engine is up, and not for the group {group}: `tminus stop`, then run this again")
    return found if found.group == wanted.group else wanted


def _name_of(group: int) -> str:
    import grp

    return grp.getgrgid(group).gr_name


def utc(moment: str) -> str:
    """MOMENT (RFC 3339; local time when it names no zone) in UTC; now when empty. Ends with 2 on nonsense."""
    from datetime import UTC, datetime

    from state.events import utc_text

    if not moment:
        return utc_text(datetime.now(UTC))
    try:
        return utc_text(datetime.fromisoformat(moment).astimezone(UTC))
    except ValueError:
        end(UNUSABLE, f"{moment!r} is no moment: write 2026-11-22T22:00:00Z, or without the Z for local time")
