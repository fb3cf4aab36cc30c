"""The target before and after its load: empty, its big tables' keys and indexes down, and all of them back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import psycopg2

from transfer import constraints, refusing
from transfer.constraints import Definition
from transfer.errors import Refused
from transfer.pairing import Finding, TablePair
from transfer.postgres import Cursor
from transfer.progress import Watch
from transfer.proving import target_name

# Below this, taking keys and indexes down and putting them back costs more than keeping them up, and truncating
# an empty table to write its rows as frozen more than freezing them later.
BIG = 10_000
# Tables asked about in one statement.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Ready:
    """A target that can be filled: ORDER to load in (oids), tables TRUNCATED, definitions BEFORE and those DOWN."""

    order: tuple[int, ...]
    truncated: frozenset[int]
    before: tuple[Definition, ...]
    down: tuple[Definition, ...]


def check_schemas(pairs: Sequence[TablePair], findings: Sequence[Finding]) -> None:
    """Raises Refused when something stands on one side only, or there is nothing to copy."""
    blocking = [f for f in findings if f.blocks]
    if blocking:
        said = "; ".join(f"{f.table}{'.' + f.column if f.column else ''}: {f.text}" for f in blocking)
        raise Refused(f"The two schemas differ, nothing was copied: {said}")
    if not pairs:
        raise Refused("There is no table to copy: are the migrations applied, and is this the right file?")


def make_ready(cur: Cursor, pairs: Sequence[TablePair], totals: Sequence[int], allowed: Collection[str]) -> Ready:
    """Locks the tables, sees that they are empty or ALLOWED to be emptied, and takes down what costs time.

    TOTALS: rows to come, by pair. Raises Refused, naming the tables, when others hold rows.
    """
    cur.execute(f"LOCK TABLE {', '.join(map(target_name, pairs))} IN ACCESS EXCLUSIVE MODE")
    full = _full(cur, pairs)
    _check_empty(pairs, full, allowed)
    oids = [p.oid for p in pairs]
    before = constraints.definitions(cur, oids)
    big = full | {p.oid for p, total in zip(pairs, totals, strict=True) if total > BIG}
    order = constraints.loading_order(oids, before)
    down = constraints.to_take_down(before, big, order)
    constraints.take_down(cur, down)
    if big:
        cur.execute(f"TRUNCATE {', '.join(target_name(p) for p in pairs if p.oid in big)}")
    return Ready(order, frozenset(big), before, down)


def _full(cur: Cursor, pairs: Sequence[TablePair]) -> set[int]:
    """Tables (oids) that hold rows."""
    found: set[int] = set()
    for some in _batches(pairs):
        each = (f"SELECT {p.oid} WHERE EXISTS (SELECT FROM {target_name(p)})" for p in some)  # noqa: S608
        cur.execute(" UNION ALL ".join(each))
        found |= {oid for (oid,) in cur.fetchall()}
    return found


def _batches(pairs: Sequence[TablePair]) -> Iterator[list[TablePair]]:
    left = iter(pairs)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def _check_empty(pairs: Sequence[TablePair], full: Collection[int], allowed: Collection[str]) -> None:
    unknown = set(allowed) - {p.target for p in pairs}
    if unknown:
        raise Refused(f"Tables that may hold rows, but do not exist: {', '.join(sorted(unknown))}")
    held = [p.target for p in pairs if p.oid in full and p.target not in allowed]
    if held:
        raise Refused(
            f"The target is not empty: {', '.join(held)} hold rows. Nothing was copied. Use an empty schema,"
            " or name the tables whose rows may be replaced."
        )


def put_all_back(cur: Cursor, pairs: Sequence[TablePair], ready: Ready, watch: Watch) -> None:
    """Every key and index as it was before. Raises Refused when the rows do not keep one, or one is not the same."""
    for done, d in enumerate(sorted(ready.down, key=lambda d: d.type == "f")):
        watch.tell("index", d.table, done, len(ready.down), "definitions")
        try:
            constraints.put_back(cur, d)
        except psycopg2.IntegrityError as e:
            raise refusing.not_kept(pairs, d.table_oid, f"{d.name} ({d.text})", e) from None
    try:
        cur.execute("SET CONSTRAINTS ALL IMMEDIATE")  # deferred ones would be looked at by COMMIT, after the proof
    except psycopg2.IntegrityError as e:
        oid = next((p.oid for p in pairs if p.target == e.diag.table_name), 0)
        raise refusing.not_kept(pairs, oid, e.diag.constraint_name or "a constraint", e) from None
    constraints.check_same(ready.before, constraints.definitions(cur, [p.oid for p in pairs]))
    analyze(cur, [p for p in pairs if p.oid in ready.truncated])


def analyze(cur: Cursor, pairs: Sequence[TablePair]) -> None:
    """Tells the planner what is there. Of a table that was not truncated in the same transaction only after the
    commit: a rollback would not take it back."""
    if pairs:
        cur.execute(f"ANALYZE {', '.join(map(target_name, pairs))}")
