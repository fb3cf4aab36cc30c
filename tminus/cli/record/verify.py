"""`tminus record verify`: whether a record can be believed, part by part."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from state.clean import clean
from state.verifying import Examined
from tminus.cli.common import DOES_NOT_HOLD, HOLDS, UNUSABLE, end, json_option

if TYPE_CHECKING:
    from state.artefacts import Artefact
    from tminus.verifying import Verified

_NO_SIGNATURE = "this is no signature: who makes every digest anew leaves a record that is sound in itself"
_LONG = 1 << 28  # bytes of a file that takes its time
_NAMED = 5  # files, at the most
_SEALS = {
    "event": "does not fit: an event differs, see above",
    "table": "does not fit: a table differs, see above",
    "text": "does not fit: neither a table nor an event differs, but the text around them does",
    "seal": "does not fit: all above it is as it was written, so the seal itself was changed",
    "lines": "does not fit: every line ends with CR LF now, and with LF when it was written; all else is as it was",
    "missing": "is missing: the end of the file is cut off",
}


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def verify(file: Path, as_json: bool) -> None:
    """Replay FILE, and look at its chain, tables, seal, log, the files that it names, and what git has of it.

    Exit 0: it holds. 1: it is broken, and the first event that does not hold is named. 2: it is no record that can
    be read. Files that are not at hand are said to be so; they are no fault.
    """
    from tminus.verifying import Unreadable
    from tminus.verifying import verify as verified

    try:
        found = verified(file, on_look=_tell_of_a_long_look)
    except Unreadable as error:
        end(UNUSABLE, str(error))
    if as_json:
        click.echo(msgspec.json.encode(document(file.name, found)).decode())
    else:
        for line in lines(file.name, found):
            click.echo(clean(line))
    sys.exit(HOLDS if found.holds else DOES_NOT_HOLD)


def _tell_of_a_long_look(artefact: Artefact) -> None:
    if artefact.bytes > _LONG and sys.stderr.isatty():
        click.echo(f"reading {clean(artefact.path)}, {artefact.bytes / 2**30:,.1f} GiB …", err=True)


def lines(name: str, found: Verified) -> Iterator[str]:
    """FOUND for people: the verdict first, then each part, then what to do, and what this cannot prove."""
    closed = "closed" if found.run.closed else "open"
    what = f"{len(found.events)} events, {len(found.run.items)} items, {closed}"
    yield f"{name}: HOLDS ({what})" if found.holds else f"{name}: BROKEN"
    if title := str(found.run.meta.get("title", "")):
        yield _line("run", f"{title}{' (a rehearsal)' if found.run.meta.get('rehearsal') else ''}")
    yield from _journal(found.text)
    yield from _tables(found.text)
    said = "fits the text" if found.text.sealed else _SEALS[found.text.differs]
    yield _line("seal", said if found.text.events or found.text.broken else "there is no file yet, only its log")
    yield from _log(found)
    yield from _files(found)
    yield from _git(found)
    yield ""
    if not found.holds:
        yield f"what to do: {_advice(found)}"
    yield f"what this cannot prove: {_NO_SIGNATURE};" + (
        " git knows nothing of it yet: tminus record commit"
        if found.git.silent
        else " git log is the witness, as far as it was pushed"
    )


def _journal(text: Examined) -> Iterator[str]:
    if text.toml:
        yield _line("toml", f"broken: {text.toml}")
    if text.broken:
        yield _line("journal", f"does not hold from {text.broken}")
        yield _line("", f"{_count(len(text.events), 'event')} before it; what comes after was not believed")
    elif text.events:
        yield _line("journal", f"{len(text.events)} events, each linked to the one before, and all can be replayed")


def _tables(text: Examined) -> Iterator[str]:
    if text.broken or text.toml:
        yield _line("tables", "not compared: there is no whole journal to compare them with")
        return
    if not text.edited:
        yield _line("tables", "say what the journal says")
        return
    for number, edited in enumerate(text.edited):
        yield _line("" if number else "tables", str(edited))


def _log(found: Verified) -> Iterator[str]:
    match found.log:
        case "broken":
            yield _line("log", found.log_why)
        case "not readable":
            yield _line("log", "the log beside it is its writer's alone: what only it holds was not seen")
        case "holds":
            what = f"{_count(found.logged, 'event')} not folded in yet"
            yield _line("log", f"the log beside it holds {what}: an engine is at work, or died")
        case "empty" if found.text.broken:
            yield _line("log", "the log beside it was not read: it goes on from a journal that does not hold")
        case _:
            pass


def _files(found: Verified) -> Iterator[str]:
    by = {kind: [one for one in found.artefacts if one.found == kind] for kind in ("same", "changed", "not at hand")}
    if by["same"]:
        yield _line("files", f"{len(by['same'])} that it names are what they were")
    if absent := [Path(one.artefact.path).name for one in by["not at hand"]]:
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        yield _line("files", f"{len(absent)} not at hand: {', '.join(absent[:_NAMED])}{more}")
    for one in by["changed"]:
        yield _line("files", f"CHANGED {one.artefact.path} (item {one.artefact.item}): {one.why}")


def _git(found: Verified) -> Iterator[str]:
    git = found.git
    if git.silent:
        yield _line("git", git.silent)
    elif git.against:
        yield _line("git", f"says otherwise, commit {git.against}: {git.why}")
    else:
        since = len(found.events) - git.committed
        ahead = f"; {_count(since, 'event')} since that are not committed" if since > 0 else ""
        yield _line("git", f"as in {_count(git.commits, 'commit')} of it, up to event {git.committed}{ahead}")
    if git.others:
        yield _line("", f"another run under this name in {_count(git.others, 'older commit')}: see git log")


def _advice(found: Verified) -> str:
    if found.git.against and found.text.holds:
        return f"the record was rewritten, or another one took its place: see git show {found.git.against}"
    if found.text.differs == "lines":
        return "git or an editor did this: see `git config core.autocrlf`, and take the file out of git again"
    if not found.text.holds and found.git.committed:
        return "leave the file as it is, copy it, and see git diff; git has it up to event " + str(
            found.git.committed
        )
    if not found.text.holds or found.log == "broken":
        return "leave the file and its log as they are, copy both, and take a sound copy from git or a colleague"
    return "the files are not what the run saw: do not restore from them before somebody knows why"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _line(part: str, said: str) -> str:
    return f"  {part:<9}{said}"


def document(name: str, found: Verified) -> dict[str, Any]:
    """FOUND for machines."""
    text, git = found.text, found.git
    return {
        "record": name,
        "holds": found.holds,
        "title": found.run.meta.get("title", ""),
        "events": len(found.events),
        "head": found.events[-1].digest if found.events else "",
        "items": len(found.run.items),
        "closed": found.run.closed,
        "rehearsal": bool(found.run.meta.get("rehearsal", False)),
        "toml": text.toml,
        "first_broken": text.broken,
        "edited": text.edited,
        "seal": "fits" if text.sealed else text.differs,
        "log": {"state": found.log, "why": found.log_why, "events": found.logged},
        "files": [
            {"item": one.artefact.item, "path": one.artefact.path, "found": one.found, "why": one.why}
            for one in found.artefacts
        ],
        "git": git,
    }
