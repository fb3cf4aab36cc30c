"""The whole cutover, unattended, with the engine killed under it: nothing acknowledged is lost, and it completes."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from state.record_file import read_record
from state.settled import settled
from tminus.definition import load
from tminus.places import place_of

PASSED = re.compile(r"^  PASS\s+(\S+)")


def kill_the_engine(stage: Path, moments: list[str], seen: list[str], killed: list[str]) -> None:
    """kill -9 the engine a random while after the first line that holds each of MOMENTS was printed."""
    draw = random.Random()
    for moment in moments:
        while not any(moment in line for line in seen):
            if seen and seen[-1] == "":
                return
            time.sleep(0.02)
        time.sleep(draw.uniform(0.0, 1.5))
        try:
            os.kill(int(place_of(stage / "checklist.toml").lock.read_text()), signal.SIGKILL)
            killed.append(moment)
        except (OSError, ValueError):
            continue


@pytest.mark.long
def test_a_flight_survives_kill_9_of_its_engine_and_ends_with_go(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    flight = subprocess.Popen(
        [sys.executable, "-m", "tminus", "rehearse", "--auto", "--stage", str(stage), "--users", "120"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert flight.stdout is not None and flight.stderr is not None
    seen: list[str] = []
    killed: list[str] = []
    killer = threading.Thread(
        target=kill_the_engine, args=(stage, ["backup-sqlite", "verify-tables", "test-login"], seen, killed)
    )
    killer.start()
    for line in flight.stderr:
        seen.append(line.rstrip("\n"))
    seen.append("")
    said = flight.stdout.read()
    code = flight.wait(timeout=60)
    killer.join()

    assert code == 0, "\n".join(seen[-30:]) + said
    assert len(killed) == 3
    verdict, took, where = said.splitlines()[-3:]
    assert verdict.split() == ["verdict", "GO"]
    assert took.startswith("time")
    assert where.startswith("record")

    (path,) = (stage / "deployments").glob("*.toml")
    run, events = read_record(path)
    loaded, _ = load(stage / "checklist.toml")
    # What was printed as passed was acknowledged, so it is in the record.
    recorded = {event.item for event in events if event.kind == "check.finished" and event.to == "pass"}
    assert {match[1] for line in seen if (match := PASSED.match(line))} <= recorded
    assert [event.to for event in events if event.kind == "engine.started"] == ["started", *["resumed"] * 3]
    # Every item of the way forward is settled, each mark is the rehearsal's, and the record says what it is.
    now = events[-1].at
    for phase in loaded.checklist.main_phases:
        assert phase.id in run.gone
        assert [i.id for i in phase.items if not settled(i, run.item(i.id), now)] == []
    assert {said.actor for item in run.items.values() for said in item.confirmations} == {"rehearsal"}
    assert run.meta["rehearsal"] is True
    assert run.meta["durations"]["error-rate.for"] == "30s"
    assert run.closed

    # The data really moved, was proven, and no secret and no path of this machine is in the record.
    moved = run.item("migrate-data").outcome
    assert moved is not None and moved.evidence["proof"] == "equal"
    # Whatever a visitor was told was saved, before the move or after it, is in PostgreSQL now.
    kept = run.item("user-reports").outcome
    assert kept is not None and "0 missing in postgresql" in str(kept.evidence)
    text = path.read_text()
    assert str(tmp_path) not in text
    assert "postgresql://app:" not in text

    # Nothing that the stage started is left.
    left = subprocess.run(["ps", "axww", "-o", "command"], capture_output=True, text=True, check=True).stdout
    assert str(stage) not in left


@pytest.mark.long
def test_the_way_back_is_flown_by_a_gate_and_loses_nothing_that_a_visitor_was_told_was_saved(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    argv = [
        sys.executable,
        "-m",
        "tminus",
        "rehearse",
        "--auto",
        "--rollback",
        "--stage",
        str(stage),
        "--users",
        "120",
    ]
    flight = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False)
    assert flight.returncode == 0, flight.stderr[-3000:] + flight.stdout
    assert flight.stdout.splitlines()[0].split() == ["verdict", "ROLLED", "BACK"]

    (path,) = (stage / "deployments").glob("*.toml")
    run, events = read_record(path)
    assert run.closed and run.rollback_decided
    decided = next(event for event in events if event.kind == "gate.decided")
    assert (decided.to, decided.actor) == ("roll-back", "rehearsal")
    # Visitors had written to PostgreSQL by then; all of it, and what was there before, is in SQLite now.
    salvaged, intact = run.item("rollback-salvage").outcome, run.item("rollback-intact").outcome
    assert salvaged is not None and not salvaged.actual.startswith("0 rows inserted")
    assert intact is not None and re.search(
        r"[1-9]\d* acknowledged writes, 0 missing in sqlite", str(intact.evidence)
    )
    works = run.item("rollback-works").outcome
    assert works is not None and works.evidence["database"] == "sqlite"
    left = subprocess.run(["ps", "axww", "-o", "command"], capture_output=True, text=True, check=True).stdout
    assert str(stage) not in left
