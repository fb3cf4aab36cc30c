"""Two cockpits, two people, one engine: what one does is on the screen of the other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cockpit_help import text_of, type_in, until
from textual.pilot import Pilot

from metrics.live import Live
from state.events import Actor
from state.record_file import RecordFile
from state.redact import Redactor
from state.targets import resolve
from tminus.definition import load
from tminus.engine import server as server_module
from tminus.engine.answers import Answers
from tminus.engine.attendance import Attendance
from tminus.engine.checking import Checking
from tminus.engine.heartbeat import Heartbeat
from tminus.engine.records import opening_events
from tminus.engine.server import Server
from tminus.engine.session import Session
from tui.app import Cockpit
from tui.choosing import Pick
from tui.dialogs import Ask, Words
from tui.lines import text_of as line_text
from tui.theme import Look

CHECKLIST = """
schema = 1
title = "Two"

[[role]]
id = "dev"
title = "Development Lead"
name = "Anna"

[[role]]
id = "ops"
title = "Operations"

[[phase]]
id = "one"
title = "First"
pair = true
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "both"
    text = "Both look"
    pair = true
    [[phase.step.item]]
    id = "count"
    text = "Count the rows"
    critical = true
    ask = "How many rows?"

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
    pair = true
    critical = true
    point_of_no_return = true
    [[phase.step.item]]
    id = "sign"
    text = "Sign it"
    signed_by = ["dev", "ops"]
"""

WHO = {
    "Anna": Actor(name="Anna", uid=4001, login="anna"),
    "Bo": Actor(name="Bo", uid=4002, login="bo"),
}


@dataclass
class Seat:
    """A person at their cockpit."""

    app: Cockpit
    pilot: Pilot[int]
    bells: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app.bell = lambda: self.bells.append("ding")  # type: ignore[method-assign]

    async def at(self, item: str) -> None:
        self.app.bridge.list.go_to(item)
        await until(lambda: self.app.scene.focus == item)

    async def asks(self, title: str) -> None:
        """Wait for the question TITLE."""
        await until(lambda: isinstance(self.app.screen, Ask) and title in self.app.screen.question.title)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def says(self, text: str) -> None:
        """Type TEXT, and enter."""
        await type_in(self.pilot, text)
        await self.press("enter")

    async def sees(self, *words: str) -> None:
        """Wait until WORDS are on the screen, whatever the lines are broken at."""
        await until(lambda: all(word in " ".join(text_of(self.app).split()) for word in words), every=0.05)

    @property
    def asked(self) -> str:
        """What the open question says."""
        lines = self.app.screen.query_one("#text", Words).lines
        return " ".join(" ".join(line_text(line) for line in lines).split())

    async def hears(self, words: str) -> None:
        """Wait for a toast that says WORDS."""
        await until(lambda: any(words in one.message for one in self.app._notifications))


@dataclass
class Two:
    anna: Seat
    bo: Seat
    session: Session

    async def written(self, kind: str) -> None:
        """Wait until an event of KIND is the last one."""
        await until(lambda: self.session.run.last is not None and self.session.run.last.kind == kind)


@pytest.fixture
async def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Two]:
    """Anna and Bo, with logins of their own: who is who is the engine's word, here by the name they give."""

    def peer(connection: socket.socket, claimed: str, origin: str = "") -> Actor:
        return WHO[claimed]

    monkeypatch.setattr(server_module, "peer", peer)
    async with AsyncExitStack() as stack:
        session, place = await stack.enter_async_context(flown(tmp_path))
        seats = []
        for name in WHO:
            app = Cockpit(place, name=name, look=Look("tminus-dark", False, False))
            pilot = await stack.enter_async_context(app.run_test(size=(100, 30)))
            await until(lambda app=app: app.scene.connected)  # type: ignore[misc]
            seats.append(Seat(app, pilot))
        yield Two(*seats, session)


@asynccontextmanager
async def flown(folder: Path) -> AsyncIterator[tuple[Session, Path]]:
    """An engine in this process, but for the metrics."""
    (folder / "checklist.toml").write_text(CHECKLIST, encoding="utf-8")
    loaded, registry = load(folder / "checklist.toml")
    record, actor = RecordFile(folder / "record.toml"), Actor(name="tminus", uid=0)
    session = Session(loaded.checklist, record, Redactor(), registry.effect_of)
    checking = Checking(session, registry, resolve({}, {}), Redactor(), folder, folder / "files", Live(), Heartbeat())
    attendance = Attendance(session.present)
    session.gone_since = attendance.gone_since
    for event in opening_events(loaded, record, actor, ""):
        await session.act(lambda _run, _now, event=event: event)  # type: ignore[misc]
    server = Server(session, Answers(session, checking, attendance, lambda: None), attendance)
    listening, keeper = await server.listen(folder / "e.sock"), asyncio.create_task(session.keep())
    try:
        yield session, folder / "e.sock"
    finally:
        keeper.cancel()
        listening.close()
        await checking.end()
        await server.hang_up()
        await session.close()


async def take_control(seat: Seat) -> None:
    await seat.press("d")
    await seat.asks("Take control")
    await seat.press("y")
    await until(lambda: seat.app.scene.drives)


