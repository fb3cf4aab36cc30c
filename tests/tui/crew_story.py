"""The story with two people in it: bo drives or anna does, and things go on between them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec
import story

from tminus.client.messages import (
    BlockerView,
    ItemFace,
    ItemView,
    PhaseFace,
    RoleView,
    Said,
    StandingView,
    StepFace,
    View,
)
from tminus.client.people import AskView, CallView, ChallengeView, CrewView, Presence

MY_UID, BO = os.getuid(), 4002
PEOPLE = (
    Presence(name="anna", uid=MY_UID, kind="cockpit", login="anna", since=story.before(7000), item="low-traffic"),
    Presence(
        name="bo", uid=BO, kind="watcher", login="bo", origin="ssh 192.0.2.7", since=story.before(300), item="disk"
    ),
)
ASK = AskView(actor="bo", uid=BO, utc=story.before(20), reason="you look tired")
CHALLENGE = ChallengeView(
    id=3, item="row-counts", actor="bo", uid=BO, utc=story.before(95), text="Which backup is that, last night's?"
)
CROSSING = CallView(kind="crossing", id="push", actor="bo", uid=BO, utc=story.before(40), plan="plan-1")
SIGN = ItemFace(
    id="sign-off", text="Sign off the migration", how="Every role signs what stands above the line.",
    signed_by=("dev", "dba", "support"),
)  # fmt: skip
CLOSING = PhaseFace(id="close", title="Sign-off", mode="do-confirm", branch="main", pair=True,
                    steps=(StepFace("Sign-off", (SIGN,)),))  # fmt: skip
ROLES = (
    RoleView(id="dev", title="Development Lead", name="Anna", contact="+49 30 1234"),
    RoleView(id="dba", title="Database owner", name="Bo", contact="bo@example.com"),
    RoleView(id="support", title="Support lead"),
)
ABOVE: dict[str, str | int | float | bool] = {
    "waived": "oauth", "skipped": "pool", "not applicable": "plan", "late": "row-counts",
    "challenged": "row-counts, the run",
}  # fmt: skip
SIGNING = ItemView(
    id="sign-off", mark="confirmed", why_open="waits for the signature of dba, support",
    actual="1 waived, 1 skipped", evidence=ABOVE, evidence_digest="above-1",
    said=(Said("Dora (attested by anna)", story.before(30), MY_UID, "support"),),
)  # fmt: skip


def view(*, driver: str = "anna", **changes: Any) -> View:
    """The story, driven by DRIVER (anna is this person), with CHANGES to its crew."""
    base = story.view()
    uid = MY_UID if driver == "anna" else BO if driver else -1
    run = msgspec.structs.replace(base.run, driver=driver, driver_uid=uid, people=PEOPLE)
    return msgspec.structs.replace(base, run=run, crew=CrewView(**changes))


def deploying(view: View) -> View:
    """VIEW at the point of no return, where nothing else is in the way."""
    items = {**view.items, "push": ItemView(id="push", why_open="not checked yet")}
    standing = StandingView(phase="deploy", blockers=(BlockerView("item", "push", "not checked yet"),))
    return msgspec.structs.replace(view, items=items, gone=("pre", "final"), standing=standing)


def signing(view: View) -> View:
    """VIEW at its end, where every role signs."""
    items = {**view.items, "sign-off": SIGNING}
    return msgspec.structs.replace(
        view,
        phases=(*view.phases, CLOSING),
        items=items,
        roles=ROLES,
        gone=("pre", "final", "deploy", "verify"),
        standing=StandingView(phase="close", blockers=(BlockerView("item", "sign-off", SIGNING.why_open),)),
    )


def challenged(view: View, *more: ChallengeView) -> View:
    """VIEW with an open challenge, and MORE of them, among the blockers."""
    raised: Sequence[ChallengeView] = (CHALLENGE, *more)
    blockers = tuple(
        BlockerView("challenge", one.item or str(one.id), f"{one.actor} challenges: {one.text}") for one in raised
    )
    standing = msgspec.structs.replace(view.standing, blockers=(*blockers, *view.standing.blockers))
    crew = msgspec.structs.replace(view.crew, challenges=tuple(raised))
    return msgspec.structs.replace(view, crew=crew, standing=standing)
