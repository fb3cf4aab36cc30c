"""What only the target can judge: its own types, domains, triggers and functions. Named, so that nobody takes the
silence of the audit for a yes; a dry run of the copy tells (`tminus db copy --dry-run`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from transfer.audit.findings import AuditFinding, Severity
from transfer.pairing import TablePair
from transfer.types import Kind

# One row each: table, column (or none), what it is.
_SQL = """
select c.relname, a.attname, 'a column of the domain ' || t.typname || ', whose own rules'
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_type t on t.oid = a.atttypid
 where c.oid = any(%(tables)s) and t.typtype = 'd'
   and (t.typnotnull or exists (select from pg_constraint k where k.contypid = t.oid))
union all
select c.relname, a.attname, 'a generated column, whose expression'
  from pg_class c join pg_attribute a on a.attrelid = c.oid where c.oid = any(%(tables)s) and a.attgenerated <> ''
union all
select c.relname, null, 'the exclusion constraint ' || k.conname || ', which'
  from pg_constraint k join pg_class c on c.oid = k.conrelid where c.oid = any(%(tables)s) and k.contype = 'x'
union all
select c.relname, null, 'the trigger ' || g.tgname || ', which runs for each row that is copied and'
  from pg_trigger g join pg_class c on c.oid = g.tgrelid
 where c.oid = any(%(tables)s) and not g.tgisinternal and g.tgenabled in ('O', 'A') and g.tgtype & 4 > 0
union all
select c.relname, null, 'the check ' || k.conname || ', which calls a function of this database and'
  from pg_constraint k join pg_class c on c.oid = k.conrelid
  join pg_depend d on d.classid = 'pg_constraint'::regclass and d.objid = k.oid and d.refclassid = 'pg_proc'::regclass
 where c.oid = any(%(tables)s) and k.contype = 'c'
union all
select c.relname, null, 'the index ' || i.relname || ', which is made of an expression that'
  from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
 where c.oid = any(%(tables)s) and x.indexprs is not null and not x.indisunique
order by 1, 2, 3
"""


def beyond(cur: Any, pairs: Sequence[TablePair]) -> Iterator[AuditFinding]:
    """A finding for everything in the target of PAIRS that this audit cannot hold values against."""
    cur.execute("select to_regclass(quote_ident(name))::oid from unnest(%s) as name", ([p.target for p in pairs],))
    tables = [oid for (oid,) in cur.fetchall() if oid is not None]
    cur.execute(_SQL, {"tables": tables})
    for table, column, what in cur.fetchall():
        yield _not_looked_at(table, column, what)
    for pair in pairs:
        for one in pair.columns:
            if one.type.kind is Kind.OTHER and not one.generated:
                what = f"a column of the type {one.type.name}, whose own syntax"
                yield _not_looked_at(pair.target, one.target, what)


def _not_looked_at(table: str, column: str | None, what: str) -> AuditFinding:
    text = f"{what} may refuse values: only a dry run of the copy tells (tminus db copy --dry-run)"
    return AuditFinding(table, column, "not-looked-at", Severity.CHANGES, None, (), text)
