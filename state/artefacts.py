"""The files that a run's evidence vouches for (backups, dumps, packed logs), and whether they are still the same."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from state.events import Event

_SHA256 = re.compile(r"[0-9a-f]{64}")
_STORED = re.compile(r"sha256 ([0-9a-f]{64})\b")
_CHUNK = 1 << 20

Found = Literal["same", "changed", "not at hand"]


class Artefact(msgspec.Struct, frozen=True, kw_only=True):
    """A file as the evidence of an item names it: `path` is relative to the project; `bytes` is -1 where untold."""

    item: str
    path: str
    sha256: str = ""
    bytes: int = -1


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an artefact. One that is not at hand is neither sound nor broken: `why` says what is known."""

    artefact: Artefact
    found: Found
    why: str = ""


def artefacts_of(events: Iterable[Event]) -> tuple[Artefact, ...]:
    """The files that the outcomes in EVENTS name with a digest or a size; of a path told twice, the later word."""
    named: dict[str, Artefact] = {}
    for event in events:
        evidence = event.data.get("evidence") if event.kind == "check.finished" else None
        if isinstance(evidence, dict):
            for artefact in _named(event.item, evidence):
                named.pop(artefact.path, None)
                named[artefact.path] = artefact
    return tuple(named.values())


def _named(item: str, evidence: Mapping[str, Any]) -> Iterator[Artefact]:
    path, sha256, size = evidence.get("path"), evidence.get("sha256"), evidence.get("bytes")
    # What was put in the place of a live file is the application's from then on: it is meant to change.
    if isinstance(path, str) and path and "from" not in evidence:
        digest = sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else ""
        count = size if isinstance(size, int) and not isinstance(size, bool) else -1
        if digest or count >= 0:
            yield Artefact(item=item, path=path, sha256=digest, bytes=count)
    where = evidence.get("where")
    if isinstance(where, str) and where and "://" not in where:
        for name, said in evidence.items():
            if isinstance(said, str) and (found := _STORED.match(said)):
                yield Artefact(item=item, path=f"{where}/{name}", sha256=found[1])


def look_at(artefact: Artefact, record: Path, projects: Sequence[Path]) -> Seen:
    """Whether ARTEFACT of RECORD is still what it was, in the first of the folders PROJECTS that has it.

    What lies in the record's own folder of files is found there too, where the two were copied elsewhere together.
    """
    places = [folder / artefact.path for folder in projects]
    beside = record.with_suffix(".files")
    if beside.name in Path(artefact.path).parts:
        places.append(beside / Path(artefact.path).name)
    for place in places:
        try:
            told = place.stat()
            if stat.S_ISREG(told.st_mode):
                return _compared(artefact, place, told.st_size)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not a path"
            return Seen(artefact=artefact, found="not at hand", why=why)
    return Seen(artefact=artefact, found="not at hand")


def _compared(artefact: Artefact, place: Path, size: int) -> Seen:
    if artefact.bytes >= 0 and size != artefact.bytes:
        return Seen(artefact=artefact, found="changed", why=f"{size:,} bytes, and was {artefact.bytes:,}")
    if not artefact.sha256:
        return Seen(artefact=artefact, found="same", why="by its size: no digest of it was kept")
    digest = hashlib.sha256()
    left = size  # no further: a file that somebody writes to might have no end
    with place.open("rb") as file:
        while left > 0 and (piece := file.read(min(_CHUNK, left))):
            digest.update(piece)
            left -= len(piece)
    if digest.hexdigest() != artefact.sha256:
        return Seen(artefact=artefact, found="changed", why=f"its sha256 is {digest.hexdigest()[:12]}… now")
    return Seen(artefact=artefact, found="same")
