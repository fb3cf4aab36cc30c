"""What the visitors were told was saved, and whether it is there.

One JSON object a line: kind, the key by which it is found, what it must hold, when, and in which database it
was acknowledged. Only writes whose answer arrived are in it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, create_engine, inspect, text

from rehearsal.control import Layout, database_in_use


class Where(Protocol):
    """The part of a stage that is asked."""

    @property
    def folder(self) -> Path: ...
    @property
    def sqlite(self) -> Path: ...
    @property
    def database_url(self) -> str: ...
    @property
    def ledger(self) -> Path: ...


@dataclass(frozen=True)
class Entry:
    """KIND is user, session, logout, post, reply, vote, mod_list. KEY: a name, the number of a row, the
    digest of a session's id. HOLDS: the text (or value) that the row must have."""

    kind: str
    key: str
    holds: str
    at: str
    database: str

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Verified:
    database: str
    checked: int
    missing: list[str] = field(default_factory=list)


def session_digest(session_id: str) -> str:
    """Names a session without giving it away."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:24]


def read_ledger(path: Path) -> Iterator[Entry]:
    """The entries of PATH; none when there is none. A last line that was cut short by a kill is left out.
    Raises ValueError for any other line that cannot be read."""
    if not path.exists():
        return
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        try:
            yield Entry(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}:{number}: not an entry of a ledger") from error


def expected(entries: Iterable[Entry]) -> list[Entry]:
    """What must be there now: the last word on each vote and list, and no session that was ended."""
    last: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if entry.kind == "logout":
            last.pop(("session", entry.key), None)
        else:
            last[entry.kind, entry.key] = entry
    return list(last.values())


def verify(stage: Where) -> Verified:
    """Look for every acknowledged write in the database that the app uses now. Visitors may be writing
    meanwhile (and log out between two looks), so what is missing is looked for again before it is said to be.

    Raises ValueError for a ledger that cannot be read, and sqlalchemy.exc.SQLAlchemyError when the database
    does not answer.
    """
    for _ in range(2):
        found = _look(stage)
        if not found.missing:
            break
    return found


def _look(stage: Where) -> Verified:
    database = database_in_use(Layout(stage.folder))
    wanted = expected(read_ledger(stage.ledger))
    if database == "postgresql":
        url = stage.database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
        engine = create_engine(url, connect_args={"connect_timeout": 5})
    else:
        # Read-only: proof must not make the file it is looking for.
        engine = create_engine(f"sqlite:///file:{stage.sqlite}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            present = _present(connection)
    finally:
        engine.dispose()
    missing = [
        f"{e.kind} {e.key}, acknowledged {e.at} in {e.database}"
        for e in wanted
        if present.get((e.kind, e.key)) != e.holds
    ]
    return Verified(database, len(wanted), missing)


QUERIES = {
    "user": "SELECT username, email FROM users",
    "post": "SELECT id, title FROM posts WHERE parent_id IS NULL",
    "reply": "SELECT id, body FROM posts WHERE parent_id IS NOT NULL",
    "vote": "SELECT u.username, v.post_id, v.value FROM votes v JOIN users u ON u.id = v.user_id",
    "mod_list": "SELECT id, name FROM mod_lists",
    "session": "SELECT id FROM user_sessions",
}


def _present(connection: Connection) -> dict[tuple[str, str], str]:
    """Everything that could be asked for. A table that is not there holds nothing."""
    found: dict[tuple[str, str], str] = {}
    tables = set(_tables(connection))
    for kind, query in QUERIES.items():
        if _main_table(query) not in tables:
            continue
        for row in connection.execute(text(query)):
            key, holds = _fact(kind, tuple(row))
            found[kind, key] = holds
    return found


def _tables(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()


def _main_table(query: str) -> str:
    return query.split(" FROM ")[1].split(maxsplit=1)[0]


def _fact(kind: str, row: tuple[Any, ...]) -> tuple[str, str]:
    match kind:
        case "session":
            return session_digest(str(row[0])), ""
        case "vote":
            return f"{row[0]}/{row[1]}", str(row[2])
        case "user":
            return str(row[0]), str(row[1])
    # A browser sends line ends as CR LF; what was typed is compared, not how the lines ended.
    return str(row[0]), str(row[1]).replace("\r\n", "\n")
