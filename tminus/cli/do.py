"""`tminus do`: run the check of one item in the run, from the command line."""

from __future__ import annotations

import click
import msgspec

from tminus.cli.asking import must_agree, typed
from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD, HOLDS, Caller, Done, acting, answer, end, face_of
from tminus.cli.show import item_lines
from tminus.client.connection import Client
from tminus.client.messages import ItemView
from tminus.client.requests import Plan, RunCheck, ShowPlan


@click.command(epilog="Example: tminus do backup-sqlite")
@click.argument("item")
@click.option("--answer", "value", default="", help="The value that the item asks for.")
@click.option(
    "--go", "go", default="", metavar="DIGEST", help="Go for the plan of that digest (as printed without it)."
)
@acting
def command(item: str, value: str, go: str, caller: Caller) -> None:
    """Run the check of ITEM and print what it saw.

    A check that changes something first prints exactly what it will do; at a terminal you are asked, elsewhere
    --go with the plan's digest starts it. At the point of no return your go calls the second person, who agrees
    with `tminus agree`; say go once more then. Exit 0 pass, 1 fail, warn or not run, 3 unknown or error.
    """

    async def use(client: Client) -> Done:
        face = face_of(client.view, item)
        digest, said = go, value
        if face.ask and not said:
            if not caller.may_be_asked:
                end(DOES_NOT_HOLD, f"read it, then say it with --answer: {face.ask}", item=item, asks=face.ask)
            said = await typed(face.ask)
        if face.effect == "change" and not go:
            digest = await _ask_for_go(client, caller, item)
        before = client.view.items[item].attempts
        reply = await client.ask(RunCheck(item=item, answer=said, go=digest))
        if reply.data.get("kind") == "call.made":
            words = (
                f"{item}: the point of no return takes two, and the second person is called. Another login says: "
                f"tminus agree {item}\nNothing has run yet; then: tminus do {item} --go {digest}"
            )
            facts = {**reply.data, "item": item, "plan": digest, "waits_for": "a second person"}
            return Done(words, facts, DOES_NOT_HOLD)
        state = await _ended(client, item, before)
        code = HOLDS if state.verdict == "pass" else COULD_NOT_LOOK
        if state.verdict in ("fail", "warn"):
            code = DOES_NOT_HOLD
        facts = {**reply.data, **msgspec.to_builtins(state)}
        return Done("\n".join(item_lines(client.view, item)), facts, code)

    answer(caller, use, watch=True)


def plan_lines(plan: Plan) -> list[str]:
    """PLAN as a person reads it before saying go."""
    return [*plan.lines, f"{plan.danger}; target: {plan.target}"]


async def _ask_for_go(client: Client, caller: Caller, item: str) -> str:
    plan = msgspec.convert((await client.ask(ShowPlan(item=item))).data, Plan)
    caller.show(plan_lines(plan))
    if not caller.may_be_asked:
        how = f"it changes something: tminus do {item} --go {plan.digest}"
        end(DOES_NOT_HOLD, how, item=item, plan=msgspec.to_builtins(plan))
    if plan.danger in ("safe", "reversible"):
        await must_agree("Go?")
    elif await typed(f"One-way. Type {plan.target} to go:") != plan.target:
        end(DOES_NOT_HOLD, "not the target: nothing was done")
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
