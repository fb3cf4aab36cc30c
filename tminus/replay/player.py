"""The player: to the cockpit it is an engine, on a private socket of its own; it shows a tape and refuses to act."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from metrics.history import HistoryError, Recording
from state.events import Event, utc_text
from tminus.client.course import Courses
from tminus.client.messages import ReplayView, Reply, Snapshot, View, Welcome
from tminus.client.requests import PROTOCOL, Hello, Play, ReadCourse, Request
from tminus.engine.courses import happened, read_courses
from tminus.replay.deck import MOVES, Deck
from tminus.replay.tape import view_at
from tminus.replay.words import told
from tminus.version import __version__

FRAME = 0.25  # seconds between two pictures while it plays: as often as the cockpit draws
REFUSED = "this is a replay: nothing can be done to a run of the past"


class Player:
    """Plays DECK to whoever connects. Everything but its own moves is refused.

    Belongs to one event loop. `now` is a wall clock in seconds, for tests to turn.
    """

    def __init__(
        self,
        deck: Deck,
        recording: Recording | None = None,
        now: Callable[[], float] = time.monotonic,
        history: Path | None = None,
    ) -> None:
        self.deck = deck
        self._recording = recording
        self._now = now
        self._since = now()
        self._history = history
        self._view = View()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def view(self) -> View:
        """The picture now. A moment that cannot be shown keeps the picture before, and says so."""
        deck, notes = self.deck, self.deck.tape.notes
        try:
            self._view = view_at(deck.tape, deck.position, deck.moment, self._recording)
        except HistoryError as error:
            self._recording, notes = None, (*notes, f"{error}; no metrics from here on")
            self.deck = deck = replace(deck, tape=replace(deck.tape, notes=notes))
            self._view = view_at(deck.tape, deck.position, deck.moment, None)
        except Exception as error:  # a record may be sealed and still make no sense
            notes = (*notes, f"this moment cannot be shown ({type(error).__name__})")
        if self._recording is not None and self._recording.unreadable:
            notes = (*notes, f"{self._recording.unreadable} blocks of metrics are damaged")
        event = deck.tape.events[deck.position - 1] if deck.position else None
        shown = ReplayView(
            moment=utc_text(deck.moment),
            speed=deck.speed,
            playing=deck.playing,
            position=deck.position,
            total=len(deck.tape.events),
            event=told(event) if event else "",
            notes=notes,
        )
        return msgspec.structs.replace(self._view, replay=shown)

    def turn(self) -> bool:
        """Let the time that passed since the last turn pass on the tape. True when there is a new picture."""
        now = self._now()
        before, passed, self._since = self.deck, now - self._since, now
        self.deck = self.deck.after(passed)
        return self.deck != before

    def move(self, request: Request) -> str:
        """Do what REQUEST asks; the reason when it is refused."""
        if not isinstance(request, Play):
            return REFUSED
        if request.do not in MOVES:
            return f"a replay does not know {request.do!r}: one of {', '.join(MOVES)}"
        self.turn()
        self.deck = self.deck.moved(request.do)
        return ""

    async def listen(self, socket: Path) -> asyncio.Server:
        """Begin to listen at SOCKET."""
        return await asyncio.start_unix_server(self._accept, str(socket))

    async def play(self) -> None:
        """Send pictures while it plays. Runs until cancelled."""
        while True:
            await asyncio.sleep(FRAME)
            if self.turn():
                await self.show()

    async def show(self) -> None:
        """Send the picture to everybody who watches."""
        line = msgspec.json.encode(Snapshot(view=self.view())) + b"\n"
        for writer in list(self._writers):
            with contextlib.suppress(OSError):
                writer.write(line)
                await writer.drain()

    async def hang_up(self) -> None:
        """Close every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        decoder = msgspec.json.Decoder(Request)
        try:
            while line := await reader.readline():
                await self._take(decoder.decode(line), writer)
        except (OSError, ValueError, msgspec.DecodeError, asyncio.CancelledError):
            pass  # a client that left, or spoke rubbish
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _take(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if isinstance(request, Hello):
            # Nobody who looks back is one of those who were there: the driver of then is not "you".
            welcome = Welcome(version=__version__, protocol=PROTOCOL, name=request.name, uid=-1)
            writer.write(msgspec.json.encode(welcome) + b"\n")
            if request.watch:
                writer.write(msgspec.json.encode(Snapshot(view=self.view())) + b"\n")
                self._writers.add(writer)
        elif isinstance(request, ReadCourse):
            data = msgspec.to_builtins(await self._courses(request))
            writer.write(msgspec.json.encode(Reply(id=request.id, data=data)) + b"\n")
        else:
            why = self.move(request)
            writer.write(msgspec.json.encode(Reply(id=request.id, error=why)) + b"\n")
            if not why:
                await self.show()
        await writer.drain()

    async def _courses(self, asked: ReadCourse) -> Courses:
        """What metrics were up to the moment that is shown; nothing of what came after it."""
        deck = self.deck
        faces = (item for phase in deck.tape.faces for item in phase.items)
        # A replay looks nothing up in the plugins: what a person had to say go to says what changes.
        changes = {face.id for face in faces if face.effect == "change"} | _planned(deck.tape.events)
        marks = happened(deck.tape.events[: deck.position], changes)
        # In a thread, with a recording of its own: the pictures go on meanwhile.
        return await asyncio.to_thread(read_courses, self._history, asked, deck.moment, marks)


def _planned(events: Sequence[Event]) -> set[str]:
    """The items whose check had a plan: it changed something."""
    return {event.item for event in events if event.kind == "check.started" and event.data.get("plan")}


@contextmanager
def playing(deck: Deck, history: Path | None) -> Iterator[Path]:
    """The socket of a player of DECK, in a thread and a private folder of its own, as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="tminus-replay-") as folder:
        socket = Path(folder) / "engine.sock"
        ready, loop_of = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

        async def serve() -> None:
            ended = asyncio.Event()
            # Opened here: a recording belongs to the thread that reads it.
            recording, shown = _opened(history, deck)
            player = Player(shown, recording, history=history)
            async with await player.listen(socket):
                task = asyncio.create_task(player.play())
                loop_of.append((asyncio.get_running_loop(), ended))
                ready.set()
                await ended.wait()
                task.cancel()
                await player.hang_up()
            if recording is not None:
                recording.close()

        thread = threading.Thread(target=lambda: _run(serve, ready), name="replay", daemon=True)
        thread.start()
        ready.wait()
        try:
            yield socket
        finally:
            for loop, ended in loop_of:
                loop.call_soon_threadsafe(ended.set)
            thread.join(5.0)


def _opened(history: Path | None, deck: Deck) -> tuple[Recording | None, Deck]:
    try:
        return (Recording(history) if history else None), deck
    except HistoryError as error:
        return None, replace(deck, tape=replace(deck.tape, notes=(*deck.tape.notes, str(error))))


def _run(serve: Callable[[], object], ready: threading.Event) -> None:
    try:
        asyncio.run(serve())  # type: ignore[arg-type]  # it is a coroutine function
    finally:
        ready.set()  # also when it failed: the cockpit then says that nobody answers
