"""Two people with commands alone, each in a login of their own: the second one is another user of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from metrics.history import history_path
from tests.engine.conftest import Flying
from tests.engine.other_user import as_user, needs_root
from tminus.cli import cli
from tminus.client import Client, Look, TakeLease
from tminus.places import place_of

pytestmark = needs_root
GROUP, SECOND = "games", "games"  # a group that every Debian has, and who is in it

CHECKLIST = """
schema = 1
title = "Two people"
take_over_after = "1h"

[[role]]
id = "dev"
title = "Development Lead"

[[phase]]
id = "one"
title = "First"
pair = true
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "both"
    text = "Both say so"
    pair = true

[[phase]]
id = "two"
title = "Second"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "push"
    text = "Push it"
    check = "command.run"
    with = { argv = ["touch", "pushed"] }
    marks = "both"
    point_of_no_return = true
    pair = true
    [[phase.step.item]]
    id = "sign"
    text = "Sign it"
    signed_by = ["dev"]
"""

Told = tuple[int, dict[str, Any]]
Says = Callable[..., Told]


@pytest.fixture
def checklist(tmp_path: Path) -> Path:
    path = tmp_path / "checklist.toml"
    path.write_text(CHECKLIST)
    return path


@pytest.fixture
def shared(checklist: Path) -> Iterator[Flying]:
    flying = Flying(checklist, place_of(checklist, GROUP))
    flying.start()
    yield flying
    flying.kill()
    for left in (flying.place.socket, flying.place.lock):
        left.unlink(missing_ok=True)


def _call(checklist: Path, name: str, words: tuple[str, ...]) -> Told:
    runner = CliRunner(env={"TMINUS_NAME": name})
    result = runner.invoke(cli, [*words, "--json", "-C", str(checklist)], catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def anna(shared: Flying) -> Says:
    return lambda *words: _call(shared.checklist, "Anna", words)


@pytest.fixture
def bob(shared: Flying) -> Says:
    """What the other user gets, who may not even look into the folder of the checklist."""

    def say(*words: str) -> Told:
        def called() -> Told:
            os.environ.pop("XDG_RUNTIME_DIR", None)
            return _call(shared.checklist, "Bob", words)

        return as_user(SECOND, called)

    return say


def test_the_second_person_confirms_goes_agrees_and_takes_over(anna: Says, bob: Says, shared: Flying) -> None:
    # An item that takes two.
    assert anna("confirm", "both")[0] == 0
    assert "second person" in anna("confirm", "both")[1]["refused"]
    assert bob("confirm", "both")[0] == 0
    # A pause point that takes two: called by one, passed by the other.
    code, facts = anna("go", "--yes")
    assert code == 1 and facts["kind"] == "call.made" and facts["waits_for"] == "a second person"
    told = shared.tminus("status").stdout
    assert "takes two. From another login: tminus go one" in told
    code, facts = bob("go", "one", "--yes")
    assert code == 0 and facts["kind"] == "phase.go"
    # The point of no return: called, looked at, agreed to, crossed.
    plan = anna("do", "push")[1]["plan"]["digest"]
    code, facts = anna("do", "push", "--go", plan)
    assert code == 1 and facts["kind"] == "call.made" and not (shared.checklist.parent / "pushed").exists()
    assert "you called it yourself" in anna("agree", "push", "--plan", plan)[1]["refused"]
    code, facts = bob("agree", "push")
    assert code == 1 and facts["plan"]["lines"][0] == "touch pushed" and facts["plan"]["digest"] == plan
    assert "not other" in bob("agree", "other")[1]["refused"]
    assert bob("agree", "--plan", plan)[0] == 0
    assert "agrees to cross at push; Anna goes" in shared.tminus("status").stdout
    assert anna("do", "push", "--go", plan)[0] == 0 and (shared.checklist.parent / "pushed").exists()
    # Control is asked for, refused, asked for again and handed over.
    assert "after 1h you may take over" in bob("drive")[1]["refused"]
    assert bob("drive", "--ask", "--reason", "your shift ends")[0] == 0
    status = shared.tminus("status").stdout
    assert re.search(r"control  Bob asks for it since \S+: your shift ends", status)
    assert anna("refuse", "bob", "--reason", "after the signatures")[1]["kind"] == "lease.refused"
    assert bob("drive", "--ask")[0] == 0
    code, facts = anna("hand-over")
    assert code == 0 and facts["to"] == "Bob"
    assert "driver Bob" in shared.tminus("status").stdout
    assert "Bob drives" in anna("fail", "sign", "--reason", "not to be signed yet")[1]["refused"]
    # Each signs by their own name; only the driver attests another's.
    digest = anna("sign-off", "dev")[1]["evidence_digest"]
    assert "only the driver" in anna("sign-off", "dev", "--seen", digest, "--name", "Grace")[1]["refused"]
    assert bob("sign-off", "dev", "--seen", digest, "--name", "Grace")[1]["unsigned"] == []
    assert "Grace" in shared.tminus("status", "sign").stdout


def test_the_status_says_who_is_here_and_where_they_look(shared: Flying) -> None:
    async def look() -> str:
        async with Client(shared.place.socket, name="Anna", kind="cockpit", watch=True) as anna:
            await anna.ask(TakeLease())
            await anna.ask(Look(item="push"))
            process = await asyncio.to_thread(shared.tminus, "status")
        return process.stdout

    assert re.search(r"here +Anna \(cockpit, local\), looks at push", asyncio.run(look()))


def test_the_second_person_reads_the_record_though_its_log_and_metrics_are_its_writers_alone(
    anna: Says, shared: Flying
) -> None:
    assert anna("note", "all is well so far")[0] == 0
    shared.tminus("stop")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own is closed to others
        Path(folder).chmod(0o755)
        for path in (shared.checklist, shared.record, history_path(shared.record)):
            shutil.copy(path, folder)
        record, checklist = Path(folder, shared.record.name), Path(folder, shared.checklist.name)
        record.with_name(record.name + ".wal").touch(mode=0o600)  # as beside an engine that is up
        assert history_path(record).stat().st_mode & 0o077 == 0

        def told() -> list[tuple[int, str]]:
            words = (
                ["report", str(record)],
                ["replay", str(record), "--print", "-C", str(checklist)],
                ["record", "diff", str(record), str(record)],
            )
            made = [CliRunner().invoke(cli, one) for one in words]
            return [(one.exit_code, one.output) for one in made]

        assert [code for code, _ in told()] == [0, 0, 0]  # and what the other one could not load is loaded
        (reported, page), (replayed, events), (compared, _) = as_user(SECOND, told)
    assert (reported, replayed, compared) == (0, 0, 0)
    assert "all is well so far" in page and "it is its writer's alone" in page
    assert "all is well so far" in events
