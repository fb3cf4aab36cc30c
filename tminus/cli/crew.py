"""The people of a run among each other, from the command line: control, challenges, the second person."""

from __future__ import annotations

import click
import msgspec

from tminus.cli.asking import must_agree
from tminus.cli.common import DOES_NOT_HOLD, UNUSABLE, Caller, Done, act, acting, answer, end
from tminus.cli.do import plan_lines
from tminus.cli.show import call_words, item_lines
from tminus.client.connection import Client
from tminus.client.messages import View
from tminus.client.requests import (
    Agree,
    AnswerChallenge,
    AskLease,
    GrantLease,
    Plan,
    RaiseChallenge,
    RefuseLease,
    ReleaseLease,
    ShowPlan,
    TakeLease,
)


@click.command(epilog="Example: tminus drive --ask --reason 'your shift ends'")
@click.option("--ask", "asks", is_flag=True, help="Ask the one who drives for control.")
@click.option("--release", "releases", is_flag=True, help="Drive no longer; nobody does until somebody takes it.")
@click.option("--reason", default="", help="Of --ask: why.")
@acting
def drive(asks: bool, releases: bool, reason: str, caller: Caller) -> None:
    """Become the driver: when nobody drives, or the one who does is gone, or did not answer for too long.

    Otherwise --ask for it. The driver answers with `tminus hand-over` or `tminus refuse`.
    """
    if asks and releases:
        raise click.UsageError("--ask or --release, not both")
    if reason and not asks:
        raise click.UsageError("--reason goes with --ask")
    if asks:
        act(caller, AskLease(reason=reason), "asked for control; `tminus status` says who drives")
    if releases:
        act(caller, ReleaseLease(), "you drive no longer, and nobody does")
    act(caller, TakeLease(), "you have control")


@click.command("hand-over", epilog="Example: tminus hand-over Bob")
@click.argument("person", metavar="[NAME]", default="")
@acting
def hand_over(person: str, caller: Caller) -> None:
    """Give control to NAME, who asked for it or is here; without a name to the only one who asked."""

    async def use(client: Client) -> Done:
        uid = _uid_of(client.view, person, here=True)
        to = person or ", ".join(ask.actor for ask in client.view.crew.asking)
        reply = await client.ask(GrantLease(uid=uid))
        return Done(f"{to} has control", {**reply.data, "to": to})

    answer(caller, use, watch=True)


@click.command(epilog="Example: tminus refuse --reason 'after the push, in five minutes'")
@click.argument("person", metavar="[NAME]", default="")
@click.option("--reason", required=True, help="Why not now.")
@acting
def refuse(person: str, reason: str, caller: Caller) -> None:
    """Keep control, though NAME asked for it; without a name the only one who did."""

    async def use(client: Client) -> Done:
        request = RefuseLease(uid=_uid_of(client.view, person, here=False), reason=reason)
        return Done("refused: you keep control", (await client.ask(request)).data)

    answer(caller, use, watch=True)


@click.command(epilog="Example: tminus challenge verify-row-counts 'are the archived users among them?'")
@click.argument("item")
@click.argument("text", required=False)
@acting
def challenge(item: str, text: str | None, caller: Caller) -> None:
    """Pin a question to ITEM: it must be answered before the phase ends. Anybody may.

    With one argument it is a question to the run: tminus challenge 'why is p95 up?'
    """
    about, words = ("", item) if text is None else (item, text)

    async def use(client: Client) -> Done:
        if text is None and any(item == face.id for phase in client.view.phases for face in phase.items):
            end(UNUSABLE, f"{item} is an item: say what is asked about it, too")
        reply = await client.ask(RaiseChallenge(item=about, text=words))
        facts = {**reply.data, "item": about} if about else reply.data
        return Done("challenged: it stands against GO until answered", facts)

    answer(caller, use, watch=True)


@click.command("answer", epilog="Example: tminus answer 2 'they are: 1,204 of them, in the evidence'")
@click.argument("number", type=int, metavar="ID")
@click.argument("text")
@acting
def answer_challenge(number: int, text: str, caller: Caller) -> None:
    """Answer challenge ID (see `tminus status`) with TEXT, in 10 characters or more; 0 is the only one that is open.

    The driver answers; who challenged may take it back by the same command.
    """
    act(caller, AnswerChallenge(challenge=number, text=text), "answered", challenge=number)


@click.command(epilog="Example: tminus agree push")
@click.argument("item", default="")
@click.option("--plan", default="", metavar="DIGEST", help="The plan you saw (as printed without it).")
@acting
def agree(item: str, plan: str, caller: Caller) -> None:
    """Agree, as the second person, to cross the point of no return at ITEM, where the driver called you.

    First the item and the plan are shown, and you are asked; elsewhere than at a terminal --plan names what you saw.
    The driver then says go once more. A pause point that takes two is agreed to with `tminus go`.
    """

    async def use(client: Client) -> Done:
        call = client.view.crew.call
        if call is None:
            end(DOES_NOT_HOLD, "nobody calls a second person")
        if call.kind == "phase":
            end(DOES_NOT_HOLD, call_words(call))
        if item not in ("", call.id):
            end(DOES_NOT_HOLD, f"the call is about {call.id}, not {item}")
        seen = plan
        if not plan:
            shown = msgspec.convert((await client.ask(ShowPlan(item=call.id))).data, Plan)
            caller.show([*item_lines(client.view, call.id), "", f"{call.actor} is about to do:", *plan_lines(shown)])
            if not caller.may_be_asked:
                how = f"look at the plan, then: tminus agree {call.id} --plan {shown.digest}"
                end(DOES_NOT_HOLD, how, item=call.id, plan=msgspec.to_builtins(shown))
            await must_agree("Do you agree?")
            seen = shown.digest
        reply = await client.ask(Agree(item=call.id, plan=seen))
        words = f"agreed; {call.actor} goes with: tminus do {call.id}"
        return Done(words, {**reply.data, "item": call.id})

    answer(caller, use, watch=True)


def _uid_of(view: View, name: str, *, here: bool) -> int:
    """The uid of NAME (or of that login) among those who ask for control and, if HERE, who have a screen open.

    -1 without a name: the only one who asks. Ends with 2 when nobody is of that name, or several are.
    """
    if not name:
        return -1
    known = [(ask.actor, "", ask.uid) for ask in view.crew.asking]
    known += [(one.name, one.login, one.uid) for one in view.run.people if here and one.kind != "command"]
    uids = {uid for called, login, uid in known if name.casefold() in (called.casefold(), login.casefold())}
    if len(uids) != 1:
        named = ", ".join(sorted({called for called, _, _ in known})) or "nobody"
        end(UNUSABLE, f"{'several are' if uids else 'nobody is'} called {name!r}: there is {named}")
    return uids.pop()
