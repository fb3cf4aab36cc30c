"""Marks from the command line. A confirmation names the evidence that was seen, as in the cockpit."""

from __future__ import annotations

import click

from tminus.cli.asking import must_agree, typed
from tminus.cli.common import DOES_NOT_HOLD, Caller, Done, act, acting, answer, end, face_of
from tminus.cli.show import item_lines
from tminus.client.connection import Client
from tminus.client.requests import MarkItem

_reason = click.option("--reason", required=True, help="Why, in 10 characters or more.")


def _mark(caller: Caller, request: MarkItem, words: str) -> None:
    act(caller, request, f"{request.item}: {words}", item=request.item, mark=request.mark)


@click.command(epilog="Example: tminus confirm backup-sqlite")
@click.argument("item")
@click.option("--seen", default="", metavar="DIGEST", help="The evidence you saw, as `tminus status ITEM` prints it.")
@click.option("--value", default="", help="A value that you read yourself.")
@click.option("--reason", default="", help="Why a warning is acceptable (10 characters or more).")
@click.option("--witness", default="", metavar="NAME", help="Who stands beside you. They are no second person.")
@acting
def confirm(item: str, seen: str, value: str, reason: str, witness: str, caller: Caller) -> None:
    """Confirm ITEM. At a terminal the evidence is shown and you are asked; elsewhere --seen says what you saw.

    Of an item that takes two, the second person confirms from a login of their own.
    """

    async def use(client: Client) -> Done:
        face, view = face_of(client.view, item), client.view.items[item]
        digest, read = seen, value
        if view.evidence_digest and not seen:
            caller.show(item_lines(client.view, item))
            if not caller.may_be_asked:
                how = f"look at the evidence, then: tminus confirm {item} --seen {view.evidence_digest}"
                end(DOES_NOT_HOLD, how, item=item, evidence=view.evidence, evidence_digest=view.evidence_digest)
            await must_agree("Confirm this?")
            digest = view.evidence_digest
        # What a check compared was typed before it ran; what a person reads is typed each time.
        if face.ask and not read and not (view.value and face.marks != "human"):
            if not caller.may_be_asked:
                end(DOES_NOT_HOLD, f"read it, then say it with --value: {face.ask}", item=item, asks=face.ask)
            read = await typed(face.ask)
        request = MarkItem(item=item, mark="confirmed", evidence=digest, value=read, reason=reason, witness=witness)
        reply = await client.ask(request)
        return Done(f"{item}: confirmed", {**reply.data, "item": item, "mark": "confirmed"})

    answer(caller, use, watch=True)


@click.command(epilog="Example: tminus fail rollback-plan --reason 'the script is not in the repository'")
@click.argument("item")
@_reason
@acting
def fail(item: str, reason: str, caller: Caller) -> None:
    """Mark ITEM as failed: it stands against GO until it is settled."""
    _mark(caller, MarkItem(item=item, mark="failed", reason=reason), "marked failed")


@click.command(epilog="Example: tminus skip load-test --reason 'done yesterday, see the report'")
@click.argument("item")
@_reason
@acting
def skip(item: str, reason: str, caller: Caller) -> None:
    """Skip ITEM: leave it out. Refused for a critical one. The read-back at the pause point names it."""
    _mark(caller, MarkItem(item=item, mark="skipped", reason=reason), "skipped")


@click.command(epilog="Example: tminus waive check-pool --reason 'the pool is new, no data yet' --until 30m")
@click.argument("item")
@_reason
@click.option("--until", default="", help="When the waiver ends: 30m, 2h, or a moment.")
@acting
def waive(item: str, reason: str, until: str, caller: Caller) -> None:
    """Let ITEM pass in your name. It still shows its real verdict, and the waiver drops if that changes."""
    _mark(caller, MarkItem(item=item, mark="waived", reason=reason, until=until), "waived")


@click.command(epilog="Example: tminus na test-oauth --reason 'OAuth is not configured in production'")
@click.argument("item")
@_reason
@acting
def na(item: str, reason: str, caller: Caller) -> None:
    """Say that ITEM does not apply to this run. The read-back at the pause point names it."""
    _mark(caller, MarkItem(item=item, mark="n/a", reason=reason), "not applicable")


@click.command(epilog="Example: tminus undo backup-sqlite")
@click.argument("item")
@acting
def undo(item: str, caller: Caller) -> None:
    """Take the mark of ITEM back: it is open again. Undoing is recorded too, and the mark before stays there."""
    _mark(caller, MarkItem(item=item, mark="open"), "open again")
