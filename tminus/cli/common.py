"""What the commands share: where the checklist is, how to reach its engine, how to answer, how to end."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click
import msgspec

from state.clean import clean
from tminus.client.connection import Client, EngineGone, NotUnderstood, OtherVersion, Refused, TurnedAway
from tminus.client.messages import ItemFace, View
from tminus.client.requests import Request
from tminus.places import Place, UnsafePlace, places_of

if TYPE_CHECKING:
    from state.events import Event
    from state.run import RunState

HOLDS, DOES_NOT_HOLD, UNUSABLE, COULD_NOT_LOOK = 0, 1, 2, 3
INTERRUPTED = 130

checklist_option = click.option(
    "-C",
    "--checklist",
    type=click.Path(path_type=Path),
    default=Path("checklist.toml"),
    show_default=True,
    envvar="TMINUS_CHECKLIST",
    help="The checklist whose run is meant.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
name_option = click.option(
    "--as", "name", default="", envvar="TMINUS_NAME", help="Your name in the record. [default: git's, or the login]"
)


class Stop(click.ClickException):
    """A command ends here and does not hold: its exit code, why, and what else is known, for `--json`."""

    def __init__(self, code: int, message: str, told: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.told = told

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click reads it, and never sets it
        return self.code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print why, on stderr."""
        click.echo(self.message, file=file, err=True)


def end(code: int, message: str, **told: Any) -> NoReturn:
    """End the command with CODE: MESSAGE goes to stderr, or with `--json`, together with what is TOLD, to stdout."""
    raise Stop(code, message, told)


@dataclass(frozen=True)
class Done:
    """How a command ended: in words for a person, in facts for a machine, and its exit code."""

    words: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    code: int = HOLDS


@dataclass(frozen=True)
class Caller:
    """Who calls a command: on which run, by which name, and whether a machine reads the answer."""

    checklist: Path
    name: str = ""
    as_json: bool = False

    @property
    def may_be_asked(self) -> bool:
        """Whether a person sits at a terminal and can answer a question."""
        return not self.as_json and sys.stdin is not None and sys.stdin.isatty()

    def show(self, lines: Iterable[str]) -> None:
        """Print LINES for a person; a machine is told all of it in one object at the end."""
        if not self.as_json:
            click.echo("\n".join(lines))


def acting(command: Callable[..., None]) -> Callable[..., None]:
    """The options of every command that acts (-C, --as, --json), given to it as one `caller`."""

    @checklist_option
    @name_option
    @json_option
    @functools.wraps(command)
    def called(*args: Any, checklist: Path, name: str, as_json: bool, **options: Any) -> None:
        command(*args, caller=Caller(checklist, name, as_json), **options)

    return called


def told_to_a_machine(error: click.ClickException) -> str:
    """ERROR as the one object that `--json` prints: `refused` where the rules said no, else `error`."""
    word = "refused" if error.exit_code == DOES_NOT_HOLD else "error"
    told = error.told if isinstance(error, Stop) else {}
    return msgspec.json.encode({"ok": False, **told, word: error.format_message()}).decode()


def conclude(caller: Caller, work: Callable[[], Done]) -> NoReturn:
    """Do the WORK of a command, print how it ended and exit with its code.

    With `--json` that is one object whatever happens: `ok` (the exit code is 0), what is known, and `refused` (the
    engine or the rules said no) or `error` (it could not be done), which say why.
    """
    try:
        done = work()
    except Stop as stop:
        if not caller.as_json:
            raise
        word = "refused" if stop.code == DOES_NOT_HOLD else "error"
        done = Done(facts={**stop.told, word: stop.message}, code=stop.code)
    if caller.as_json:
        click.echo(msgspec.json.encode({"ok": done.code == HOLDS, **done.facts}).decode())
    elif done.words:
        click.echo(done.words)
    sys.exit(done.code)


def answer(caller: Caller, use: Callable[[Client], Awaitable[Done]], *, watch: bool = False) -> NoReturn:
    """Connect to the engine, USE the client, and end as `conclude` does."""
    conclude(caller, lambda: _used(caller, use, watch=watch))


def act(caller: Caller, request: Request, words: str, **facts: Any) -> NoReturn:
    """Ask the engine for one thing, and end as `conclude` does: with WORDS, or with FACTS and what the reply says."""

    async def use(client: Client) -> Done:
        reply = await client.ask(request)
        return Done(words, {**reply.data, **facts})

    answer(caller, use)


def _used(caller: Caller, use: Callable[[Client], Awaitable[Done]], *, watch: bool) -> Done:
    place = find_place(caller.checklist)
    name = your_name(caller.name)

    async def connected() -> Done:
        async with Client(place.socket, name=name, watch=watch) as client:
            return await use(client)

    try:
        return asyncio.run(connected())
    except EngineGone as error:
        end(COULD_NOT_LOOK, no_engine(error, caller))
    except Refused as error:
        end(DOES_NOT_HOLD, str(error) if caller.as_json else f"refused: {clean(str(error))}")
    except KeyboardInterrupt:
        end(INTERRUPTED, "interrupted; the run goes on")


def no_engine(error: EngineGone, caller: Caller) -> str:
    """What ERROR says, and how to start an engine, unless there is one that will not talk to us."""
    if isinstance(error, OtherVersion | NotUnderstood | TurnedAway):
        return str(error)
    return (
        f"{error}\nStart it with: tminus run -C {caller.checklist}\n"
        "If another login runs it, they let yours in with: tminus run --group GROUP"
    )


def face_of(view: View, item: str) -> ItemFace:
    """What ITEM is. Ends with 2 when there is none of that name."""
    faces = {face.id: face for phase in view.phases for face in phase.items}
    if item not in faces:
        from state.schema import did_you_mean

        end(UNUSABLE, f"no item {item!r}: {did_you_mean(item, list(faces))}")
    return faces[item]


def read_past(record: Path) -> tuple[RunState, list[Event]]:
    """The run in RECORD and its events, as `read_with_log`. For whoever may not read the log, which is its writer's
    alone, those of the record; stderr then says so. Raises RecordError, or OSError."""
    from state.record_file import read_record, read_with_log

    try:
        return read_with_log(record)
    except PermissionError as error:
        if Path(str(error.filename)).name == record.name:
            raise
        click.echo("the log beside the record is its writer's alone: what only it holds is not told", err=True)
        return read_record(record)


def find_place(checklist: Path) -> Place:
    """The place of the engine of CHECKLIST: where one answers, ours or one of a group that we are in, else our own.

    Ends with 2 when there is no such file.
    """
    from tminus.launch import is_up

    try:
        there = checklist.is_file()
    except PermissionError:
        there = True  # its folder is closed to us; its engine need not be
    if not there:
        end(UNUSABLE, f"no checklist at {checklist}: go to its folder, or name it with -C FILE")
    try:
        own, *shared = places_of(checklist)
    except (UnsafePlace, OSError) as error:
        end(UNUSABLE, str(error))
    return next((place for place in (own, *shared) if shared and is_up(place)), own)


def your_name(given: str) -> str:
    """The name a person goes by: as given, as set, else git's user.name, else what the engine finds for the uid."""
    if given:
        return given
    import subprocess

    from state.problems import ChecklistError
    from tminus.settings import read_settings, settings_path

    try:
        if name := read_settings(settings_path()).name:
            return name
    except ChecklistError as error:
        end(UNUSABLE, str(error))

    try:
        found = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()
