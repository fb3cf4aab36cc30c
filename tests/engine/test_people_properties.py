"""Whatever four people try, in whatever order: two means two, and who acts is who may."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from state.crew import same_person
from state.events import Actor, Event
from state.run import RunState
from state.verdicts import Mark
from tests.engine.test_people import ANNA, ANNA_AS_ROOT, BOB, CHECKLIST, Run
from tminus.client.people import Presence
from tminus.client.requests import Agree, GrantLease, MarkItem
from tminus.engine import acts, crew_acts, pause_acts
from tminus.engine.acts import Refusal

CARLA = Actor(name="Carla", uid=1002, login="carla")
PEOPLE = (ANNA, BOB, ANNA_AS_ROOT, CARLA)
HERE = tuple(Presence(name=one.name, uid=one.uid, kind="cockpit", login=one.login) for one in PEOPLE)

DEEDS = (
    "take", "relieve", "ask", "grant", "release", "both", "count", "waive", "undo", "go", "challenge", "answer", "hold",
    "let go", "call", "agree", "cross",
)  # fmt: skip
steps = st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(DEEDS), st.sampled_from(PEOPLE)), max_size=40)


def do(run: Run, who: Actor, deed: str, whom: Actor) -> Event | None:
    """The event of WHO's DEED, if it was let; None for a crossing that needs no further call."""
    state, write = run.state, run.write
    match deed:
        case "take":
            return write(crew_acts.take_lease(CHECKLIST, state, who, None, run.now))
        case "relieve":
            return write(crew_acts.take_lease(CHECKLIST, state, who, 61.0, run.now))
        case "ask":
            return write(crew_acts.ask_lease(state, who, ""))
        case "grant":
            return write(crew_acts.grant_lease(state, who, GrantLease(uid=whom.uid), HERE))
        case "release":
            return write(crew_acts.release_lease(state, who))
        case "both":
            return run.confirm(who, "both", witness="" if whom is who else whom.name)
        case "count":
            return run.confirm(who, "count", value="42")
        case "waive" | "undo":
            mark = {"waive": "waived", "undo": "open"}[deed]
            request = MarkItem(item="count", mark=mark, reason="it does not matter")
            return write(acts.mark(CHECKLIST, state, who, request, run.now))
        case "go":
            return run.go(who, count="42")
        case "challenge":
            return run.challenge(who, "is that all?")
        case "answer":
            return run.answer(who, "yes, and I am sure")
        case "hold":
            return write(acts.raise_hold(state, who, "wait for me"))
        case "let go":
            return write(acts.release_hold(state, who, 0, "go on"))
        case "agree":
            return write(pause_acts.agree(state, who, Agree(item="push", plan="plan")))
        case _:
            acts.require_driver(state, who)
            called = pause_acts.cross(state, who, CHECKLIST.items["push"], "plan")
            return write(called) if called is not None else None


@given(steps, st.booleans())
def test_two_means_two_whatever_people_try(tried: list[tuple[Actor, str, Actor]], begun: bool) -> None:
    run = Run()
    if begun:  # at the pause point: what is rare by chance begins here
        run.drive()
        run.settle_one()
    called_by: Event | None = None
    agreed: Event | None = None
    for who, deed, whom in tried:
        before = run.state
        made: Event | None = None
        with suppress(Refusal):
            made = do(run, who, deed, whom)
            if deed in ("call", "cross") and made is None:  # the point of no return is crossed
                assert called_by is not None
                assert agreed is not None
                assert not same_person(called_by, agreed)
        if made is None:
            assert run.state == before, "what was refused changed something"
            continue
        assert (made.actor, made.uid, made.login) == (who.name, who.uid, who.login)
        if made.kind == "call.made":
            assert before.driver_uid in (-1, who.uid)
            called_by, agreed = made, None
        elif made.kind == "call.agreed":
            agreed = made
        elif made.kind == "phase.go":
            assert called_by is not None
            assert not same_person(called_by, made)
            assert not before.open_holds
            assert not before.crew.open_challenges
        _two_confirmed(run.state)


def _two_confirmed(state: RunState) -> None:
    item = state.item("both")
    if item.mark is Mark.CONFIRMED and not _why(state):
        said = item.confirmations
        assert any(not same_person(one, other) for one in said for other in said)


def _why(state: RunState) -> str:
    from state.settled import why_open
    from tests.engine.test_people import NOW

    return why_open(CHECKLIST.items["both"], state.item("both"), NOW)
