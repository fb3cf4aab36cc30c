"""What a role may not do that a copy or a comparison needs, found before anything is done.

A copy takes keys and indexes down, empties, fills and puts back: that takes the owner of the tables, not a
superuser. PostgreSQL would refuse each step too, the last of them after all rows have been sent.
"""

from __future__ import annotations

from collections.abc import Collection

from transfer.errors import Refused
from transfer.postgres import Cursor

_READ_ONLY = """
SELECT 'the server is a standby, which is read-only: use the primary' WHERE pg_is_in_recovery()
UNION ALL
SELECT 'default_transaction_read_only is on for this role or database: switch it off, or use another role'
WHERE NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'on'
"""
# Membership with USAGE is what PostgreSQL itself asks for where it says "must be owner".
_TO_FILL = """
WITH ours AS (
    SELECT c.oid, c.relowner, c.relnamespace, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY(%(tables)s))
SELECT name, 'ownership (the owner is ' || pg_get_userbyid(relowner) || ')' FROM ours
WHERE NOT pg_has_role(relowner, 'USAGE')
UNION
SELECT name, p FROM ours CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'TRUNCATE']) p
WHERE NOT has_table_privilege(oid, p)
UNION
SELECT t.oid::regclass::text, 'ownership (its foreign key ' || k.conname || ' is taken down and put back)'
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
WHERE k.contype = 'f' AND k.confrelid = ANY(%(tables)s) AND NOT k.conrelid = ANY(%(tables)s)
  AND NOT pg_has_role(t.relowner, 'USAGE')
UNION
SELECT k.confrelid::regclass::text, 'REFERENCES (for the foreign key ' || k.conname || ')'
FROM pg_constraint k
WHERE k.contype = 'f' AND k.conrelid = ANY(%(tables)s) AND NOT has_table_privilege(k.confrelid, 'REFERENCES')
UNION
SELECT s.oid::regclass::text, 'ownership (a sequence, which is set)'
FROM pg_class s
JOIN (SELECT d.objid AS sequence FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
        AND d.deptype IN ('a', 'i') AND d.refobjid = ANY(%(tables)s)
      UNION
      SELECT d.refobjid FROM pg_depend d JOIN pg_attrdef def ON def.oid = d.objid
      WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
        AND def.adrelid = ANY(%(tables)s)) feeds ON feeds.sequence = s.oid
WHERE s.relkind = 'S' AND NOT pg_has_role(s.relowner, 'USAGE')
UNION
SELECT 'schema ' || quote_ident(n.nspname), 'CREATE (indexes are made anew)'
FROM pg_namespace n WHERE n.oid IN (SELECT relnamespace FROM ours) AND NOT has_schema_privilege(n.oid, 'CREATE')
ORDER BY 1, 2
"""
_TO_READ = """
SELECT c.oid::regclass::text, 'SELECT' FROM pg_class c
WHERE c.oid = ANY(%(tables)s) AND NOT has_table_privilege(c.oid, 'SELECT')
ORDER BY 1
"""
_HIDDEN = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.oid = ANY(%(tables)s) AND c.relrowsecurity AND NOT (
    SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles r WHERE r.rolname = current_user)
  AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE'))
ORDER BY 1
"""


def lacking_to_fill(cur: Cursor, tables: Collection[int]) -> tuple[str, ...]:
    """Everything that stands between this session and a copy into TABLES (oids), a sentence each; () = nothing."""
    cur.execute(_READ_ONLY)
    said = [str(row[0]) for row in cur.fetchall()]
    return (*said, *_missing(cur, _TO_FILL, tables), *_hidden(cur, tables))


def lacking_to_read(cur: Cursor, tables: Collection[int]) -> tuple[str, ...]:
    """Everything that stands between this session and a comparison of TABLES (oids), a sentence each."""
    return (*_missing(cur, _TO_READ, tables), *_hidden(cur, tables))


def require(lacking: Collection[str]) -> None:
    """Raises Refused with all of LACKING, when there is any."""
    if lacking:
        owner = any("ownership" in said for said in lacking)
        mend = "Connect as the owner of the tables (who ran the migrations)." if owner else "Mend that first."
        raise Refused(f"This role may not do it, nothing was done: {'; '.join(lacking)}. {mend}")


def _missing(cur: Cursor, query: str, tables: Collection[int]) -> list[str]:
    cur.execute(query, {"tables": list(tables)})
    return [f"{name}: lacks {privilege}" for name, privilege in cur.fetchall()]


def _hidden(cur: Cursor, tables: Collection[int]) -> list[str]:
    cur.execute(_HIDDEN, {"tables": list(tables)})
    return [f"{name}: row level security hides rows from this role" for (name,) in cur.fetchall()]