async def test_control_passes_from_one_to_the_other_and_each_knows_who_has_it(two: Two) -> None:
    anna, bo = two.anna, two.bo
    await take_control(anna)
    await bo.sees("drives Anna with Bo (you)")
    await bo.press("d")
    await bo.asks("Ask Anna for control")
    await bo.press("up")
    await bo.says("you look tired")
    await bo.press("y")
    await anna.sees("BO ASKS FOR CONTROL", 'D hands it over, K keeps it: "you look tired"')
    assert anna.bells == ["ding"] and anna.app.screen is anna.app.bridge, "nothing takes the keys from the driver"
    await anna.press("K")
    await anna.asks("Keep control")
    await anna.press("up")
    await anna.says("in the middle of it")
    await anna.press("y")
    await bo.hears("Anna keeps control: in the middle of it")
    await anna.press("D")
    await anna.asks("Hand control to Bo")
    await anna.press("y")
    await bo.hears("You have control, after Anna")
    await bo.sees("drives Bo (you) with Anna")
    await anna.hears("Bo has control")
    assert not anna.app.scene.drives


async def test_two_settle_pass_cross_and_sign(two: Two) -> None:
    anna, bo = two.anna, two.bo
    await take_control(anna)
    # Bo looks at an item, and challenges it: Anna sees both, and answers.
    await bo.at("count")
    await anna.sees("@BO")
    await bo.press("C")
    await bo.asks("Challenge")
    await bo.says("who counts?")
    await anna.sees("CHALLENGE BY BO", 'R answers: "who counts?" (Count the rows)', "¿ CHALL")
    await anna.press("R")
    await anna.asks("Answer Bo")
    await anna.says("I do, with psql")
    await bo.hears("Your challenge was answered")
    # Both confirm; the first with somebody beside her.
    await anna.at("both")
    await anna.press("c")
    await anna.asks("Confirm")
    await anna.press("up")
    await anna.says("Carla")
    await anna.press("y")
    await bo.at("both")
    await bo.sees("Anna, with Carla beside (attested)")
    await bo.press("c")
    await bo.asks("Confirm")
    await bo.press("y")
    await until(lambda: anna.app.scene.state("both").settled)
    await anna.at("count")
    await until(lambda: not anna.app._why_not("confirm"))
    await anna.press("c")
    await anna.asks("Confirm")
    await anna.says("42")
    await until(lambda: anna.app.scene.view.standing.go == "GO")
    # Each reads the value back, and says GO.
    await anna.press("g")
    await read_back(anna, "42")
    await bo.sees("GO SAID BY ANNA", "a second person says theirs: press g")
    assert bo.bells
    assert "another login" in anna.app._why_not("go")
    await bo.press("g")
    await read_back(bo, "42")
    await until(lambda: anna.app.scene.view.standing.phase == "two")
    # Both cross the point of no return, by the very same plan.
    await anna.at("push")
    await anna.press("r")
    await anna.asks("This changes")
    assert "Nothing runs before they agree" in anna.asked
    await type_the_name(anna)
    await two.written("call.made")
    await bo.sees("ANNA CALLS YOU TO THE POINT OF NO RETURN")
    await bo.press("A")
    await bo.asks("Anna calls you")
    await type_the_name(bo)
    await anna.sees("BO AGREED", "r runs it: Push it")
    await anna.press("r")
    await anna.asks("This changes")
    assert "Bo agreed to this very plan" in anna.asked
    await type_the_name(anna)
    await until(lambda: anna.app.scene.state("push").verdict == "pass")
    # Each signs for their role.
    for seat, title in ((anna, "Development Lead"), (bo, "Operations")):
        await seat.at("sign")
        await until(lambda seat=seat: not seat.app._why_not("confirm"))  # type: ignore[misc]
        await seat.press("c")
        if seat is anna:
            await until(lambda: isinstance(anna.app.screen, Pick))
            await seat.press("enter")
        await seat.asks(f"Sign off: {title}")
        await seat.press("y")
        await until(lambda title=title: title in signed(two))  # type: ignore[misc]
    await anna.sees("Anna signed for Development Lead", "Bo signed for Operations")
    assert two.session.run.item("sign").mark == "confirmed"


def signed(two: Two) -> list[str]:
    titles = {role.id: role.title for role in two.session.checklist.role}
    return [titles[said.role] for said in two.session.run.item("sign").confirmations]


async def type_the_name(seat: Seat) -> None:
    """Of the target, which leads to No; only then yes."""
    assert isinstance(seat.app.screen, Ask) and seat.app.screen.question.exactly
    await seat.says(seat.app.screen.question.exactly)
    assert seat.app.focused is not None and seat.app.focused.id == "no"
    await seat.press("y")


async def read_back(seat: Seat, value: str) -> None:
    """The value is asked once more, and not shown; then the phase."""
    await seat.asks("Read back")
    assert value not in text_of(seat.app)
    await seat.says(value)
    await seat.asks("Phase complete?")
    assert "its value is asked once more" in seat.asked
    await seat.press("y")


async def test_who_is_gone_is_told_with_the_time_from_which_they_may_be_relieved(two: Two) -> None:
    anna, bo = two.anna, two.bo
    await take_control(anna)
    await anna.press("q")
    await bo.sees("ANNA IS GONE since", "you may take over: d")
    await bo.press("d")
    await bo.hears("Anna is gone since")
    later = datetime.now(UTC).timestamp() + 62
    bo.app.now = lambda: datetime.fromtimestamp(later, UTC)
    await bo.sees("you may take over now: d")
