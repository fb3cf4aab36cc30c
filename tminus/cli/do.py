"""`tminus do`: run the check of one item in the run, from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tminus.cli.common import (
    COULD_NOT_LOOK,
    DOES_NOT_HOLD,
    HOLDS,
    UNUSABLE,
    checklist_option,
    end,
    name_option,
    with_client,
)
from tminus.cli.show import item_lines
from tminus.client.connection import Client
from tminus.client.messages import ItemView
from tminus.client.requests import Plan, RunCheck, ShowPlan


@click.command()
@click.argument("item")
@click.option("--answer", default="", help="The value that the item asks for.")
@click.option(
    "--go", "go", default="", metavar="DIGEST", help="Go for the plan of that digest (as printed without it)."
)
@checklist_option
@name_option
def command(item: str, answer: str, go: str, checklist: Path, name: str) -> None:
    """Run the check of ITEM and print what it saw.

    A check that changes something first prints exactly what it will do; at a terminal you are asked, elsewhere
    --go with the plan's digest starts it. Exit 0 pass, 1 fail or warn, 3 unknown or error.
    """

    async def use(client: Client) -> int:
        if item not in client.view.items:
            end(UNUSABLE, f"no item {item!r}")
        face = next(face for phase in client.view.phases for face in phase.items if face.id == item)
        digest = go
        if face.effect == "change" and not go:
            digest = await _ask_for_go(client, item)
        before = client.view.items[item].attempts
        await client.ask(RunCheck(item=item, answer=answer, go=digest))
        state = await _ended(client, item, before)
        click.echo("\n".join(item_lines(client.view, item)))
        if state.verdict == "pass":
            return HOLDS
        return DOES_NOT_HOLD if state.verdict in ("fail", "warn") else COULD_NOT_LOOK

    with_client(checklist, name, use, watch=True)


async def _ask_for_go(client: Client, item: str) -> str:
    plan = Plan(**(await client.ask(ShowPlan(item=item))).data)
    click.echo("\n".join((*plan.lines, f"{plan.danger}; target: {plan.target}")))
    if not sys.stdin.isatty():
        end(DOES_NOT_HOLD, f"it changes something: tminus do {item} --go {plan.digest}")
    if plan.danger == "one-way":
        typed = click.prompt(f"One-way. Type {plan.target} to go", default="", show_default=False)
        if typed != plan.target:
            end(DOES_NOT_HOLD, "not the target: nothing was done")
    elif not click.confirm("Go?", default=False):
        end(DOES_NOT_HOLD, "nothing was done")
    return plan.digest


async def _ended(client: Client, item: str, attempts: int) -> ItemView:
    shown = 0
    async for view in client.updates():
        state = view.items[item]
        if state.attempts == attempts:
            continue
        lines = view.output.get(item, ())
        for line in lines[shown:]:
            click.echo(line, err=True)
        shown = len(lines)
        if state.status != "running":
            return state
    raise AssertionError("updates end only by EngineGone")
