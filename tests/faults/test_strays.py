"""What an engine has started does not go on without it: a change that nobody watches is worse than one cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from state.record_file import read_record
from tests.engine.conftest import CHECKLIST, until
from tests.faults.conftest import Engine, alive, soon
from tminus.client import Client, MarkItem, RunCheck
from tminus.client.requests import ShowPlan

CHANGE = """
trap '' HUP
sh -c 'echo $$ > grandchild; sleep 60; touch went-on' &
echo $$ > child
wait
touch went-on
"""


def number(path: Path) -> int:
    return int(soon(lambda: path.exists() and path.read_text().strip(), f"{path.name} to be written"))  # type: ignore[call-overload]


@pytest.fixture
def checklist(checklist: Path) -> Path:
    checklist.write_text(CHECKLIST.replace('["touch", "done"]', f'["sh", "-c", {CHANGE!r}]'))
    return checklist


async def begin(engine: Engine, client: Client) -> list[int]:
    """Start the change; the processes that it consists of."""
    await client.ask(RunCheck(item="look"))
    await until(client, lambda v: v.items["look"].verdict == "pass")
    plan = await client.ask(ShowPlan(item="change"))
    await client.ask(RunCheck(item="change", go=plan.data["digest"]))
    return [number(engine.checklist.with_name(name)) for name in ("child", "grandchild")]


async def test_a_change_ends_with_an_engine_that_is_killed_and_the_item_says_interrupted(engine: Engine) -> None:
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        family = await begin(engine, client)
        engine.kill()
    soon(lambda: not any(alive(pid) for pid in family), "the change to end")
    engine.start()
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        change = client.view.items["change"]
        assert (change.status, change.verdict, change.settled) == ("interrupted", "", False)
        await client.ask(MarkItem(item="change", mark="waived", reason="seen by hand: it was not done"))
    assert not engine.checklist.with_name("went-on").exists()


async def test_a_warden_that_was_killed_is_replaced_by_one_that_knows_all(engine: Engine) -> None:
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        family = await begin(engine, client)
        wardens = [p for p in psutil.Process(engine.pid).children() if p.cwd() == "/"]
        assert len(wardens) == 1
        wardens[0].kill()
        soon(lambda: not alive(wardens[0].pid), "the warden to end")
        await client.ask(RunCheck(item="slow"))  # the next program that is started
        soon(lambda: len([p for p in psutil.Process(engine.pid).children() if alive(p.pid) and p.cwd() == "/"]) == 1,
             "another warden")  # fmt: skip
        engine.kill()
    soon(lambda: not any(alive(pid) for pid in family), "the change to end")


async def test_nothing_is_left_of_an_engine_and_its_checks(engine: Engine) -> None:
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        await begin(engine, client)
        family = psutil.Process(engine.pid).children(recursive=True)
        assert len(family) >= 3
        os.kill(engine.pid, signal.SIGKILL)
        engine.ended()
    soon(lambda: not any(alive(process.pid) for process in family), "all of it to end")


LEASH = """
import sys
from pathlib import Path
from tminus.launch import start_engine
from tminus.places import place_of
checklist = Path(sys.argv[1])
print(start_engine(checklist, place_of(checklist), leashed=True), flush=True)
sys.stdin.read()
"""


def test_an_engine_on_a_leash_ends_in_order_when_the_command_that_started_it_is_killed(checklist: Path) -> None:
    """A rehearsal ends with what it set up, and its engine with it."""
    command = subprocess.Popen(
        [sys.executable, "-c", LEASH, str(checklist)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with command:
        assert command.stdout
        pid = int(command.stdout.readline())
        assert alive(pid)
        command.kill()
    soon(lambda: not alive(pid), "the engine to end")
    (record,) = checklist.with_name("deployments").glob("*.toml")
    assert read_record(record)[0].meta["title"] == "Small"
    assert not list(record.parent.glob("*.wal"))
