"""Sequences: set so that the next id is a new one, and looked at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transfer.catalog import SequenceOf, sequences
from transfer.pairing import TablePair
from transfer.postgres import Cursor
from transfer.sqlite import quoted

# Sequences looked up in one statement.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class SequenceState:
    """NEXT_VALUE is what nextval() would give; MAX_ID the highest id in the column, None in an empty table.

    OK: the next value is beyond every id.
    """

    sequence: str
    table: str
    column: str
    next_value: int
    max_id: int | None
    ok: bool


def states(
    cur: Cursor, wanted: Sequence[SequenceOf], beyond: Mapping[SequenceOf, int | None]
) -> tuple[SequenceState, ...]:
    """Looked up, not drawn: a nextval() would use up an id. BEYOND: an id that was given before as well."""
    found: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        each = (_looked_up(i, wanted[i]) for i in range(start, min(start + _AT_ONCE, len(wanted))))
        cur.execute(" UNION ALL ".join(each))
        found |= {row[0]: row[1:] for row in cur.fetchall()}
    return tuple(_judged(of, found[i], beyond.get(of)) for i, of in enumerate(wanted))


def _looked_up(i: int, of: SequenceOf) -> str:
    name, column, table = f"{quoted(of.schema)}.{quoted(of.name)}", quoted(of.column), quoted(of.table)
    literal = "'" + name.replace("'", "''") + "'"
    return (
        f"SELECT {i}, s.last_value, s.is_called::int, p.seqincrement,"  # noqa: S608 - quoted
        f" (SELECT max({column})::bigint FROM {table}), (SELECT min({column})::bigint FROM {table})"
        f" FROM {name} s, pg_sequence p WHERE p.seqrelid = {literal}::regclass"
    )


def _judged(of: SequenceOf, found: Sequence[int], beyond: int | None) -> SequenceState:
    last, called, step, highest, lowest = found
    following = last + step if called else last
    seen = [x for x in (highest, beyond) if x is not None]
    ok = all(following > x for x in seen) if step > 0 else lowest is None or following < lowest
    return SequenceState(of.name, of.table, of.column, following, highest, ok)


def set_all(cur: Cursor, pairs: Sequence[TablePair], given: Mapping[str, int]) -> tuple[SequenceState, ...]:
    """Moves each sequence that feeds a copied column past every id there and every id SQLite ever GAVE (by
    source table). By ALTER SEQUENCE, which a rollback takes back; setval() would stay."""
    by_table = {p.target: p for p in pairs}
    beyond: dict[SequenceOf, int | None] = {}
    for of in sequences(cur):
        pair = by_table.get(of.table)
        if pair is not None:
            single = len(pair.key) == 1 and pair.key[0].target == of.column
            beyond[of] = given.get(pair.source) if single else None
    wanted = tuple(beyond)
    behind = [(of, now) for of, now in zip(wanted, states(cur, wanted, beyond), strict=True) if not now.ok]
    if behind:
        cur.execute("; ".join(_restart(of, now, beyond[of]) for of, now in behind))
    return states(cur, wanted, beyond)


def _restart(of: SequenceOf, now: SequenceState, beyond: int | None) -> str:
    highest = max(x for x in (now.max_id, beyond) if x is not None)
    return f"ALTER SEQUENCE {quoted(of.schema)}.{quoted(of.name)} RESTART WITH {highest + 1:d}"


def look(cur: Cursor, pairs: Sequence[TablePair]) -> tuple[SequenceState, ...]:
    ours = {p.target for p in pairs}
    return states(cur, [of for of in sequences(cur) if of.table in ours], {})
