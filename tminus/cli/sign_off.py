"""`tminus sign-off`: a signature below everything that was not simply done."""

from __future__ import annotations

from collections.abc import Iterator

import click

from tminus.cli.asking import must_agree
from tminus.cli.common import DOES_NOT_HOLD, UNUSABLE, Caller, Done, acting, answer, end
from tminus.client.connection import Client
from tminus.client.messages import ItemFace, View
from tminus.client.readback import said_by
from tminus.client.requests import SignOff


@click.command("sign-off", epilog="Example: tminus sign-off dba --name 'Grace Hopper'")
@click.argument("role")
@click.option("--name", "signer", default="", help="Who signs, if it is not you: the driver attests it.")
@click.option("--item", default="", help="The item that is signed. [default: the one that waits for this role]")
@click.option("--seen", default="", metavar="DIGEST", help="What stood above the line (as printed without it).")
@acting
def command(role: str, signer: str, item: str, seen: str, caller: Caller) -> None:
    """Sign the run for ROLE. Above the line stands what was waived, skipped, unknown, late, challenged or corrected.

    At a terminal you are asked below it; elsewhere --seen says what you saw. Every role signs by a name.
    """

    async def use(client: Client) -> Done:
        face, role_id = _to_sign(client.view, role, item)
        view = client.view.items[face.id]
        digest = seen
        if not seen:
            caller.show(above_lines(client.view, face))
            if not caller.may_be_asked:
                how = f"read it, then: tminus sign-off {role_id} --seen {view.evidence_digest}"
                end(DOES_NOT_HOLD, how, item=face.id, above=view.evidence, evidence_digest=view.evidence_digest)
            await must_agree(f"Sign for {role_id}{f' as {signer}' if signer else ''}?")
            digest = view.evidence_digest
        reply = await client.ask(SignOff(item=face.id, role=role_id, evidence=digest, name=signer))
        left = [one for one in face.signed_by if one != role_id and one not in {said.role for said in view.said}]
        words = f"signed for {role_id}; " + (f"still to sign: {', '.join(left)}" if left else "every role has signed")
        return Done(words, {**reply.data, "item": face.id, "role": role_id, "unsigned": left})

    answer(caller, use, watch=True)


def above_lines(view: View, face: ItemFace) -> Iterator[str]:
    """What stands above the line of FACE: each kind with its items, what they are and why."""
    texts = {one.id: one.text for phase in view.phases for one in phase.items}
    yield face.text
    for kind, named in view.items[face.id].evidence.items():
        ids = str(named).split(", ")
        yield f"{len(ids)} {kind}"
        for one in ids:
            yield f"  {one}{_told(view, one, texts.get(one, ''), looked=kind in _LOOKED)}"
    if not view.items[face.id].evidence:
        yield "nothing was waived, skipped, unknown or late"
    yield "-" * 20


_LOOKED = ("failed", "unknown", "warned")  # kinds that are about what the check saw, whatever a person said


def _told(view: View, item_id: str, text: str, *, looked: bool) -> str:
    item = view.items.get(item_id)
    if item is None:
        return ""
    who = said_by(item)
    seen = "" if item.verdict in ("", "pass") else f"{item.verdict}: {item.actual}"
    why = seen or item.why_open if looked else item.reason or item.why_open or seen
    return f": {text}" + (f": {why}" if why else "") + (f" ({who})" if who else "")


def _to_sign(view: View, role: str, item: str) -> tuple[ItemFace, str]:
    """The item that ROLE (its id or title) signs, and the role's id. Ends with 2 when there is none."""
    faces = [face for phase in view.phases for face in phase.items if face.signed_by and item in ("", face.id)]
    ids = list(dict.fromkeys(one for face in faces for one in face.signed_by))
    titles = {one.title.casefold(): one.id for one in view.roles}
    role_id = role if role in ids else titles.get(role.casefold(), role)
    found = [face for face in faces if role_id in face.signed_by]
    if not found:
        end(UNUSABLE, f"nothing is signed for {role!r}: {', '.join(ids) or 'no role signs anything here'}")
    # The branch that is flown comes first; in it, what this role has not signed yet.
    current = next((phase.branch for phase in view.phases if phase.id == view.standing.phase), "main")
    branch = {face.id: phase.branch for phase in view.phases for face in phase.items}
    found.sort(key=lambda face: (branch[face.id] != current, role_id in {s.role for s in view.items[face.id].said}))
    return found[0], role_id
