"""Runs as hypothesis draws them: sequences of events that a session could write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from state.events import Event, chained, plain, utc_text
from state.replaying import outcome_data
from state.verdicts import Mark, Outcome, Verdict

START = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)

words = st.text(st.characters(codec="utf-8"), max_size=30)
ids = st.sampled_from(["alpha", "beta", "gamma.two"])
reasons = st.text(st.characters(codec="utf-8"), min_size=10, max_size=40)
scalars = st.one_of(
    words, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)


def event(kind: str, **values: Any) -> Event:
    """An event of a person called ada, before it is chained."""
    defaults: dict[str, Any] = {"seq": 0, "utc": utc_text(START), "actor": "ada", "uid": 1000, "prev": ""}
    return Event(kind=kind, **(defaults | values))


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    return Outcome.of(
        draw(st.sampled_from(Verdict)),
        draw(words),
        expected=draw(words),
        evidence=draw(st.dictionaries(words, scalars, max_size=3)),
        hint=draw(words),
        observed_at=START + timedelta(seconds=draw(st.integers(0, 5000))),
    )


@st.composite
def _drawn(draw: st.DrawFn) -> Event:
    kind = draw(
        st.sampled_from(
            ["run.created", "engine.started", "phase.go", "check.started", "check.finished", "mark", "hold.raised",
             "hold.released", "lease.taken", "lease.released", "gate.armed", "gate.disarmed", "gate.changed",
             "gate.decided", "note", "drift", "summary", "run.closed", "lease.asked", "lease.refused",
             "lease.granted", "challenge.raised", "challenge.answered", "call.made", "call.agreed", "correction"]
        )
    )  # fmt: skip
    values: dict[str, Any] = {
        "item": draw(ids),
        "actor": draw(st.sampled_from(["ada", "grace"])),
        "uid": draw(st.sampled_from([1000, 1001])),
        "login": draw(st.sampled_from(["", "ada", "grace"])),
        "utc": utc_text(START + timedelta(seconds=draw(st.integers(0, 9000)))),
        "reason": draw(reasons),
    }
    match kind:
        case "run.created":
            values["data"] = {"title": draw(words), "outline": {"alpha": draw(words)}}
        case "check.finished":
            outcome = draw(outcomes())
            values |= {"to": str(outcome.verdict), "data": outcome_data(outcome, draw(st.floats(0, 1e6)))}
        case "mark":
            said = {"evidence": "e1", "value": draw(words)}
            said |= draw(
                st.sampled_from([{}, {"witness": "Dora"}, {"role": "dev"}, {"role": "dba", "signer": "Dora"}])
            )
            values |= {"to": str(draw(st.sampled_from(Mark))), "data": said}
        case "lease.refused" | "lease.granted":
            values |= {"to": "grace", "data": {"uid": draw(st.sampled_from([1000, 1001])), "login": "grace"}}
        case "call.made":
            values |= {"to": draw(st.sampled_from(["phase", "crossing"])), "data": {"plan": draw(words)}}
        case "correction":
            values["data"] = {"seq": draw(st.integers(1, 9))}
        case "hold.raised" | "hold.released" | "challenge.raised" | "challenge.answered":
            values["data"] = {"id": draw(st.integers(1, 3))}
        case "gate.changed":
            values["to"] = draw(st.sampled_from(["clear", "pending", "unknown", "recovering", "tripped"]))
        case "gate.decided":
            values["to"] = draw(st.sampled_from(["roll-back", "continue", "extend"]))
        case "drift" | "summary":
            values["data"] = draw(
                st.dictionaries(words, st.one_of(scalars, st.lists(scalars, max_size=3)), max_size=3)
            )
    return event(kind, **values)


@st.composite
def runs(draw: st.DrawFn, max_size: int = 12) -> list[Event]:
    """A sound chain of events."""
    chain: list[Event] = []
    for one in draw(st.lists(_drawn(), max_size=max_size)):
        chain.append(plain(chained(chain[-1] if chain else None, one)))
    return chain
