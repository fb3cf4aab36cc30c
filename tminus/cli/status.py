"""`tminus status`: the run in plain text, once or as it goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from tminus.cli.common import (
    DOES_NOT_HOLD,
    HOLDS,
    Caller,
    Done,
    answer,
    checklist_option,
    face_of,
    json_option,
    name_option,
)
from tminus.cli.show import facts_of, fitted, item_lines, status_lines
from tminus.client.connection import Client


@click.command(epilog="Example: tminus status --watch")
@click.argument("item", default="")
@click.option("--watch", "watches", is_flag=True, help="Go on with what changes, a line each, until Ctrl+C.")
@click.option("--utc", is_flag=True, help="Of --watch: times in UTC. [default: of the clock here]")
@click.option("--at-most", type=click.IntRange(1, 1000), default=10, show_default=True,
              help="Of --watch: lines a second.")  # fmt: skip
@click.option("--patience", default="10m", show_default=True,
              help="Of --watch: how long to wait for an engine that has gone.")  # fmt: skip
@checklist_option
@name_option
@json_option
def command(item: str, watches: bool, utc: bool, at_most: int, patience: str, checklist: Path, name: str,
            as_json: bool) -> None:  # fmt: skip
    """Print where the run stands, or ITEM with its evidence. Exit 0 on GO (or ITEM settled), else 1.

    With --watch it goes on with a line, and its time, for each thing that changes: verdict, blockers, items, gates,
    holds, people, a metric that is bad or has kept another status for 10 s. Nothing is ever drawn again, which suits
    a screen reader, a phone and a pipe. It waits for an engine that has gone, and says when it is back. Exit 0 when
    the run was closed, 130 on Ctrl+C, 3 when no engine came back.
    """
    caller = Caller(checklist, name, as_json)
    if watches:
        if item:
            raise click.UsageError("--watch is about the whole run: name no ITEM")
        from state.durations import parse_duration
        from tminus.cli.follow import follow

        try:
            seconds = parse_duration(patience)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--patience") from error
        sys.exit(follow(caller, utc=utc, at_most=at_most, patience=seconds))

    async def use(client: Client) -> Done:
        view = client.view
        if item:
            face_of(view, item)
            state = view.items[item]
            words, facts, holds = item_lines(view, item), msgspec.to_builtins(state), state.settled
        else:
            words, facts, holds = status_lines(view), facts_of(view), view.standing.go == "GO"
        return Done("\n".join(fitted(words)), facts, HOLDS if holds else DOES_NOT_HOLD)

    answer(caller, use, watch=True)
