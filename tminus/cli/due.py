"""`tminus due`: what recurs, and whether it is due. For people, cron and systemd timers."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from state.definition import Checklist
from state.due import Due, due
from state.durations import format_duration
from state.events import utc_text
from state.run import RunState
from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD, HOLDS, UNUSABLE, end, json_option, read_past

_WORDS = {"overdue": "OVERDUE", "due": "DUE", "next": "next", "later": "first", "over": "over", "aside": "aside"}


@click.command(epilog="Example: tminus due --at 2026-11-23T08:00:00Z")
@click.argument("file", type=click.Path(path_type=Path), default=Path("checklist.toml"), envvar="TMINUS_CHECKLIST")
@click.option(
    "-C",
    "--checklist",
    "named",
    type=click.Path(path_type=Path),
    help="The checklist of the record. [default: the one that the record names, above its folder]",
)
@click.option("--at", default="", metavar="MOMENT", help="As it would be then: 2026-11-23T08:00:00Z. [default: now]")
@json_option
def command(file: Path, named: Path | None, at: str, as_json: bool) -> None:
    """List what recurs (`every`, `until` in the checklist): overdue, due, and when the next round is.

    FILE is a record, or a checklist, whose newest record is meant. The record and the checklist are enough: no
    engine is needed, and one that is running is not asked. Exit 0: nothing is due. 1: something is. 2: a file
    cannot be read. 3: nobody can tell, since no run has begun or it has no T0.
    """
    now = _moment(at)
    record, checklist = _found(file, named)
    run = _run_of(record)
    try:
        listed = due(checklist, run, now)
    except ValueError as error:
        end(COULD_NOT_LOOK, f"{record.name}: {error}")
    if as_json:
        click.echo(msgspec.json.encode(_document(record, run, listed, now)).decode())
    else:
        for line in due_lines(listed, now, closed=run.closed):
            click.echo(line)
    sys.exit(DOES_NOT_HOLD if any(one.is_due for one in listed) else HOLDS)


def due_lines(listed: Sequence[Due], now: datetime, *, closed: bool) -> list[str]:
    """LISTED for people: what is due first, each with its time and how far that is."""
    lines = ["the run is closed: nothing of it is due any more"] if closed else []
    if not listed:
        return [*lines, "nothing recurs in this checklist"]
    for one in listed:
        word = _WORDS.get(one.standing, "waits")
        who = f"  ({one.role})" if one.role else ""
        lines.append(f"{word:<8}{one.item:<24} {_when(one, now):<44} {one.text}{who}")
    count = sum(one.is_due for one in listed)
    return [*lines, "", f"{count} due" if count else "nothing is due"]


def _when(one: Due, now: datetime) -> str:
    rounds = f"{one.rounds} done, " if one.rounds else ""
    if one.at is None:
        waits = "its phase has no time, and has not begun" if one.standing == "untimed" else "no more rounds"
        return rounds + waits if one.standing != "aside" else "n/a, waived or left out"
    gap = (one.at - now).total_seconds()
    how_far = f"in {format_duration(gap)}" if gap > 0 else f"{format_duration(-gap)} ago"
    return f"{rounds}{one.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {how_far}"


def _document(record: Path, run: RunState, listed: Sequence[Due], now: datetime) -> dict[str, Any]:
    def plain(one: Due) -> dict[str, Any]:
        said = msgspec.structs.asdict(one)
        return said | {key: utc_text(said[key]) if said[key] else None for key in ("at", "last")}

    items = [plain(one) for one in listed]
    return {"record": record.name, "now": utc_text(now), "closed": run.closed, "items": items}


def _moment(text: str) -> datetime:
    if not text:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        end(UNUSABLE, f"{text!r} is no moment: write it as 2026-11-23T08:00:00Z")
    return moment if moment.tzinfo else moment.astimezone()


def _found(file: Path, named: Path | None) -> tuple[Path, Checklist]:
    """The record that FILE is or leads to, and the checklist that goes with it. Ends with 2 or 3 without them."""
    if not file.is_file() and not file.with_name(file.name + ".wal").is_file():
        end(UNUSABLE, f"no checklist and no record at {file}")
    if _is_record(file):
        return file, _load(named or _checklist_of(file))
    checklist = _load(file)
    folder = file.parent / checklist.record_dir
    from tminus.engine.records import newest_record

    found = newest_record(folder, checklist.title)
    if found is None:
        end(COULD_NOT_LOOK, f"no run of {file.name} has begun: there is no record of it in {checklist.record_dir}/")
    return found, checklist


def _is_record(file: Path) -> bool:
    """Whether FILE is a record: it, or the log that is all there is of it yet. One that is broken is one, too."""
    if not file.is_file():
        return True
    text = file.read_bytes()
    try:
        return "journal" in tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        return b"\n[journal]\n" in text


def _checklist_of(record: Path) -> Path:
    """The checklist that RECORD says it is a run of: in the folders above it."""
    name = Path(str(_run_of(record).meta.get("checklist", ""))).name or "checklist.toml"
    found = next((folder / name for folder in record.resolve().parents[:4] if (folder / name).is_file()), None)
    if found is None:
        end(UNUSABLE, f"{record.name} is a run of {name}, which is in no folder above it: name it with -C FILE")
    return found


def _load(path: Path) -> Checklist:
    from state.loader import load_checklist
    from state.problems import ChecklistError

    if not path.is_file():
        end(UNUSABLE, f"no checklist at {path}")
    try:
        return load_checklist(path).checklist
    except ChecklistError as error:
        end(UNUSABLE, str(error))


def _run_of(record: Path) -> RunState:
    from state.record import RecordError

    try:
        return read_past(record)[0]
    except RecordError as error:
        end(UNUSABLE, str(error))
    except OSError as error:
        end(UNUSABLE, f"{Path(str(error.filename or record)).name}: {error.strerror}")
