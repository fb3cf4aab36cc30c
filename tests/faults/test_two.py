"""Two engines for one record, and two people who act on the same thing at the same moment: there is one of each."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from state.record_file import RecordBusy, RecordFile
from tests.engine.conftest import CHECKLIST, until
from tests.faults.conftest import Engine, Nest, alive, soon
from tests.faults.flying import GATED
from tminus.client import Client, MarkItem, RaiseHold, Refused, ReleaseHold, RunCheck
from tminus.client.requests import CancelCheck, DecideGate, PassPhase, ShowPlan, TakeLease
from tminus.places import place_of

TOGETHER = 4


@pytest.fixture
def racers(nest: Nest) -> Iterator[list[Engine]]:
    started: list[Engine] = []
    yield started
    for engine in started:
        if engine.pid and alive(engine.pid):
            engine.kill()


def race(racers: list[Engine], nest: Nest, checklists: list[Path]) -> Engine:
    """Start an engine on each of CHECKLISTS at the same moment; the one that is left when the others have ended."""
    racers[:] = [Engine(nest, path, place_of(path)) for path in checklists]
    for engine in racers:
        engine.launch()
    soon(lambda: sum(alive(engine.pid) for engine in racers) <= 1, "all but one to end")
    left = [engine for engine in racers if alive(engine.pid)]
    assert len(left) == 1, [engine.said for engine in racers]
    soon(lambda: left[0].listens, "it to listen")
    return left[0]


def test_of_engines_started_at_the_same_moment_one_is_left(nest: Nest, checklist: Path, racers: list[Engine]) -> None:
    for _ in range(8):
        winner = race(racers, nest, [checklist] * TOGETHER)
        assert winner.said.count("an engine is running for this checklist already") >= TOGETHER - 1
        assert "Traceback" not in winner.said
        winner.kill()
    winner = race(racers, nest, [checklist] * TOGETHER)
    winner.stop()
    _, events = winner.recorded()
    assert [event.kind for event in events].count("run.created") == 1
    assert [event.kind for event in events].count("engine.started") == 9


def test_another_folder_that_is_a_link_is_the_same_folder(
    nest: Nest, checklist: Path, tmp_path: Path, racers: list[Engine]
) -> None:
    link = tmp_path / "link"
    link.symlink_to(checklist.parent, target_is_directory=True)
    for _ in range(3):
        race(racers, nest, [checklist, link / checklist.name]).kill()


def test_another_checklist_with_the_same_title_and_folder_is_told_that_the_record_is_taken(
    nest: Nest, checklist: Path, racers: list[Engine]
) -> None:
    other = checklist.with_name("other.toml")
    other.write_text(CHECKLIST)
    for _ in range(5):
        race(racers, nest, [checklist, other]).kill()
    said = "".join(place_of(path).log.read_text() for path in (checklist, other))
    assert "is open in another engine" in said and "Traceback" not in said


def test_a_writer_whose_log_another_has_taken_writes_nothing_more(tmp_path: Path) -> None:
    """Somebody removed the log of an open run, and another engine began with what was left."""
    from state.events import Event

    def event(text: str) -> Event:
        return Event(seq=0, utc="2026-11-22T21:00:00.000Z", kind="note", actor="a", uid=1, reason=text, prev="")

    first = RecordFile(tmp_path / "run.toml")
    first.append(event("first"))
    first.checkpoint()
    first.wal_path.unlink()
    second = RecordFile(tmp_path / "run.toml")
    second.append(event("second's"))
    for act in (lambda: first.append(event("refused")), first.checkpoint):
        with pytest.raises(OSError, match="another engine has taken this record"):
            act()
    with pytest.raises(RecordBusy):
        RecordFile(tmp_path / "run.toml")
    second.close()
    assert [note.text for note in RecordFile(tmp_path / "run.toml").state.notes] == ["first", "second's"]


def test_two_who_open_the_run_at_the_same_moment_both_get_in(checklist: Path) -> None:
    run = [sys.executable, "-m", "tminus", "run", "--no-cockpit", "--checklist", str(checklist)]
    both = [subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    said = [one.communicate(timeout=60)[0] for one in both]
    pid = int(place_of(checklist).lock.read_text())
    try:
        assert [one.returncode for one in both] == [0, 0], said
    finally:
        Engine(None, checklist, place_of(checklist), pid).kill()  # type: ignore[arg-type]


async def together(engine: Engine, *requests: object) -> list[object]:
    """What two people are told who ask at the same moment, several times over."""
    async with Client(engine.place.socket, name="anna") as one, Client(engine.place.socket, name="bo") as two:
        return await asyncio.gather(
            *(client.ask(request) for request in requests for client in (one, two)),  # type: ignore[arg-type]
            return_exceptions=True,
        )


def refusals(answers: list[object]) -> list[str]:
    assert all(not isinstance(one, Exception) or isinstance(one, Refused) for one in answers), answers
    return [str(one) for one in answers if isinstance(one, Refused)]


async def test_two_who_act_on_the_same_thing_at_once_do_it_once_and_one_is_told_why_not(
    nest: Nest, checklist: Path, racers: list[Engine]
) -> None:
    checklist.write_text(GATED)
    engine = Engine(nest, checklist, place_of(checklist))
    racers.append(engine)
    engine.start()
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        await client.ask(TakeLease())
        why = refusals(await together(engine, RunCheck(item="slow")))
        assert why == ["it is running already"]
        await client.ask(CancelCheck(item="slow"))
        await client.ask(RunCheck(item="look"))
        await until(client, lambda v: v.items["look"].verdict == "pass")

        plan = await client.ask(ShowPlan(item="change"))
        why = refusals(await together(engine, RunCheck(item="change", go=plan.data["digest"])))
        assert len(why) == 1 and ("running already" in why[0] or "look again, then say go" in why[0])
        await until(client, lambda v: v.items["change"].verdict == "pass")
        evidence = client.view.items["change"].evidence_digest
        await client.ask(MarkItem(item="change", mark="confirmed", evidence=evidence))
        assert checklist.with_name("done").read_text() == "done\n"

        await client.ask(RaiseHold(reason="wait a moment"))
        why = refusals(await together(engine, ReleaseHold(hold=1, reason="it goes on")))
        assert why == ["nothing is held"]

        await client.ask(MarkItem(item="say", mark="confirmed"))
        why = refusals(await together(engine, PassPhase(phase="one")))
        assert why == ["the current phase is 'two', not 'one'"]

        await client.ask(MarkItem(item="pair", mark="n/a", reason="nobody else is here today"))
        await until(client, lambda v: v.gates["memory"].asks)
        decide = DecideGate(gate="memory", decision="extend", reason="it is what it always is", until="1h")
        why = refusals(await together(engine, decide))
        assert len(why) == 1 and "decided on 'memory' already: extend" in why[0]
    engine.stop()
    _, events = engine.recorded()
    once = ("phase.go", "hold.released", "gate.decided")
    assert [sum(event.kind == kind for event in events) for kind in once] == [1, 1, 1]
    assert sum(event.kind == "check.started" and event.item == "change" for event in events) == 1
