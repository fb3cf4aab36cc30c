"""Which stored values PostgreSQL would refuse or change, column by column.

Every table is read once. A chunk's column is judged as a whole, as cheaply as its type allows; only where that
finds something odd is it looked at value by value, by canonical.canonical(), which is what a copy goes by. So every
count is exact, and a column in which nothing is wrong costs little.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import date, time
from itertools import chain
from types import NoneType

from transfer.audit.findings import AuditFinding
from transfer.audit.kinds import Column
from transfer.expressions import ALIAS
from transfer.pairing import ColumnPair, TablePair
from transfer.progress import Pace, Watch
from transfer.sqlite import count, quoted
from transfer.types import Kind, Type
from transfer.values import Stored, value_of

_ROWS = 400
_DIGITS = bytes.maketrans(b"123456789", b"000000000")

# A column of a chunk without NULL -> whether nothing in it can be wrong. A doubt is a no.
Glance = Callable[[list[Stored], set[type]], bool]


def values(con: sqlite3.Connection, pairs: Sequence[TablePair], watch: Watch) -> Iterator[AuditFinding]:
    """Findings about values, in the order of tables and columns. CON with `text_factory = bytearray`."""
    for pair in pairs:
        yield from _table(con, pair, watch)


def _table(con: sqlite3.Connection, pair: TablePair, watch: Watch) -> Iterator[AuditFinding]:
    wanted = [c for c in pair.columns if not c.generated]
    keys = [quoted(c.source) for c in pair.key] or _rowid(con, pair)
    looks = [(Column(pair, c), _glance(c)) for c in wanted]
    names = ", ".join(f"{ALIAS}.{name}" for name in (*(quoted(c.source) for c in wanted), *keys))
    cursor = con.execute(f"SELECT {names} FROM {quoted(pair.source)} AS {ALIAS}")  # noqa: S608 - quoted
    width, total, done, pace = len(wanted) + len(keys), count(con, pair.source), 0, Pace()
    key_names = [c.target for c in pair.key] or [k.strip('"') for k in keys]
    while rows := cursor.fetchmany(_ROWS):
        if pace.due():
            watch.tell("audit", pair.target, done, total, "rows")
        flat = list(chain.from_iterable(rows))
        for i, (look, glance) in enumerate(looks):
            column = flat[i::width]
            types = set(map(type, column))
            if NoneType in types:
                types.discard(NoneType)
                if wanted[i].not_null:
                    types.add(NoneType)  # which no glance lets pass
                elif not types:
                    continue
                else:
                    column = [v for v in column if v is not None]
            if not glance(column, types):
                _look(look, rows, i, key_names, len(wanted))
        done += len(rows)
    for look, _ in looks:
        yield from look.findings()


def _look(look: Column, rows: Sequence[Sequence[Stored]], i: int, key_names: Sequence[str], first_key: int) -> None:
    for row in rows:
        if row[i] is not None or look.pair_column.not_null:
            look.judge(value_of(row[i]), lambda r=row: [value_of(v) for v in r[first_key:]], key_names)  # type: ignore[misc]


def _rowid(con: sqlite3.Connection, pair: TablePair) -> list[str]:
    """Names that tell a row where the target has no key: the rowid, or the key of a table without one."""
    found = con.execute("SELECT name, pk FROM pragma_table_info(?)", (pair.source,)).fetchall()
    named = {_name(n).casefold() for n, _ in found}
    without = con.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (pair.source,)).fetchone()
    if without is not None and without[0]:
        return [quoted(_name(n)) for n, pk in sorted(found, key=lambda f: f[1]) if pk]
    return [next((a for a in ("rowid", "_rowid_", "oid") if a not in named), quoted(pair.columns[0].source))]


def _name(value: str | bytes | bytearray) -> str:
    return value if isinstance(value, str) else value.decode()


def _glance(column: ColumnPair) -> Glance:
    of = column.type
    match of.kind:
        case Kind.INTEGER:
            least, most = of.range
            if of.size == 8:
                return lambda column, types: types == {int}
            return lambda column, types: types == {int} and least <= min(column) and max(column) <= most  # type: ignore[type-var,operator]
        case Kind.BOOLEAN:
            return lambda column, types: types == {int} and set(column) <= {0, 1}
        case Kind.FLOAT if of.size != 4:
            return lambda column, types: types == {float}
        case Kind.NUMERIC:
            return _numeric(of)
        case Kind.BYTES:
            return lambda column, types: types == {bytes}
        case Kind.TEXT:
            return _text(of)
        case Kind.JSON:
            return lambda column, types: types == {bytearray} and all(map(_is_json, column))
        case Kind.DATE:
            return lambda column, types: types == {bytearray} and _moments(column, b"0000-00-00", day=True)
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ if of.scale in (None, 6):
            full, short = b"0000-00-00 00:00:00.000000", b"0000-00-00 00:00:00"
            return lambda column, types: (
                types == {bytearray}
                and (_moments(column, full, day=True, clock=11) or _moments(column, short, day=True, clock=11))
            )
        case Kind.TIME if of.scale in (None, 6):
            return lambda column, types: types == {bytearray} and _moments(column, b"00:00:00.000000", clock=0)
        case _:
            return lambda column, types: False


def _numeric(of: Type) -> Glance:
    if of.scale is None or of.precision is None:
        return lambda column, types: types <= {int, float} and b"inf" not in b"%a" % column
    most, step = 10 ** (of.precision - of.scale), 10**of.scale

    def fits(column: list[Stored], types: set[type]) -> bool:
        """A double of so few decimals is the one nearest to a whole number of steps."""
        if not types <= {int, float}:
            return False
        return all(-most < v < most and round(v * step) / step == v for v in column)

    return fits if of.scale >= 0 else lambda column, types: False


def _text(of: Type) -> Glance:
    def fits(column: list[Stored], types: set[type]) -> bool:
        if types != {bytearray}:
            return False
        together = b"\n".join(column)  # type: ignore[arg-type]
        if b"\0" in together or (of.length is not None and max(map(len, column)) > of.length):  # type: ignore[arg-type]
            return False
        return together.isascii() or _is_utf8(together)

    return fits


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_json(text: Stored) -> bool:
    try:
        json.loads(text, parse_constant=_refused)  # type: ignore[arg-type]
    except (ValueError, RecursionError):
        return False
    return b"\0" not in text  # type: ignore[operator]


def _refused(name: str) -> None:
    raise ValueError(name)


def _moments(column: list[Stored], template: bytes, *, day: bool = False, clock: int | None = None) -> bool:
    """Every text is of the template's shape, and its day and its time of day exist."""
    lines = b"\n".join(column) + b"\n"  # type: ignore[arg-type]
    if lines.translate(_DIGITS) != (template + b"\n") * len(column):
        return False
    texts = lines.decode().split("\n")[:-1]
    if day and not _DAYS.hold({t[:10] for t in texts}):
        return False
    return clock is None or _CLOCKS.hold({t[clock : clock + 8] for t in texts})


class _Valid:
    """Texts of which it is known that they parse: there are few days and clock times, and many values."""

    def __init__(self, parse: Callable[[str], object]) -> None:
        self._parse = parse
        self._known: set[str] = set()

    def hold(self, texts: set[str]) -> bool:
        new = texts - self._known
        try:
            for text in new:
                self._parse(text)
        except ValueError:
            return False
        self._known |= new
        return True


_DAYS = _Valid(date.fromisoformat)
_CLOCKS = _Valid(time.fromisoformat)
