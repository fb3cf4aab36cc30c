"""What is kept of a hostile run is plain text, sound in itself, and holds no event that nobody made."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
import time
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from hostile import ENDLESS, MARK, PAYLOADS, harms, hostile_text, on_a_terminal, storable
from hostile_run import Flown
from hypothesis import given, settings

from state.events import Event, chained, plain
from state.record import event_line, parse, projection, render
from state.record_file import RecordFile, read_record, read_with_log
from state.replaying import apply, replay
from state.verdicts import EVIDENCE_CHARS
from tminus.client import Client
from tminus.engine.acts import event as act
from tminus.replay.load import load_tape
from tminus.replay.timeline import timeline


def folded(flown: Flown) -> str:
    """The text of the record, once it holds all that was done."""
    deadline = time.monotonic() + 20
    while True:
        try:
            _, known = read_with_log(flown.record)
            _, events = read_record(flown.record)
            if len(events) == len(known):
                return flown.record.read_text()
        except (StopIteration, FileNotFoundError):
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_record_is_plain_text_and_equals_its_replay(flown: Flown) -> None:
    text = folded(flown)
    assert harms(text.encode()) == [] and "\t" not in text
    state, events = parse(text)
    assert projection(replay(events)) == projection(state)
    assert text.count("\n[seal]\n") == 1 and text.count("\n[journal]\n") == 1
    data = tomllib.loads(text)
    assert set(data) <= {"schema", "run", "item", "hold", "gate", "note", "summary", "journal", "seal"}


def test_nobody_made_an_event_by_what_they_wrote(flown: Flown) -> None:
    folded(flown)
    _, events = read_record(flown.record)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert not [event for event in events if event.actor == "forged" or event.kind == "phase.go"]
    people = {event.actor for event in events if event.uid >= 0}
    assert all(name.isprintable() and len(name) <= 100 for name in people)
    notes = [event for event in events if event.kind == "note"]
    assert len(notes) >= len(PAYLOADS) + 1  # each in the record, none of them more than a note


def test_the_difference_that_git_shows_is_plain_text(flown: Flown) -> None:
    folded(flown)
    name = str(flown.record.relative_to(flown.folder))
    subprocess.run(["git", "add", "-N", "--", name], cwd=flown.folder, check=True)
    shown = subprocess.run(["git", "diff", "--", name], cwd=flown.folder, capture_output=True, check=True).stdout
    assert f"+{MARK}".encode() not in shown and harms(shown) == []
    assert MARK.encode() in shown  # it is there, as part of its line


def test_the_log_of_the_engine_is_plain_text_and_every_entry_its_own(flown: Flown) -> None:
    raw = flown.place.log.read_bytes()
    assert harms(raw) == []
    assert b"crashed" in raw and b"somebody" in raw
    entries = re.compile(r"\d{4}-\d\d-\d\d [\d:,]+ (INFO|WARNING|ERROR|CRITICAL) [\w.]+ |  ")
    assert [line for line in raw.decode().splitlines() if not entries.match(line)] == []


def test_the_history_is_plain_text(flown: Flown) -> None:
    history = flown.record.with_suffix(".metrics.db")
    with closing(sqlite3.connect(history)) as con:
        assert con.execute("SELECT count(*) FROM metric").fetchone()[0]
        assert all(name.isprintable() for (name,) in con.execute("SELECT name FROM metric"))
        texts = [text for (text,) in con.execute("SELECT error FROM open UNION SELECT why FROM open") if text]
    assert all(str(text).isprintable() for text in texts)


def test_a_run_that_is_played_back_is_plain_text(flown: Flown) -> None:
    folded(flown)
    tape, _ = load_tape(flown.record, flown.folder / "checklist.toml")
    assert all(line.isprintable() for line in timeline(tape, None))
    for argv in (["replay", str(flown.record), "--print"], ["record", "verify", str(flown.record)]):
        code, raw = on_a_terminal(argv, flown.folder, flown.environ)
        assert code == 0 and harms(raw) == [], raw[-1000:]
        assert f"\nverdict  GO   phase {MARK}".encode() not in raw.replace(b"\r", b"")


def test_where_a_person_came_from_is_plain_text(flown: Flown) -> None:
    code, raw = on_a_terminal(["note", "a note", "--as", "x\x1b]0;31337\x07y"], flown.folder, flown.environ)
    assert code == 0 and harms(raw) == []
    _, events = read_with_log(flown.record)
    last = next(event for event in reversed(events) if event.reason == "a note")
    assert last.actor == "xy" and last.origin.isprintable() and last.origin.startswith("ssh ")


@settings(max_examples=20, deadline=None)
@given(reason=hostile_text, actor=hostile_text, key=hostile_text)
def test_whatever_is_written_is_one_event_and_reads_back_the_same(reason: str, actor: str, key: str) -> None:
    first = plain(
        chained(
            None,
            Event(
                seq=0,
                utc="2026-11-23T00:00:00.000Z",
                kind="run.created",
                actor="a",
                uid=1,
                origin="local",
                prev="",
                data={"title": storable(key)},
            ),
        )
    )
    second = plain(
        chained(
            first,
            Event(
                seq=0,
                utc="2026-11-23T00:00:01.000Z",
                kind="note",
                actor=storable(actor),
                uid=1,
                origin=storable(actor),
                item="x",
                reason=storable(reason),
                prev="",
                data={storable(key): [storable(reason)]},
            ),
        )
    )
    state = apply(replay([first]), second)
    text = render(state, [event_line(first), event_line(second)])
    assert harms(text.encode()) == []
    again, events = parse(text)
    assert events == [first, second]
    assert projection(again) == projection(state)


def test_a_megabyte_of_words_is_cut_at_the_border(flown: Flown) -> None:
    state, _ = read_with_log(flown.record)
    evidence = state.item("says").outcome.evidence
    assert len(str(evidence["e"])) <= EVIDENCE_CHARS + 40
    assert ENDLESS not in flown.record.read_text()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_record_takes_each_payload_as_words(payload: str, tmp_path: Path) -> None:
    record = RecordFile(tmp_path / "r.toml")
    from state.events import Actor

    somebody = Actor(name=storable(PAYLOADS[payload]), uid=7, origin=storable(PAYLOADS[payload]))
    record.append(act("run.created", somebody, data={"title": storable(PAYLOADS[payload])}))
    record.append(act("note", somebody, reason=storable(PAYLOADS[payload])))
    log = (tmp_path / "r.toml.wal").read_bytes()
    assert harms(log) == [] and log.count(b"\n") == 2
    record.close()
    _, events = read_record(tmp_path / "r.toml")
    assert len(events) == 2


def test_nothing_more_was_done_by_all_of_this(flown: Flown) -> None:
    async def asked() -> None:
        async with Client(flown.place.socket, name="anna", watch=True) as client:
            assert not client.view.run.closed
            assert not client.view.gone

    asyncio.run(asked())
