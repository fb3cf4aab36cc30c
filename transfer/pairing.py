"""Which table and column of SQLite goes to which of PostgreSQL: by exact name, then by folded case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from transfer import catalog, sqlite
from transfer.types import Type

LEFT_ALONE = frozenset({"alembic_version"})


@dataclass(frozen=True, slots=True)
class ColumnPair:
    """GENERATED: the server computes it, so that it is compared but not sent. NOT_NULL is the target's.

    RULES: those the user wrote for it. ORPHANED: SQL that holds where a rule takes the reference as NULL.
    PRIVATE: of its values nothing but their length is ever shown.
    """

    source: str
    target: str
    type: Type
    generated: bool = False
    not_null: bool = False
    rules: tuple[str, ...] = ()
    orphaned: str = ""
    private: bool = False


@dataclass(frozen=True, slots=True)
class TablePair:
    """SCHEMA and TARGET name the table in PostgreSQL. KEY: the target's primary key, () = none.

    KEEP: SQL that holds for the rows that are carried, "" = all of them; a rule leaves the others out.
    """

    source: str
    schema: str
    target: str
    oid: int
    columns: tuple[ColumnPair, ...]
    key: tuple[ColumnPair, ...]
    keep: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the two schemas do not agree on. BLOCKS: nothing may be copied while it stands."""

    table: str
    column: str | None
    text: str
    blocks: bool = True


def names_of(pair: TablePair, column: ColumnPair) -> frozenset[str]:
    """What a rule or a person may call a column."""
    return frozenset(f"{t}.{c}" for t in (pair.source, pair.target) for c in (column.source, column.target))


class _Named(Protocol):
    @property
    def name(self) -> str: ...


L = TypeVar("L", bound=_Named)
R = TypeVar("R", bound=_Named)


def _match(left: Sequence[L], right: Sequence[R]) -> tuple[list[tuple[L, R]], list[L], list[R]]:
    """Pairs by exact name first; what is left over by folded case, where that is unambiguous."""
    exact = {r.name: r for r in right}
    pairs = [(x, exact[x.name]) for x in left if x.name in exact]
    lefts = [x for x in left if x.name not in exact]
    taken = {x.name for x, _ in pairs}
    rights = [r for r in right if r.name not in taken]
    for x in list(lefts):
        fits = [r for r in rights if r.name.casefold() == x.name.casefold()]
        rivals = [y for y in lefts if y.name.casefold() == x.name.casefold()]
        if len(fits) == 1 and len(rivals) == 1:
            pairs.append((x, fits[0]))
            lefts.remove(x)
            rights.remove(fits[0])
    return pairs, lefts, rights


def pair(
    source: Sequence[sqlite.Table], virtual: Sequence[str], target: Sequence[catalog.Table]
) -> tuple[tuple[TablePair, ...], tuple[Finding, ...]]:
    """The pairs, and everything that stands on one side only."""
    findings = [Finding(v, None, "virtual table: its content is not carried", False) for v in virtual]
    findings += [
        Finding(t.name, None, "storage of a virtual table: not carried", False) for t in source if t.kind == "shadow"
    ]
    ours = [t for t in source if t.kind == "table" and t.name not in LEFT_ALONE]
    theirs = [t for t in target if t.name not in LEFT_ALONE]
    matched, only_source, only_target = _match(ours, theirs)
    findings += [Finding(t.name, None, "only in SQLite: PostgreSQL has no such table") for t in only_source]
    findings += [Finding(t.name, None, "only in PostgreSQL: SQLite has no such table") for t in only_target]
    pairs = []
    for a, b in sorted(matched, key=lambda m: m[1].name):
        found, of_columns = _columns(a, b)
        findings += of_columns
        if b.partitioned:
            findings.append(Finding(b.name, None, "a partitioned table, which cannot be filled yet"))
        by_name = {c.target: c for c in found}
        key = tuple(by_name[k] for k in b.key if k in by_name)
        whole = len(key) == len(b.key)
        pairs.append(TablePair(a.name, b.schema, b.name, b.oid, found, key if whole else ()))
    return tuple(pairs), tuple(findings)


def _columns(a: sqlite.Table, b: catalog.Table) -> tuple[tuple[ColumnPair, ...], list[Finding]]:
    matched, only_source, only_target = _match(a.columns, b.columns)
    place = {c.name: i for i, c in enumerate(b.columns)}
    found = tuple(
        ColumnPair(x.name, y.name, y.type, y.generated, y.not_null)
        for x, y in sorted(matched, key=lambda m: place[m[1].name])
    )
    findings = [
        Finding(b.name, c.name, "only in SQLite" + (" (generated)" if c.generated else ""), not c.generated)
        for c in only_source
    ]
    findings += [
        Finding(b.name, c.name, "only in PostgreSQL" + (" (generated)" if c.generated else ""), not c.generated)
        for c in only_target
    ]
    if not [c for c in found if not c.generated]:
        findings.append(Finding(b.name, None, "no column in common"))
    return found, findings
