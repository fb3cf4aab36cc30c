"""Keys of a table on both sides: primary, unique, foreign, indexes, and its CHECKs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from transfer.schema.clauses import tokens
from transfer.schema.line import CARRIED, DIFFERS, NOT_CARRIED, Held, SchemaLine, State, Thing, plain
from transfer.schema.model import Check, Index, Part
from transfer.schema.target import Target, TargetCheck, TargetForeignKey, TargetIndex
from transfer.schema.translating import Untranslatable, condition, translated
from transfer.sqlite import quoted
from transfer.types import Kind


def lines(held: Held, target: Target) -> Iterator[SchemaLine]:
    folding = {c.name for c in target.columns if c.table == held.pair.oid and c.folds}
    theirs = [i for i in target.indexes if i.table == held.pair.oid]
    taken: set[str] = set()
    yield from _primary(held, theirs, taken)
    for index in held.source.indexes:
        yield _index(held, index, theirs, folding, taken)
    for i in theirs:
        if i.unique and i.name not in taken:
            yield held.line("unique", i.name, DIFFERS, f"only in PostgreSQL: {_shown(i)}")
    yield from _checks(held, [c for c in target.checks if c.table == held.pair.oid])
    yield from _foreign_keys(held, [f for f in target.foreign_keys if f.table == held.pair.oid])


def _primary(held: Held, theirs: Sequence[TargetIndex], taken: set[str]) -> Iterator[SchemaLine]:
    ours, there = held.source.key, held.target.key
    name = ", ".join(ours or there)
    if not ours and not there:
        return
    if not ours:
        yield held.line("primary key", name, DIFFERS, "only in PostgreSQL")
    elif there:
        same = tuple(map(held.named, ours)) == there
        yield held.line("primary key", name, CARRIED if same else DIFFERS, "" if same else ", ".join(there))
    else:
        wanted = [plain(quoted(held.named(c) or "")) for c in ours]
        unique = next((i for i in theirs if i.unique and not i.predicate and [*map(plain, i.keys)] == wanted), None)
        if unique is None:
            yield held.line("primary key", name, NOT_CARRIED, "PostgreSQL has none")
        else:
            taken.add(unique.name)
            yield held.line("primary key", name, DIFFERS, f"UNIQUE alone in PostgreSQL: {_shown(unique)}")


def _key(held: Held, part: Part, folding: set[str]) -> str:
    if part.column is None:
        return plain(translated(part.expression, held.columns, in_index=True).sql)
    name = held.named(part.column)
    if name is None:
        raise Untranslatable(f"{part.column} is not in PostgreSQL")
    kind = next(c.type.kind for c in held.pair.columns if c.target == name)
    if part.collation == "NOCASE" and kind in (Kind.TEXT, Kind.PADDED) and name not in folding:
        return plain(f"lower({quoted(name)})")
    return plain(quoted(name))


def _index(held: Held, index: Index, theirs: Sequence[TargetIndex], folding: set[str], taken: set[str]) -> SchemaLine:
    thing: Thing = "unique" if index.unique else "index"
    name = index.name or ", ".join(p.column or p.expression for p in index.parts)
    try:
        wanted = [_key(held, p, folding) for p in index.parts]
        where = plain(condition(index.predicate, held.columns)) if index.predicate else ""
    except Untranslatable as e:
        wanted, where = [], f"? {e}"
    bare = [plain(quoted(held.named(p.column) or "")) if p.column else "" for p in index.parts]
    # The best of those that are left: the same, then the same keys, then the same name.
    best: tuple[int, TargetIndex, State, str] | None = None
    for there in theirs:
        if there.name in taken or (index.unique and not there.unique):
            continue
        rank, state, text = _likeness(index, there, wanted, where, bare)
        if rank and (best is None or rank > best[0]):
            best = rank, there, state, text
    if best is None:
        lost = "duplicates are possible in PostgreSQL" if index.unique else "PostgreSQL has no such index"
        return held.line(thing, name, NOT_CARRIED, lost)
    taken.add(best[1].name)
    return held.line(thing, name, best[2], best[3])


def _likeness(
    index: Index, there: TargetIndex, wanted: Sequence[str], where: str, bare: Sequence[str]
) -> tuple[int, State, str]:
    """0 (nothing in common) to 5 (the same), and what is to be said of it."""
    keys = [plain(k) for k in there.keys]
    same_keys = sorted(keys) == sorted(wanted) if index.unique else keys == list(wanted)
    shown = f"{_shown(there)} in PostgreSQL"
    if wanted and same_keys:
        if where != plain(there.predicate):
            ours = f"WHERE {index.predicate}" if index.predicate else "the whole table"
            return 4, DIFFERS, f"{ours} in SQLite, {shown}"
        if not index.unique and tuple(p.descending for p in index.parts) != there.descending:
            return 4, DIFFERS, f"the direction of its keys: {shown}"
        if not index.unique and there.unique:
            return 4, DIFFERS, f"unique in PostgreSQL alone: {shown}"
        return 5, CARRIED, ""
    if index.unique and sorted(keys) == sorted(bare):
        return 3, DIFFERS, f"case does not matter in SQLite, {shown}"
    if sorted(keys) == sorted(wanted) and wanted:
        return 2, DIFFERS, f"the order of its keys: {shown}"
    return (1, DIFFERS, shown) if there.name == index.name else (0, NOT_CARRIED, "")


def _shown(i: TargetIndex) -> str:
    keys = ", ".join(k + " DESC" * d for k, d in zip(i.keys, i.descending, strict=True))
    return f"{i.name} on ({keys})" + (f" WHERE {i.predicate}" if i.predicate else "")


def _checks(held: Held, theirs: list[TargetCheck]) -> Iterator[SchemaLine]:
    """By the same condition; then by name or by the columns they speak of, which is said: neither is a proof."""
    left = list(theirs)
    open_ = list(held.source.checks)
    for like, said in ((_same_condition, ""), (_same_name, ": by name"), (_same_columns, ": by their columns")):
        for check in list(open_):
            there = next((t for t in left if like(held, check, t)), None)
            if there is not None:
                left.remove(there)
                open_.remove(check)
                name = check.name or there.name
                both = f"({check.text}) in SQLite, {there.text} in PostgreSQL{said}"
                yield held.line("check", name, CARRIED, both)
    for check in open_:
        name = check.name or ", ".join(_spoken_of(held, check))
        kept = _kept_by_type(held, check)
        yield held.line("check", name, CARRIED if kept else NOT_CARRIED, f"({check.text}){kept}")
    for there in left:
        yield held.line("check", there.name, DIFFERS, f"only in PostgreSQL: {there.text}")


def _same_name(held: Held, check: Check, there: TargetCheck) -> bool:
    return check.name == there.name


def _same_condition(held: Held, check: Check, there: TargetCheck) -> bool:
    try:
        return plain(f"CHECK({condition(check.text, held.columns)})") == plain(there.text)
    except Untranslatable:
        return False


def _same_columns(held: Held, check: Check, there: TargetCheck) -> bool:
    return {held.named(c) for c in _spoken_of(held, check)} == set(there.columns)


def _spoken_of(held: Held, check: Check) -> tuple[str, ...]:
    found = [held.source.column(t.name) for t in tokens(check.text) if t.kind in ("word", "quoted")]
    return tuple(dict.fromkeys(c.name for c in found if c is not None))


def _kept_by_type(held: Held, check: Check) -> str:
    """x IN (0, 1) needs no saying of a boolean, json_valid(x) none of a json."""
    spoken = _spoken_of(held, check)
    if len(spoken) != 1:
        return ""
    kind = next((c.type.kind for c in held.pair.columns if c.source == spoken[0]), None)
    said = plain(check.text).replace(plain(quoted(spoken[0])), "x", 1)
    if (kind is Kind.BOOLEAN and said == "xin0,1") or (kind in (Kind.JSON, Kind.JSONB) and said == "json_validx"):
        return f" in SQLite, by the type {kind} in PostgreSQL"
    return ""


def _foreign_keys(held: Held, theirs: list[TargetForeignKey]) -> Iterator[SchemaLine]:
    left = list(theirs)
    for f in held.source.foreign_keys:
        parent = held.tables.get(f.parent)
        columns = tuple(map(held.named, f.columns))
        wanted = tuple(
            next((c.target for c in parent.columns if c.source == p), None) if parent else None
            for p in f.parent_columns
        )
        name = f.name or f"({', '.join(f.columns)}) to {f.parent}"
        there = next(
            (
                t
                for t in left
                if parent is not None
                and t.parent == parent.target
                and set(zip(t.columns, t.parent_columns, strict=True)) == set(zip(columns, wanted, strict=False))
            ),
            None,
        )
        if there is None:
            yield held.line("foreign key", name, NOT_CARRIED, "PostgreSQL does not hold the rows to it")
            continue
        left.remove(there)
        ours = (f"ON UPDATE {f.on_update}", f"ON DELETE {f.on_delete}", f.deferrable or "NOT DEFERRABLE")
        same = (
            f"ON UPDATE {there.on_update}",
            f"ON DELETE {there.on_delete}",
            there.deferrable or "NOT DEFERRABLE",
        )
        differing = [f"{a} in SQLite, {b} in PostgreSQL" for a, b in zip(ours, same, strict=True) if a != b]
        yield held.line("foreign key", name, DIFFERS if differing else CARRIED, "; ".join(differing))
    for there in left:
        columns_there = ", ".join(there.columns)
        yield held.line(
            "foreign key", there.name, DIFFERS, f"only in PostgreSQL: ({columns_there}) to {there.parent}"
        )
