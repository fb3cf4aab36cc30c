"""A record in a pull request: one act changes few lines, none of them noise, and it speaks of no machine."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from state_strategies import runs

from state.events import Event
from state.record import parse, projection
from state.record_file import RecordFile, read_record
from state.replaying import replay
from tests.engine.conftest import until
from tests.record.conftest import BERT, evening, linked, said, seen, text_of
from tminus.client import MarkItem, Plan, RaiseHold, RunCheck, ShowPlan

FEW = 10  # changed lines of a diff: an act takes fewer


def changed(before: str, after: str) -> int:
    """The lines that differ, as a reader of the diff counts them: one that was replaced is one, a blank one is none."""
    old, new = ([line for line in text.splitlines() if line] for text in (before, after))
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in blocks if tag != "equal")


def grown(events: list[Event]) -> list[int]:
    """How many lines each event changes that comes after the first."""
    texts = [text_of(events[: count + 1]) for count in range(len(events))]
    return [changed(before, after) for before, after in pairwise(texts)]


REAL = [
    said(-30, "check.started", item="load"),
    seen(-29, "load", "error", "no route to host", target="db", tables=7, rows=40, driver="psycopg2", **{
        f"rows {n}": n for n in range(25)
    }),
    said(-28, "check.started", item="load"),
    seen(-27, "load", "pass", "40 rows", target="db", tables=7, rows=40, driver="psycopg2", proof="equal"),
    said(-26, "mark", item="load", to="confirmed", data={"evidence": "e", "value": "40"}),
    said(-25, "mark", BERT, item="load", to="confirmed", data={"evidence": "e"}),
    said(-24, "mark", item="say", to="confirmed", reason="said it on the phone", data={"value": "yes"}),
    said(-23, "mark", item="skip", to="waived", reason="known since spring", data={"until": "2026-11-23T00:00:00Z"}),
    said(-22, "mark", item="say", to="open"),
    said(-21, "hold.raised", BERT, reason="wait for the customer", data={"id": 2}),
    said(-20, "hold.released", data={"id": 2}),
    said(-19, "gate.armed", item="slow"),
    said(-18, "gate.changed", item="slow", to="breaching", reason="p95 900ms"),
    said(-17, "gate.changed", item="slow", to="tripped", reason="p95 900ms for 15:00"),
    said(-16, "gate.decided", item="slow", to="extend", reason="the cache is cold"),
    said(-15, "gate.disarmed", item="slow"),
    said(-14, "note", item="say", reason="two\nlines"),
    said(-13, "lease.asked", BERT, reason="you look tired"),
    said(-12, "lease.granted", to="bert", data={"uid": 1001, "login": "bert"}),
    said(-11, "challenge.raised", BERT, item="load", reason="who counted?", data={"id": 1}),
    said(-10, "challenge.answered", item="load", reason="I did, twice", data={"id": 1}),
    said(-9, "correction", reason="it was 41, not 40", data={"seq": 9}),
    said(-8, "call.made", item="one", to="phase"),
    said(-7, "phase.go", item="one"),
]  # fmt: skip


def test_one_act_changes_fewer_than_ten_lines() -> None:
    events = linked([*evening(), *REAL])
    for event, lines in zip(events[1:], grown(events), strict=True):
        if event.kind != "summary":  # a table of numbers, once a phase
            assert lines < FEW, f"{event.kind} of {event.item} changes {lines} lines"


def test_a_look_that_takes_a_mark_with_it_changes_the_lines_of_both() -> None:
    look, *_, mark = evening()[10:13]
    marked = [*evening()[:10], look, *evening()[11:13]]
    events = linked([*marked, seen(30, "copy", "fail", "gone", rows=0, proof="differs")])
    assert mark.to == "waived"
    assert grown(events)[-1] < FEW + len(("mark", "by", "at", "reason"))


@given(runs(), st.randoms(use_true_random=False))
def test_tables_and_rows_stay_in_their_order_as_the_run_goes_on(events: list[Event], random) -> None:
    if not events:
        return
    count = random.randint(1, len(events))
    before, after = projection(replay(events[:count])), projection(replay(events))
    order = [key for key in after if key in before]
    assert order == list(before)
    for table in ("item", "gate"):
        ids = [row["id"] for row in before.get(table, [])]
        assert [row["id"] for row in after.get(table, [])][: len(ids)] == ids


def test_two_saves_without_an_event_between_them_are_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    record = RecordFile(path)
    for event in evening():
        record.append(event)
    record.checkpoint()
    first = path.read_bytes()
    record.save(*record.snapshot())
    assert path.read_bytes() == first
    record.close()
    again = RecordFile(path)  # what was read back is written as it was
    again.save(*again.snapshot())
    again.close()
    assert path.read_bytes() == first


@given(runs())
def test_what_is_read_back_is_rendered_the_same(events: list[Event]) -> None:
    text = text_of(events)
    assert text_of(parse(text)[1]) == text


def test_no_line_ends_in_a_space() -> None:
    assert not re.search(r"[ \t]$", text_of(linked([*evening(), *REAL])), re.MULTILINE)


@pytest.fixture
def talkative(checklist: Path) -> Path:
    """A checklist whose checks speak of where they are."""
    text = checklist.read_text().replace('argv = ["touch", "done"]', f'argv = ["touch", "{checklist.parent}/done"]')
    checklist.write_text(text.replace('"${word}"', f'"{checklist.parent}/app.db"'))
    return checklist


async def test_a_real_run_tells_few_lines_an_act_and_speaks_of_no_place_on_this_machine(
    talkative: Path, engine
) -> None:
    async with engine.client() as client:
        await client.ask(RunCheck(item="look"))
        await until(client, lambda view: view.items["look"].settled)
        plan = Plan(**(await client.ask(ShowPlan(item="change"))).data)
        await client.ask(RunCheck(item="change", go=plan.digest))
        view = await until(client, lambda view: view.items["change"].verdict == "pass")
        await client.ask(MarkItem(item="change", mark="confirmed", evidence=view.items["change"].evidence_digest))
        await client.ask(MarkItem(item="say", mark="confirmed", reason=f"as {talkative.parent}/notes.txt says"))
        await client.ask(RaiseHold(reason="wait for the customer"))
    assert engine.tminus("stop").returncode == 0
    text = engine.record.read_text()
    assert "app.db" in text
    assert "notes.txt" in text
    assert str(talkative.parent) not in text
    assert "sesame-open-canary" not in text
    events = read_record(engine.record)[1]
    assert all(lines < FEW for lines in grown(events))
