"""Sequences: set so that the next id is a new one, and looked at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transfer.catalog import SequenceOf, sequences
from transfer.pairing import TablePair
from transfer.postgres import Cursor
from transfer.sqlite import quoted


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


def state(cur: Cursor, of: SequenceOf, beyond: int | None = None) -> SequenceState:
    """Looked up, not drawn: a nextval() would use up an id. BEYOND: an id that was given before as well."""
    name = f"{quoted(of.schema)}.{quoted(of.name)}"
    cur.execute(
        f"SELECT s.last_value, s.is_called, p.seqincrement FROM {name} s, pg_sequence p"  # noqa: S608
        " WHERE p.seqrelid = %s::regclass",
        (name,),
    )
    last, called, step = _only(cur)
    column, table = quoted(of.column), quoted(of.table)
    cur.execute(f"SELECT max({column})::bigint, min({column})::bigint FROM {table}")  # noqa: S608
    highest, lowest = _only(cur)
    following = last + step if called else last
    seen = [x for x in (highest, beyond) if x is not None]
    ok = all(following > x for x in seen) if step > 0 else lowest is None or following < lowest
    return SequenceState(of.name, of.table, of.column, following, highest, ok)


def set_all(cur: Cursor, pairs: Sequence[TablePair], given: Mapping[str, int]) -> tuple[SequenceState, ...]:
    """Moves each sequence that feeds a copied column past every id there and every id SQLite ever GAVE (by
    source table). By ALTER SEQUENCE, which a rollback takes back; setval() would stay."""
    by_table = {p.target: p for p in pairs}
    done = []
    for of in sequences(cur):
        pair = by_table.get(of.table)
        if pair is None:
            continue
        single = len(pair.key) == 1 and pair.key[0].target == of.column
        beyond = given.get(pair.source) if single else None
        now = state(cur, of, beyond)
        if not now.ok:
            highest = max(x for x in (now.max_id, beyond) if x is not None)
            cur.execute(f"ALTER SEQUENCE {quoted(of.schema)}.{quoted(of.name)} RESTART WITH {highest + 1:d}")
            now = state(cur, of, beyond)
        done.append(now)
    return tuple(done)


def look(cur: Cursor, pairs: Sequence[TablePair]) -> tuple[SequenceState, ...]:
    ours = {p.target for p in pairs}
    return tuple(state(cur, of) for of in sequences(cur) if of.table in ours)


def _only(cur: Cursor) -> tuple[int, ...]:
    row = cur.fetchone()
    assert row is not None
    return row
