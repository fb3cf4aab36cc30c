"""What the clients are shown of the past of an item and of a phase, and of what a check looks at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from state.definition import Checklist
from state.events import Event, utc_text
from state.redact import Redactor
from state.replaying import KEPT_LOOKS, apply
from state.run import RunState
from state.targets import resolve
from tminus.engine.looks import looks_of
from tminus.engine.views import item_view, phase_faces, phase_times

BEGAN = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
CHECKLIST = msgspec.convert(
    {
        "schema": 1,
        "title": "Small",
        "phase": [
            {"id": name, "title": name, "branch": branch,
             "step": [{"title": "S", "item": [{"id": f"{name}-{n}", "text": "T"} for n in range(2)]}]}
            for name, branch in (("a", "main"), ("b", "main"), ("back", "rollback"))
        ],
    },
    Checklist,
)  # fmt: skip


def at(minute: float) -> str:
    return utc_text(BEGAN + timedelta(minutes=minute))


def run_of(*happened: tuple[float, str, dict[str, Any]]) -> RunState:
    """The run after events, each (minute, kind, values)."""
    state = RunState()
    for seq, (minute, kind, values) in enumerate([(0.0, "run.created", {}), *happened]):
        event = Event(seq=seq, utc=at(minute), kind=kind, actor="anna", uid=1, prev="", **values)
        state = apply(state, event)
    return state


def finished(minute: float, verdict: str, actual: str, item: str = "a-0") -> tuple[float, str, dict[str, Any]]:
    data = {"actual": actual, "observed_at": at(minute), "seconds": 2.0}
    return minute, "check.finished", {"item": item, "to": verdict, "data": data}


def test_every_look_that_is_over_is_kept_the_cut_off_ones_too() -> None:
    start = (1.0, "check.started", {"item": "a-0"})
    run = run_of(start, finished(2, "fail", "no"), start, (3.0, "engine.started", {"to": "resumed"}), start,
                 finished(5, "pass", "yes"))  # fmt: skip
    view = item_view(CHECKLIST, run, CHECKLIST.items["a-0"], BEGAN)
    assert [(one.verdict, one.actual, one.utc) for one in view.tries] == [
        ("fail", "no", at(2)), ("interrupted", "", at(3)), ("pass", "yes", at(5)),
    ]  # fmt: skip
    assert view.attempts == 3


def test_only_the_last_looks_are_kept_and_the_count_goes_on() -> None:
    looks = [one for n in range(14) for one in ((n, "check.started", {"item": "a-0"}), finished(n, "fail", str(n)))]
    view = item_view(CHECKLIST, run_of(*looks), CHECKLIST.items["a-0"], BEGAN)
    assert [one.actual for one in view.tries] == [str(n) for n in range(14 - KEPT_LOOKS, 14)]
    assert view.attempts == 14


def test_a_phase_begins_with_the_pause_point_before_it_or_with_its_first_act() -> None:
    first = phase_times(CHECKLIST, run_of())
    assert first["a"].began == at(0) and set(first) == {"a"}
    mark = (4.0, "mark", {"item": "b-1", "to": "confirmed"})
    ahead = phase_times(CHECKLIST, run_of(mark))
    assert (ahead["b"].began, ahead["b"].passed) == (at(4), "")
    passed = phase_times(CHECKLIST, run_of((7.0, "phase.go", {"item": "a"})))
    assert (passed["a"].passed, passed["b"].began) == (at(7), at(7))
    assert "back" not in passed
    back = phase_times(CHECKLIST, run_of((9.0, "check.started", {"item": "back-0"})))
    assert back["back"].began == at(9)


def test_what_a_check_looks_at_is_told_without_secrets() -> None:
    items = [
        {"id": "x", "text": "T", "check": "command.probe", "with": {
            "argv": ["psql", "${db}", "a b"], "env": {"URL": "${db}"}, "shell": False, "deep": "token=canary-7654321"}},
        {"id": "y", "text": "T", "check": "http.get", "with": {"url": "${missing}", "other": "${nowhere}"}},
        {"id": "z", "text": "T"},
    ]  # fmt: skip
    table = {"schema": 1, "title": "S", "phase": [{"id": "p", "title": "P", "step": [{"title": "S", "item": items}]}]}
    checklist = msgspec.convert(table, Checklist)
    targets = resolve(
        {"db": "${env:DB}", "missing": "${env:GONE}"}, {"DB": "postgresql://app:canary-1234567@db.example/app"}
    )
    faces = phase_faces(checklist, lambda _: "read", looks_of(targets, Redactor.knowing(targets.secrets)))
    by_id = {face.id: face.looks for face in faces[0].items}
    assert "canary" not in repr(faces)
    assert by_id["x"][0] == "argv = psql ••• 'a b'"
    assert by_id["x"][1] == "env = URL=postgresql://db.example/app"  # which server it is may be seen
    assert by_id["x"][2] == "shell = no"
    assert by_id["y"] == (
        "url = ${missing} (the environment variable GONE is not set)",
        "other = ${nowhere} (no target 'nowhere')",
    )
    assert by_id["z"] == ()
