"""Two people: the lease, pairs, calls, challenges, signatures and corrections, by the rules alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from state.definition import Checklist, Item, Phase, Role, Step
from state.events import Actor, Event, chained
from state.replaying import apply
from state.run import RunState
from state.settled import current_phase, standing, why_open
from state.sign_off import above_the_line, digest_above
from state.verdicts import Mark
from tminus.client.people import Presence
from tminus.client.requests import (
    Agree,
    AnswerChallenge,
    Correct,
    GrantLease,
    MarkItem,
    PassPhase,
    RaiseChallenge,
    RefuseLease,
    SignOff,
)
from tminus.engine import acts, crew_acts, pause_acts
from tminus.engine.acts import Refusal, event

ANNA = Actor(name="Anna", uid=1000, origin="ssh 192.0.2.7", login="anna")
BOB = Actor(name="Bob", uid=1001, origin="local", login="bob")
BOB_AS_ROOT = Actor(name="Robert", uid=0, login="bob")
ANNA_AS_ROOT = Actor(name="Bertha", uid=0, login="anna")
ANNA_AGAIN = Actor(name="Bertha", uid=1000, login="anna")
NOW = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)

CHECKLIST = Checklist(
    schema=1,
    title="Two",
    role=[Role(id="dev", title="Development Lead", name="Anna"), Role(id="dba", title="Database Admin")],
    phase=[
        Phase(
            id="one",
            title="One",
            pair=True,
            step=[
                Step(
                    title="S",
                    item=[
                        Item(id="both", text="Both", pair=True),
                        Item(id="count", text="Count", critical=True, ask="How many?"),
                    ],
                )
            ],
        ),
        Phase(
            id="two",
            title="Two",
            step=[
                Step(
                    title="S",
                    item=[
                        Item(id="push", text="Push", check="x", pair=True, point_of_no_return=True, critical=True),
                        Item(id="sign", text="Sign", signed_by=["dev", "dba"]),
                    ],
                )
            ],
        ),
    ],
)


class Run:
    """A run in memory: acts become events, events state."""

    def __init__(self) -> None:
        self.state = RunState()
        self.now = NOW
        self.write(event("run.created", ANNA, data={"id": "two"}))

    def write(self, made: Event) -> Event:
        made = chained(self.state.last, made)
        self.state = apply(self.state, made)
        return made

    def drive(self, actor: Actor = ANNA) -> None:
        self.write(crew_acts.take_lease(CHECKLIST, self.state, actor, None, self.now))

    def confirm(self, actor: Actor, item: str, **fields: str) -> Event:
        request = MarkItem(item=item, mark="confirmed", **fields)
        return self.write(acts.mark(CHECKLIST, self.state, actor, request, self.now))

    def undo(self, actor: Actor, item: str) -> Event:
        return self.write(acts.mark(CHECKLIST, self.state, actor, MarkItem(item=item, mark="open"), self.now))

    def go(self, actor: Actor, phase: str = "one", **values: str) -> Event:
        request = PassPhase(phase=phase, values=values)
        return self.write(pause_acts.pass_phase(CHECKLIST, self.state, actor, request, {}, self.now))

    def settle_one(self) -> None:
        self.confirm(ANNA, "both")
        self.confirm(BOB, "both")
        self.confirm(ANNA, "count", value="42")

    def why(self, item: str) -> str:
        return why_open(CHECKLIST.items[item], self.state.item(item), self.now)

    def challenge(self, actor: Actor, text: str, item: str = "") -> Event:
        return self.write(
            crew_acts.raise_challenge(CHECKLIST, self.state, actor, RaiseChallenge(item=item, text=text))
        )

    def answer(self, actor: Actor, text: str, number: int = 0) -> Event:
        return self.write(crew_acts.answer_challenge(self.state, actor, AnswerChallenge(challenge=number, text=text)))

    def sign(self, actor: Actor, role: str, name: str = "", seen: str | None = None) -> Event:
        above = digest_above(above_the_line(CHECKLIST, self.state, self.now))
        request = SignOff(item="sign", role=role, evidence=above if seen is None else seen, name=name)
        return self.write(pause_acts.sign(CHECKLIST, self.state, actor, request, self.now))


@pytest.fixture
def run() -> Run:
    made = Run()
    made.drive()
    return made


# --- who is who ---------------------------------------------------------------------------------------------------


def test_every_act_says_name_uid_login_and_origin(run: Run) -> None:
    said = run.confirm(ANNA, "both")
    assert (said.actor, said.uid, said.login, said.origin) == ("Anna", 1000, "anna", "ssh 192.0.2.7")


@pytest.mark.parametrize("same", [ANNA, ANNA_AGAIN, ANNA_AS_ROOT])
def test_the_same_uid_or_the_same_login_under_another_uid_is_never_the_second_person(run: Run, same: Actor) -> None:
    run.confirm(ANNA, "both")
    with pytest.raises(Refusal, match="second person"):
        run.confirm(same, "both")
    assert run.why("both") == "waits for a second person"


def test_two_marks_of_one_login_settle_no_pair_even_if_they_are_in_the_record(run: Run) -> None:
    run.confirm(ANNA, "both")
    run.write(event("mark", ANNA_AS_ROOT, item="both", to="confirmed"))
    assert len(run.state.item("both").confirmations) == 2
    assert run.why("both") == "waits for a second person"


def test_another_login_is_the_second_person(run: Run) -> None:
    run.confirm(ANNA, "both")
    run.confirm(BOB_AS_ROOT, "both")
    assert run.why("both") == ""


def test_a_witness_beside_the_driver_is_attested_and_no_second_person(run: Run) -> None:
    run.confirm(ANNA, "both", witness="Carla")
    assert run.state.item("both").confirmations[0].said_by == "Anna, with Carla beside (attested)"
    assert run.why("both") == "waits for a second person"


def test_an_observer_confirms_nothing_that_the_driver_did_not_confirm_first(run: Run) -> None:
    with pytest.raises(Refusal, match="Anna drives"):
        run.confirm(BOB, "both")


# --- the lease ----------------------------------------------------------------------------------------------------


def test_control_is_asked_for_and_granted(run: Run) -> None:
    run.write(crew_acts.ask_lease(run.state, BOB, "you look tired"))
    granted = run.write(crew_acts.grant_lease(run.state, ANNA, GrantLease(), ()))
    assert (granted.actor, granted.to) == ("Anna", "Bob")
    assert (run.state.driver, run.state.driver_uid, run.state.crew.driver_login) == ("Bob", 1001, "bob")
    assert run.state.crew.asking == ()
    with pytest.raises(Refusal, match="Bob drives"):
        run.confirm(ANNA, "count", value="1")


def test_control_is_asked_for_and_refused(run: Run) -> None:
    run.write(crew_acts.ask_lease(run.state, BOB, ""))
    run.write(crew_acts.refuse_lease(run.state, ANNA, RefuseLease(reason="in the middle of it")))
    assert run.state.driver == "Anna"
    assert run.state.crew.asking == ()


def test_who_was_asked_for_nothing_may_be_handed_control_while_they_are_here(run: Run) -> None:
    here = Presence(name="Bob", uid=1001, kind="cockpit", login="bob")
    with pytest.raises(Refusal, match="nobody asks"):
        crew_acts.grant_lease(run.state, ANNA, GrantLease(uid=1001), ())
    run.write(crew_acts.grant_lease(run.state, ANNA, GrantLease(uid=1001), (here,)))
    assert run.state.driver == "Bob"


def test_nobody_but_the_driver_grants_refuses_or_releases(run: Run) -> None:
    run.write(crew_acts.ask_lease(run.state, BOB, ""))
    for act in (
        lambda: crew_acts.grant_lease(run.state, BOB, GrantLease(), ()),
        lambda: crew_acts.refuse_lease(run.state, BOB, RefuseLease()),
        lambda: crew_acts.release_lease(run.state, BOB),
    ):
        with pytest.raises(Refusal, match="Anna drives, not you"):
            act()


def test_a_driver_who_is_here_is_not_relieved(run: Run) -> None:
    with pytest.raises(Refusal, match="ask for control"):
        crew_acts.take_lease(CHECKLIST, run.state, BOB, None, run.now)


def test_a_driver_who_is_gone_is_relieved_after_so_long_and_the_record_says_so(run: Run) -> None:
    with pytest.raises(Refusal, match="gone for 59s"):
        crew_acts.take_lease(CHECKLIST, run.state, BOB, 59.0, run.now)
    taken = run.write(crew_acts.take_lease(CHECKLIST, run.state, BOB, 60.0, run.now))
    assert taken.reason == "Anna was gone for 1m"
    assert run.state.driver == "Bob"


def test_a_driver_whose_screen_is_open_and_who_does_not_answer_is_relieved_too(run: Run) -> None:
    asked = run.write(crew_acts.ask_lease(run.state, BOB, "are you there?"))
    with pytest.raises(Refusal, match="after 1m"):
        crew_acts.take_lease(CHECKLIST, run.state, BOB, None, asked.at + timedelta(seconds=59))
    taken = run.write(crew_acts.take_lease(CHECKLIST, run.state, BOB, None, asked.at + timedelta(seconds=61)))
    assert taken.reason == "Anna was asked, and did not answer for 1m1s"


# --- pause points -------------------------------------------------------------------------------------------------


def test_a_phase_that_takes_two_is_passed_by_the_second_persons_go(run: Run) -> None:
    run.settle_one()
    assert run.go(ANNA, count="42").kind == "call.made"
    assert current_phase(CHECKLIST, run.state).id == "one"
    with pytest.raises(Refusal, match="another login"):
        run.go(ANNA_AS_ROOT, count="42")
    passed = run.go(BOB, count="42")
    assert (passed.kind, passed.actor, passed.data) == ("phase.go", "Bob", {"called_by": "Anna"})
    assert current_phase(CHECKLIST, run.state).id == "two"


def test_the_second_person_says_go_only_after_the_driver(run: Run) -> None:
    run.settle_one()
    with pytest.raises(Refusal, match="Anna drives"):
        run.go(BOB, count="42")


def test_an_item_that_asks_is_not_confirmed_without_its_value_nor_with_the_one_from_before(run: Run) -> None:
    for nothing in ("", "  "):
        with pytest.raises(Refusal, match="How many"):
            run.confirm(ANNA, "count", value=nothing)
    run.confirm(ANNA, "count", value="42")
    run.undo(ANNA, "count")
    with pytest.raises(Refusal, match="How many") as refused:
        run.confirm(ANNA, "count")
    assert "42" not in str(refused.value)


def test_the_second_of_two_reads_the_value_too_and_another_one_is_refused(run: Run) -> None:
    weighed = Item(id="weigh", text="Weigh", pair=True, ask="How heavy?")
    checklist = Checklist(
        schema=1, title="W", phase=[Phase(id="p", title="P", step=[Step(title="S", item=[weighed])])]
    )

    def weigh(actor: Actor, value: str) -> Event:
        request = MarkItem(item="weigh", mark="confirmed", value=value)
        return run.write(acts.mark(checklist, run.state, actor, request, run.now))

    weigh(ANNA, "7 t")
    with pytest.raises(Refusal, match="How heavy"):
        weigh(BOB, "")
    with pytest.raises(Refusal, match="not the value") as refused:
        weigh(BOB, "8 t")
    assert "7" not in str(refused.value)
    weigh(BOB, " 7 t ")
    assert why_open(weighed, run.state.item("weigh"), run.now) == ""


def test_an_item_that_nobody_marked_is_not_opened_again(run: Run) -> None:
    with pytest.raises(Refusal, match="nothing to undo"):
        run.undo(ANNA, "both")
    run.confirm(ANNA, "both")
    run.undo(ANNA, "both")
    with pytest.raises(Refusal, match="nothing to undo"):
        run.undo(ANNA, "both")


def test_a_waiver_that_has_ended_before_it_begins_is_refused(run: Run) -> None:
    request = MarkItem(item="both", mark="waived", reason="nobody is here", until="2020-01-01T00:00:00Z")
    with pytest.raises(Refusal, match="a waiver needs a time ahead"):
        acts.mark(CHECKLIST, run.state, ANNA, request, run.now)


def test_a_critical_value_is_read_back_by_both_and_a_wrong_one_is_not_told_the_right_one(run: Run) -> None:
    run.settle_one()
    with pytest.raises(Refusal, match="How many"):
        run.go(ANNA)
    with pytest.raises(Refusal, match="not the value") as refused:
        run.go(ANNA, count="41")
    assert "42" not in str(refused.value)
    run.go(ANNA, count=" 42 ")
    with pytest.raises(Refusal, match="How many"):
        run.go(BOB)


@pytest.mark.parametrize("what", ["hold", "mark", "challenge", "lease"])
def test_what_changes_between_the_call_and_the_second_go_makes_the_call_void(run: Run, what: str) -> None:
    run.settle_one()
    run.go(ANNA, count="42")
    match what:
        case "hold":
            run.write(acts.raise_hold(run.state, BOB, "wait a moment"))
            run.write(acts.release_hold(run.state, BOB, 0, "it was nothing"))
        case "mark":
            run.confirm(ANNA, "count", value="43")
        case "challenge":
            run.challenge(BOB, "is that all?")
            run.answer(ANNA, "yes, I counted twice")
        case "lease":
            run.write(crew_acts.release_lease(run.state, ANNA))
            run.drive(ANNA)
    assert run.state.crew.call is None
    with pytest.raises(Refusal, match="Anna drives"):
        run.go(BOB, count="42")


def test_the_point_of_no_return_is_crossed_by_two_and_by_the_very_plan_that_was_agreed(run: Run) -> None:
    push = CHECKLIST.items["push"]
    called = pause_acts.cross(run.state, ANNA, push, "plan-1")
    assert called is not None
    run.write(called)
    with pytest.raises(Refusal, match="takes two"):
        pause_acts.cross(run.state, ANNA, push, "plan-1")
    for nobody in (ANNA, ANNA_AS_ROOT):
        with pytest.raises(Refusal, match="another login"):
            pause_acts.agree(run.state, nobody, Agree(item="push", plan="plan-1"))
    with pytest.raises(Refusal, match="not the one that was called"):
        pause_acts.agree(run.state, BOB, Agree(item="push", plan="plan-2"))
    run.write(pause_acts.agree(run.state, BOB, Agree(item="push", plan="plan-1")))
    assert pause_acts.cross(run.state, ANNA, push, "plan-1") is None
    again = pause_acts.cross(run.state, ANNA, push, "plan-2")
    assert again is not None, "another plan was never agreed to"


def test_an_item_that_is_no_point_of_no_return_is_crossed_without_a_call(run: Run) -> None:
    assert pause_acts.cross(run.state, ANNA, CHECKLIST.items["both"], "plan") is None


# --- challenges ---------------------------------------------------------------------------------------------------


def test_a_challenge_must_be_answered_before_its_phase_ends(run: Run) -> None:
    run.settle_one()
    run.challenge(BOB, "who counted?", "count")
    found = standing(CHECKLIST, run.state, {}, run.now)
    assert [(b.kind, b.id) for b in found.blockers] == [("challenge", "count")]
    with pytest.raises(Refusal, match="who counted"):
        run.go(ANNA, count="42")
    with pytest.raises(Refusal, match="10 characters"):
        run.answer(ANNA, "me")
    run.answer(ANNA, "I did, with psql")
    assert run.state.crew.challenges[0].answered_by == "Anna"
    run.go(ANNA, count="42")


def test_a_challenge_on_a_later_phase_waits_until_then(run: Run) -> None:
    run.settle_one()
    run.challenge(BOB, "is the tag right?", "push")
    assert standing(CHECKLIST, run.state, {}, run.now).blockers == ()


def test_a_challenge_is_answered_by_the_driver_or_taken_back_by_who_raised_it(run: Run) -> None:
    carla = Actor(name="Carla", uid=1002, login="carla")
    run.challenge(BOB, "is that all?")
    with pytest.raises(Refusal, match="Anna drives"):
        run.answer(carla, "I think that it is")
    assert run.answer(BOB, "my mistake, sorry").data == {"id": 1, "withdrawn": True}


def test_of_several_challenges_one_is_named(run: Run) -> None:
    run.challenge(BOB, "first question")
    run.challenge(BOB, "second question", "count")
    with pytest.raises(Refusal, match=r"1 \(Bob on the run\), 2 \(Bob on count\)"):
        run.answer(ANNA, "a long enough answer")
    run.answer(ANNA, "a long enough answer", 2)
    assert [one.id for one in run.state.crew.open_challenges] == [1]


# --- signatures ---------------------------------------------------------------------------------------------------


@pytest.fixture
def signing(run: Run) -> Run:
    run.settle_one()
    run.go(ANNA, count="42")
    run.go(BOB, count="42")
    request = MarkItem(item="push", mark="waived", reason="pushed by hand, twelve past")
    run.write(acts.mark(CHECKLIST, run.state, ANNA, request, run.now))
    return run


def test_sign_off_takes_every_role_by_its_own_name(signing: Run) -> None:
    assert signing.why("sign") == "not confirmed yet"
    signing.sign(ANNA, "dev")
    assert signing.why("sign") == "waits for the signature of dba"
    signing.sign(BOB, "dba")
    assert signing.why("sign") == ""
    assert [(c.role, c.said_by) for c in signing.state.item("sign").confirmations] == [
        ("dev", "Anna"),
        ("dba", "Bob"),
    ]


def test_a_signature_covers_what_stood_above_the_line(signing: Run) -> None:
    signed = signing.sign(ANNA, "dev")
    assert signed.data["above"]["waived"] == "push"
    with pytest.raises(Refusal, match="not what you saw"):
        signing.sign(BOB, "dba", seen="something else")


def test_a_named_role_is_signed_by_that_name_alone(signing: Run) -> None:
    with pytest.raises(Refusal, match="is Anna"):
        signing.sign(BOB, "dev")


def test_who_cannot_be_here_is_attested_by_the_driver_and_by_nobody_else(signing: Run) -> None:
    with pytest.raises(Refusal, match="only the driver may attest"):
        signing.sign(BOB, "dba", name="Dora")
    signing.sign(ANNA, "dba", name="Dora")
    assert signing.state.item("sign").confirmations[0].said_by == "Dora (attested by Anna)"


def test_a_role_signs_once_and_an_unknown_role_never(signing: Run) -> None:
    signing.sign(ANNA, "dev")
    with pytest.raises(Refusal, match="has signed: Anna"):
        signing.sign(ANNA, "dev")
    with pytest.raises(Refusal, match="dev, dba"):
        signing.sign(ANNA, "ceo")


def test_what_roles_sign_is_not_simply_confirmed(signing: Run) -> None:
    with pytest.raises(Refusal, match="signed by every role"):
        signing.confirm(ANNA, "sign")


# --- corrections --------------------------------------------------------------------------------------------------


def test_a_correction_is_words_about_an_event_that_stays_as_it_is(run: Run) -> None:
    said = run.confirm(ANNA, "count", value="42")
    run.write(crew_acts.correct(run.state, BOB, Correct(seq=said.seq, text="it was 43: I read it aloud wrong")))
    assert run.state.item("count").value == "42"
    assert run.state.item("count").mark is Mark.CONFIRMED
    assert (run.state.crew.corrections[0].seq, run.state.crew.corrections[0].actor) == (said.seq, "Bob")
    for nowhere in (0, 99):
        with pytest.raises(Refusal, match="no event"):
            crew_acts.correct(run.state, BOB, Correct(seq=nowhere, text="a long enough text"))
