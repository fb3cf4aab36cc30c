"""What befalls the screens: they are killed, hung up on and stopped, alone or with the engine, and the run goes on."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from state.record_file import read_with_log
from tests.engine.conftest import until
from tests.faults.cockpits import Cockpit
from tests.faults.conftest import Engine
from tminus.client import AddNote, Client, ReleaseHold

Open = Callable[[], Cockpit]


@pytest.fixture
def cockpit(engine: Engine) -> Iterator[Open]:
    opened: list[Cockpit] = []

    def open_() -> Cockpit:
        opened.append(Cockpit(engine))
        opened[-1].until(lambda text: ("Look at it" in text and "NO-GO" in text) or "HOLD" in text, "the run")
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


async def release_all(engine: Engine) -> None:
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        for hold in client.view.holds:
            await client.ask(ReleaseHold(hold=hold.id, reason="it goes on"))


async def seen_by(engine: Engine) -> None:
    """Wait until the engine knows of a cockpit."""
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        await until(client, lambda v: any(person.kind == "cockpit" for person in v.run.people))


def held(engine: Engine) -> Counter[str]:
    """How often each hold is in the record, which is verified on the way."""
    log = next(engine.folder.glob("*.toml.wal"))
    run, _ = read_with_log(log.with_name(log.name.removesuffix(".wal")))
    return Counter(hold.reason for hold in run.holds)


@pytest.mark.parametrize(("kills", "seed"), [(3, 3), pytest.param(90, 5, marks=pytest.mark.long)])
def test_what_a_screen_showed_as_held_is_held_once_whatever_is_killed(
    engine: Engine, cockpit: Open, kills: int, seed: int
) -> None:
    draw, shown, asked = random.Random(seed), set[str](), set[str]()
    screen = cockpit()
    for turn in range(kills):
        words = f"hold number {turn:04d}"
        screen.hold(words)
        asked.add(words)
        if turn % 4:
            moment = time.monotonic() + draw.uniform(0, 0.3)
            while time.monotonic() < moment:
                text = screen.text
                if words in text and "Hold the run" not in text:
                    shown.add(words)
        else:
            screen.until(lambda text, words=words: words in text and "Hold the run" not in text, "the hold")  # type: ignore[misc]
            shown.add(words)
        victim = ("cockpit", "engine", "both")[turn % 3]
        if victim != "cockpit":
            engine.kill()
        if victim != "engine":
            screen.kill()
        there = held(engine)
        assert all(there[words] == 1 for words in shown)
        assert all(there[words] <= 1 for words in asked)
        if victim != "cockpit":
            engine.start()
        asyncio.run(release_all(engine))
        if victim != "engine":
            screen = cockpit()
        else:
            asyncio.run(seen_by(engine))
            screen.until(lambda text: "ENGINE GONE" not in text and "Hold the run" not in text, "the engine again")
    print(f"\n{kills} kills: {len(shown)} holds were shown, {len(asked) - len(shown)} were on their way")


def test_a_terminal_that_goes_away_ends_its_screen_and_nothing_else(engine: Engine, cockpit: Open) -> None:
    one, other = cockpit(), cockpit()
    one.hold("before the line was cut")
    other.shows("before the line was cut")
    one.hang_up()
    one.ended()
    other.hold("after the line was cut")
    other.until(lambda text: "Hold the run" not in text, "the answer")
    assert held(engine) == {"before the line was cut": 1, "after the line was cut": 1}


async def test_a_screen_that_was_stopped_delays_nobody_and_comes_back_to_what_is(
    engine: Engine, cockpit: Open
) -> None:
    screen = cockpit()
    screen.signal(signal.SIGSTOP)
    async with asyncio.timeout(20), Client(engine.place.socket, name="bo", watch=True) as client:
        for number in range(300):
            await client.ask(AddNote(text=f"{number} " + "x" * 200))
    screen.signal(signal.SIGCONT)
    screen.hold("back again")
    screen.until(lambda text: "back again" in text and "Hold the run" not in text, "the hold")
    assert held(engine) == {"back again": 1}


def test_an_engine_that_was_stopped_freezes_no_key_and_answers_when_it_goes_on(engine: Engine, cockpit: Open) -> None:
    screen = cockpit()
    engine.signal(signal.SIGSTOP)
    screen.hold("asked while it stood still")
    screen.until(lambda text: "Hold the run" not in text, "the question to close")
    screen.type("3")  # the live pane
    screen.until(lambda text: "no metric is watched" in text and "Look at it" not in text, "the key to be taken")
    screen.type("1")
    assert not held(engine)
    engine.signal(signal.SIGCONT)
    screen.shows("asked while it stood still")
    screen.until(lambda text: "HOLD" in text, "the hold")
    assert held(engine) == {"asked while it stood still": 1}
