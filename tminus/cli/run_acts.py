"""Acts on the run as a whole, from the command line: the same rules as in the cockpit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from tminus.cli.common import COULD_NOT_LOOK, checklist_option, end, find_place, name_option, with_client
from tminus.client.connection import Client, EngineGone
from tminus.client.requests import (
    AddNote,
    CancelCheck,
    DecideGate,
    PassPhase,
    RaiseHold,
    ReleaseHold,
    Request,
    StopEngine,
    TakeLease,
)


def _ask(checklist: Path, name: str, make: Callable[[Client], Request], done: str, *, watch: bool = False) -> None:
    async def use(client: Client) -> int:
        await client.ask(make(client))
        click.echo(done)
        return 0

    with_client(checklist, name, use, watch=watch)


@click.command()
@click.argument("item")
@checklist_option
@name_option
def cancel(item: str, checklist: Path, name: str) -> None:
    """Stop the check of ITEM. It ends as an error, and may be run again."""
    _ask(checklist, name, lambda _: CancelCheck(item=item), f"{item}: cancelled")


@click.command()
@click.argument("reason")
@checklist_option
@name_option
def hold(reason: str, checklist: Path, name: str) -> None:
    """Stop the run: nothing is changed, confirmed or passed until the hold is released."""
    _ask(checklist, name, lambda _: RaiseHold(reason=reason), "held")


@click.command()
@click.argument("number", type=int, default=0)
@click.option("--reason", default="", help="What was found.")
@checklist_option
@name_option
def release(number: int, reason: str, checklist: Path, name: str) -> None:
    """Release hold NUMBER (see `tminus status`); without a number the only one there is."""
    _ask(checklist, name, lambda _: ReleaseHold(hold=number, reason=reason), "released")


@click.command()
@click.argument("phase", default="")
@checklist_option
@name_option
def go(phase: str, checklist: Path, name: str) -> None:
    """Pass the pause point of PHASE (the current one). Refused unless the verdict is GO."""
    _ask(
        checklist,
        name,
        lambda client: PassPhase(phase=phase or client.view.standing.phase),
        "GO is recorded",
        watch=True,
    )


@click.command()
@click.argument("gate")
@click.argument("decision", type=click.Choice(["roll-back", "continue", "extend"]))
@click.option("--reason", required=True, help="Why, in 10 characters or more.")
@click.option(
    "--until", default="", help="Of extend: 30m, or 2026-11-22T23:30:00Z. One more of its spans if not said."
)
@checklist_option
@name_option
def decide(gate: str, decision: str, reason: str, until: str, checklist: Path, name: str) -> None:
    """Answer a GATE that has tripped, or sees nothing, in your name."""
    request = DecideGate(gate=gate, decision=decision, reason=reason, until=until)
    _ask(checklist, name, lambda _: request, f"recorded: {decision}")


@click.command()
@checklist_option
@name_option
def drive(checklist: Path, name: str) -> None:
    """Become the driver: when nobody drives, or the one who did has no screen open."""
    _ask(checklist, name, lambda _: TakeLease(), "you have control")


@click.command()
@click.argument("text")
@click.option("--item", default="", help="The item it is about.")
@checklist_option
@name_option
def note(text: str, item: str, checklist: Path, name: str) -> None:
    """Leave TEXT in the record."""
    _ask(checklist, name, lambda _: AddNote(text=text, item=item), "noted")


@click.command()
@click.option("--close", is_flag=True, help="The run is over: the record takes nothing more.")
@checklist_option
@name_option
def stop(close: bool, checklist: Path, name: str) -> None:
    """End the engine. The next `tminus run` goes on from the record, unless the run was closed."""
    from tminus.launch import wait_until_ended

    place = find_place(checklist)

    async def use(client: Client) -> int:
        with suppress(EngineGone):  # it may hang up before its last words arrive
            await client.ask(StopEngine(close=close))
        if not await asyncio.to_thread(wait_until_ended, place):
            end(COULD_NOT_LOOK, f"the engine does not end; see {place.log}")
        click.echo("the engine has ended")
        return 0

    with_client(checklist, name, use)
