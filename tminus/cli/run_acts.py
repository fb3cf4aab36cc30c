"""Acts on the run as a whole, from the command line: the same rules as in the cockpit."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import click

from tminus.cli.asking import must_agree
from tminus.cli.common import COULD_NOT_LOOK, Caller, Done, act, acting, answer, end, find_place
from tminus.client.connection import Client, EngineGone
from tminus.client.requests import AddNote, CancelCheck, Correct, RaiseHold, ReleaseHold, StopEngine


@click.command(epilog="Example: tminus cancel load-test")
@click.argument("item")
@acting
def cancel(item: str, caller: Caller) -> None:
    """Stop the check of ITEM that is running. It ends as an error, and may be run again."""
    act(caller, CancelCheck(item=item), f"{item}: cancelled", item=item)


@click.command(epilog="Example: tminus hold 'the error rate looks odd'")
@click.argument("reason")
@acting
def hold(reason: str, caller: Caller) -> None:
    """Stop the run: nothing is changed, confirmed or passed until the hold is released. Anybody may."""
    act(caller, RaiseHold(reason=reason), "held")


@click.command(epilog="Example: tminus release --reason 'it was the load test'")
@click.argument("number", type=int, default=0)
@click.option("--reason", default="", help="What was found.")
@acting
def release(number: int, reason: str, caller: Caller) -> None:
    """Release hold NUMBER (see `tminus status`); without a number the only one there is."""
    act(caller, ReleaseHold(hold=number, reason=reason), "released")


@click.command(epilog="Example: tminus note 'the deploy took 4 minutes' --item push")
@click.argument("text")
@click.option("--item", default="", help="The item it is about.")
@acting
def note(text: str, item: str, caller: Caller) -> None:
    """Leave TEXT in the record, about the run or an item. Anybody may, at any time."""
    act(caller, AddNote(text=text, item=item), "noted", **({"item": item} if item else {}))


@click.command(epilog="Example: tminus correct 41 'it was db-2, not db-1'")
@click.argument("seq", type=int)
@click.argument("text")
@acting
def correct(seq: int, text: str, caller: Caller) -> None:
    """Add TEXT to the record about its event SEQ, which stays as it is: nothing in the record is ever changed.

    `tminus replay RECORD --print` shows the events with their numbers.
    """
    act(caller, Correct(seq=seq, text=text), f"corrected: event {seq}, which stays as it is", corrects=seq)


@click.command(epilog="Example: tminus stop --close")
@click.option("--close", is_flag=True, help="The run is over: the record takes nothing more.")
@acting
def stop(close: bool, caller: Caller) -> None:
    """End the engine. The next `tminus run` goes on from the record, unless the run was closed."""
    from tminus.launch import wait_until_ended

    async def use(client: Client) -> Done:
        if close and caller.may_be_asked:
            left = sum(not item.settled for item in client.view.items.values())
            await must_agree(f"Close the run with {left} items open? Its record takes nothing more after that.")
        place = find_place(caller.checklist)
        with suppress(EngineGone):  # it may hang up before its last words arrive
            await client.ask(StopEngine(close=close))
        if not await asyncio.to_thread(wait_until_ended, place):
            end(COULD_NOT_LOOK, f"the engine does not end; see {place.log}")
        return Done("the engine has ended", {"closed": close})

    answer(caller, use, watch=close)
