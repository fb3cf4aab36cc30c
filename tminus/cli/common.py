"""What the commands share: where the checklist is, how to reach its engine, how to end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import click

from state.clean import clean
from tminus.client.connection import Client, EngineGone, Refused
from tminus.places import Place, UnsafePlace, place_of

HOLDS, DOES_NOT_HOLD, UNUSABLE, COULD_NOT_LOOK = 0, 1, 2, 3

checklist_option = click.option(
    "-C",
    "--checklist",
    type=click.Path(path_type=Path),
    default=Path("checklist.toml"),
    show_default=True,
    envvar="TMINUS_CHECKLIST",
    help="The checklist whose run is meant.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
name_option = click.option(
    "--as", "name", default="", envvar="TMINUS_NAME", help="Your name in the record. [default: git's, or the login]"
)


def end(code: int, message: str) -> NoReturn:
    """Print MESSAGE on stderr and exit with CODE."""
    click.echo(message, err=True)
    sys.exit(code)


def find_place(checklist: Path) -> Place:
    """The place of the engine of CHECKLIST; ends with 2 when there is no such file."""
    if not checklist.is_file():
        end(UNUSABLE, f"no checklist at {checklist}: go to its folder, or name it with -C FILE")
    try:
        return place_of(checklist)
    except (UnsafePlace, OSError) as error:
        end(UNUSABLE, str(error))


def your_name(given: str) -> str:
    """The name a person goes by: as given, as set, else git's user.name, else what the engine finds for the uid."""
    if given:
        return given
    import subprocess

    from state.problems import ChecklistError
    from tminus.settings import read_settings, settings_path

    try:
        if name := read_settings(settings_path()).name:
            return name
    except ChecklistError as error:
        end(UNUSABLE, str(error))

    try:
        found = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()


def with_client(
    checklist: Path, name: str, use: Callable[[Client], Awaitable[int]], *, watch: bool = False
) -> NoReturn:
    """Connect to the engine of CHECKLIST, USE the client, and exit with what it returns."""
    place = find_place(checklist)

    async def connected() -> int:
        async with Client(place.socket, name=your_name(name), watch=watch) as client:
            return await use(client)

    try:
        sys.exit(asyncio.run(connected()))
    except EngineGone as error:
        end(COULD_NOT_LOOK, f"{error}\nStart it with: tminus run -C {checklist}")
    except Refused as error:
        end(DOES_NOT_HOLD, f"refused: {clean(str(error))}")
    except KeyboardInterrupt:
        end(130, "interrupted; the run goes on")
