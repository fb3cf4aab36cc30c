"""Pause points and gates from the command line: what is decided is first shown, and then asked."""

from __future__ import annotations

import click
import msgspec

from state.clean import clean
from tminus.cli.asking import must_agree, typed
from tminus.cli.common import DOES_NOT_HOLD, UNUSABLE, Caller, Done, acting, answer, end
from tminus.cli.show import call_words, gate_lines, numbers_of
from tminus.client.connection import Client
from tminus.client.messages import GateView, PhaseFace, View
from tminus.client.readback import ReadBack, asked_again, read_back, text_lines
from tminus.client.requests import DecideGate, PassPhase

_why = click.option("--reason", required=True, help="Why, in 10 characters or more.")


@click.command(epilog="Example: tminus go pre")
@click.argument("phase", default="")
@click.option("--yes", is_flag=True, help="Do not ask: the read-back was read.")
@click.option("--value", "values", multiple=True, metavar="ITEM=VALUE",
              help="The value of a critical item, read once more. May be repeated.")  # fmt: skip
@acting
def go(phase: str, yes: bool, values: tuple[str, ...], caller: Caller) -> None:
    """Pass the pause point of PHASE (the current one). Refused unless the verdict is GO.

    First it is read back what was left out, overridden, unknown or late; then you are asked, and asked once more for
    the values of critical items. Elsewhere than at a terminal say --yes, and --value for each. Where a phase takes
    two, your GO calls the second person, who says the same from another login (exit 1: it is not passed yet).
    """
    given = _pairs(values)

    async def use(client: Client) -> Done:
        face = _phase(client.view, phase)
        back = _read_back(client.view, face)
        told = {"phase": face.id, "read_back": msgspec.to_builtins(back)}
        standing = client.view.standing
        call = client.view.crew.call
        called = [call_words(call)] if call is not None and call.kind == "phase" else []
        caller.show([*text_lines(back), *called, f"The verdict is {standing.go}."])
        if standing.go in ("NO-GO", "HOLD"):  # the engine would refuse: nobody is asked first
            against = clean("; ".join(f"{one.id}: {one.why}" for one in standing.blockers[:3]))
            end(DOES_NOT_HOLD, f"{standing.go}: {against}", **told)
        read = dict(given)
        asked = [item for item in asked_again(face, client.view.items) if item.id not in read]
        if not caller.may_be_asked and (asked or not yes):
            how = " ".join(["--yes", *(f"--value {item.id}=…" for item in asked)])
            questions = "".join(f"\n{item.id}: {item.ask}" for item in asked)
            end(DOES_NOT_HOLD, f"read this, then say {how}{questions}", **told)
        for item in asked:
            read[item.id] = await typed(f"{item.id}: {item.ask}")
        if not yes:
            await must_agree("GO?")
            if _read_back(client.view, face) != back:
                end(DOES_NOT_HOLD, "something changed while you read: read it again")
        reply = await client.ask(PassPhase(phase=face.id, values=read))
        if reply.data.get("kind") == "call.made":
            words = f"your GO is recorded; the phase takes two. From another login: tminus go {face.id}"
            return Done(words, {**reply.data, **told, "waits_for": "a second person"}, DOES_NOT_HOLD)
        return Done("GO is recorded", {**reply.data, **told})

    answer(caller, use, watch=True)


@click.command(epilog="Example: tminus decide error-rate extend --reason 'a burst of one client' --until 30m")
@click.argument("gate")
@click.argument("decision", type=click.Choice(["roll-back", "continue", "extend"]))
@_why
@click.option(
    "--until", default="", help="Of extend: 30m, or 2026-11-22T23:30:00Z. One more of its spans if not said."
)
@acting
def decide(gate: str, decision: str, reason: str, until: str, caller: Caller) -> None:
    """Answer a GATE that has tripped, or sees nothing, in your name."""

    async def use(client: Client) -> Done:
        _gate(client.view, gate)
        reply = await client.ask(DecideGate(gate=gate, decision=decision, reason=reason, until=until))
        return Done(f"recorded: {decision}", {**reply.data, "gate": gate, "decision": decision})

    answer(caller, use, watch=True)


@click.command("roll-back", epilog="Example: tminus roll-back --reason 'one login in eight fails since the push'")
@click.argument("gate", default="")
@_why
@click.option("--yes", is_flag=True, help="Do not ask: the evidence was seen.")
@acting
def roll_back(gate: str, reason: str, yes: bool, caller: Caller) -> None:
    """Decide to roll back, for the GATE that asks (the only one, if not named). Its evidence is printed first.

    At a terminal "roll back" is to be typed; elsewhere say --yes. Nothing is changed by this itself: it opens the
    rollback phase. When no gate asks, the rules are printed and nothing is decided.
    """

    async def use(client: Client) -> Done:
        chosen = _asking(client.view, gate)
        caller.show([*gate_lines(chosen), *numbers_of(client.view, chosen)])
        told = {"gate": chosen.id, "decision": "roll-back", "evidence": msgspec.to_builtins(chosen)}
        if not yes:
            if not caller.may_be_asked:
                end(DOES_NOT_HOLD, "look at the evidence, then say --yes", **told)
            if (await typed("Type: roll back")).casefold() != "roll back":
                end(DOES_NOT_HOLD, "not typed: nothing was decided")
        reply = await client.ask(DecideGate(gate=chosen.id, decision="roll-back", reason=reason))
        words = f"recorded: roll-back, because of {chosen.id}. The rollback phase is open: tminus status"
        return Done(words, {**reply.data, **told})

    answer(caller, use, watch=True)


def _read_back(view: View, phase: PhaseFace) -> ReadBack:
    return read_back(phase, view.items, view.crew.challenges)


def _phase(view: View, name: str) -> PhaseFace:
    wanted = name or view.standing.phase
    found = next((phase for phase in view.phases if phase.id == wanted), None)
    if found is None:
        from state.schema import did_you_mean

        end(UNUSABLE, f"no phase {wanted!r}: {did_you_mean(wanted, [phase.id for phase in view.phases])}")
    return found


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    wrong = [value for value in values if "=" not in value]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r}: write ITEM=VALUE", param_hint="--value")
    return {item: value for item, _, value in (pair.partition("=") for pair in values)}


def _gate(view: View, name: str) -> GateView:
    """The gate NAME; whether it may be decided is the engine's to say. Ends with 2 when there is none such."""
    if name not in view.gates:
        from state.schema import did_you_mean

        end(UNUSABLE, f"no gate {name!r}: {did_you_mean(name, list(view.gates))}")
    return view.gates[name]


def _asking(view: View, name: str) -> GateView:
    """The gate that is decided about. Ends with 1 and the rules when none asks, with 2 when there is none such."""
    asking = [gate for gate in view.gates.values() if gate.asks]
    if name:
        return _gate(view, name)
    facts = {"gates": [msgspec.to_builtins(gate) for gate in asking or view.gates.values()]}
    if not asking:
        rules = [line for gate in view.gates.values() for line in gate_lines(gate)]
        told = ["no gate has tripped: there is nothing to decide", *(("The rules are:", *rules) if rules else ())]
        end(DOES_NOT_HOLD, "\n".join(told), **facts)
    if len(asking) > 1:
        end(DOES_NOT_HOLD, f"several gates ask, name one: {', '.join(gate.id for gate in asking)}", **facts)
    return asking[0]
