# ruff: noqa: DTZ001 - moments without a zone are what is stored
"""What holds of each of the odd cases, in one table; the tests assert it, and docs/transfer-cases.md is made of it.

    python -m tests.data.odd_expectations > docs/transfer-cases.md

A case is copied by itself, and then reads back equal; or it is refused, with a message that matches REFUSED. RULES are
what the user may write to have it copied all the same, LEFT_OUT the rows that these put into the reject file. PROBES
are statements in PostgreSQL and their rows, or, where a text, what PostgreSQL says when it refuses them. TOLD are the
findings, as patterns; there are no others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Expected:
    about: str
    refused: str = ""
    rules: dict[str, list[str]] = field(default_factory=dict)
    left_out: int = 0
    probes: tuple[tuple[str, Rows | str], ...] = ()
    told: tuple[str, ...] = ()


INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname = '{}'"
INF = float("inf")

EXPECTED: dict[str, Expected] = {
    "bool01": Expected(
        "0 and 1 in a BOOLEAN, with a default",
        probes=(
            ("SELECT * FROM t ORDER BY id", [(1, False, False), (2, True, True), (3, None, True)]),
            ("INSERT INTO t (b) VALUES (true) RETURNING id, c", [(4, False)]),
        ),
    ),
    "bool_text": Expected(
        "'true', 'f', 2 and '' in a BOOLEAN",
        refused=r"^t, id=1, column b: 'true': a text in a column of type boolean",
        rules={"t.b": ["cast", "null"]},
        probes=(("SELECT b FROM t ORDER BY id", [(True,), (False,), (True,), (None,), (None,)]),),
    ),
    "int_text": Expected(
        "texts in an INTEGER",
        refused=r"^t, id=2, column n: 'abc': a text in a column of type bigint",
        rules={"t.n": ["cast", "skip-row"]},
        left_out=4,
        probes=(("SELECT * FROM t", [(1, 5)]),),
    ),
    "text_int": Expected(
        "a blob and a real in a TEXT, texts that are too long",
        refused=r"^t, id=2, column s: b'7': a blob in a column of type text",
        rules={"t.s": ["cast"], "t.v": ["truncate"]},
        probes=(("SELECT s, v FROM t ORDER BY id", [("1", "abc"), ("7", "too"), ("3.5", "ééé")]),),
    ),
    "int64": Expected(
        "integers of 64 bits",
        probes=(("SELECT n, i FROM t ORDER BY id", [(2**40, 1), (-(2**63), 2**40), (2**63 - 1, 7)]),),
    ),
    "dates": Expected(
        "ISO dates and times, one with Z, one with an offset",
        refused=r"^t, id=2, column ts: '2024-02-29T12:34:56Z': a time zone in a column of type timestamp",
        rules={"t.ts": ["to-utc"]},
        probes=(
            (
                "SELECT d, ts FROM t ORDER BY id",
                [
                    (date(2024, 2, 29), datetime(2024, 2, 29, 12, 34, 56, 789012)),
                    (date(2024, 2, 29), datetime(2024, 2, 29, 12, 34, 56)),
                    (date(2024, 1, 1), datetime(2023, 12, 31, 18, 30)),
                ],
            ),
        ),
    ),
    "dates_epoch": Expected(
        "seconds and milliseconds since 1970 in one DATETIME",
        refused=r"^t, id=1, column ts: 1700000000: an integer in a column of type timestamp",
        rules={"t.ts": ["skip-row"]},
        left_out=2,
        probes=(("SELECT count(*) FROM t", [(0,)]),),
    ),
    "dates_julian": Expected(
        "a Julian day in a DATETIME",
        refused=r"^t, id=1, column ts: 2460310\.5: a real in a column of type timestamp",
        rules={"t.ts": ["julian-day"]},
        probes=(("SELECT ts FROM t", [(datetime(2024, 1, 1),)]),),
    ),
    "dates_bad": Expected(
        "'0000-00-00', 30 February and '' as dates",
        refused=r"^t, id=1, column d: '0000-00-00': not a date",
        rules={"t.d": ["null"], "t.ts": ["empty-to-null"]},
        probes=(
            (
                "SELECT d, ts FROM t ORDER BY id",
                [
                    (None, datetime(2024, 1, 1)),
                    (None, datetime(2024, 1, 1)),
                    (None, None),
                    (date(2024, 3, 1), datetime(2024, 3, 1)),
                ],
            ),
        ),
    ),
    "nul": Expected(
        "a NUL character in a text",
        refused=r"^t, id=1, column s: 'a\\x00b'",
        rules={"t.s": ["strip-nul"]},
        probes=(("SELECT s FROM t ORDER BY id", [("ab",), ("fine",)]),),
    ),
    "bad_utf8": Expected(
        "a text that is no UTF-8",
        refused=r"^t, id=1, column s: 'a\\udcffb'",
        rules={"t.s": ["latin-1"]},
        probes=(("SELECT s FROM t ORDER BY id", [("aÿb",), ("fine",)]),),
    ),
    "blob": Expected(
        "all bytes, none, and NULL in a BLOB",
        probes=(("SELECT b FROM t ORDER BY id", [(bytes(range(256)),), (b"",), (None,)]),),
    ),
    "text_in_blob": Expected(
        "texts in a BLOB",
        refused=r"^t, id=1, column b: 'QUJD': a text in a column of type bytea",
        rules={"t.b": ["cast"]},
        probes=(("SELECT b FROM t ORDER BY id", [(b"QUJD",), (b"hello world",), (b"ok",)]),),
    ),
    "blob_in_text": Expected(
        "a blob in a TEXT",
        refused=r"^t, id=1, column s: b'\\xde\\xad\\x00': a blob in a column of type text",
        rules={"t.s": ["null"]},
        probes=(("SELECT s FROM t ORDER BY id", [(None,), ("ok",)]),),
    ),
    "nocase": Expected(
        "UNIQUE under COLLATE NOCASE",
        probes=(
            ("INSERT INTO t VALUES (3, 'a@X.org')", "duplicate key"),
            ("INSERT INTO t VALUES (3, 'c@X.org') RETURNING e", [("c@X.org",)]),
        ),
        told=(r"COLLATE NOCASE is not carried", r"unique index UNIQUE \(e\) became one on \(lower\(\"e\"\)\)"),
    ),
    "without_rowid": Expected(
        "WITHOUT ROWID, a key of two columns",
        probes=(
            ("SELECT * FROM t ORDER BY b", [("x", 1, "p"), ("x", 2, "q")]),
            ("INSERT INTO t VALUES ('x', 2, 'r')", "duplicate key"),
        ),
    ),
    "generated": Expected(
        "generated columns, STORED and VIRTUAL",
        probes=(
            ("SELECT * FROM t ORDER BY id", [(1, 2, 4, "n2"), (2, 3, 6, "n3")]),
            ("INSERT INTO t (a) VALUES (9) RETURNING id, s, v", [(3, 18, "n9")]),
            ("INSERT INTO t (a, s) VALUES (9, 1)", "non-DEFAULT value"),
        ),
        told=(r"VIRTUAL in SQLite: STORED",),
    ),
    "fts": Expected(
        "a full-text index, which is a virtual table",
        probes=(
            ("SELECT * FROM t", [(1, "x")]),
            ("SELECT relname FROM pg_class WHERE relname LIKE 'f%' AND relnamespace = 'public'::regnamespace", []),
        ),
        told=(r"virtual table: its content is not carried", r"storage of a virtual table: not carried"),
    ),
    "views": Expected(
        "a view and a trigger",
        probes=(("SELECT * FROM t", [(1, "x!")]),),
        told=(r"^view: not carried", r"^trigger g: not carried"),
    ),
    "autoinc": Expected(
        "AUTOINCREMENT that has given more ids than are left",
        probes=(("INSERT INTO t (s) VALUES ('c') RETURNING id", [(91,)]),),
    ),
    "rowid_pk": Expected(
        "INTEGER PRIMARY KEY without AUTOINCREMENT",
        probes=(("INSERT INTO t (s) VALUES ('c') RETURNING id", [(8,)]),),
    ),
    "orphans": Expected(
        "a row whose parent does not exist",
        refused=r"^t: .*Key \(pid\)=\(99\) is not present in table \"p\"",
        rules={"t.pid": ["skip-orphan"]},
        left_out=1,
        probes=(("SELECT * FROM t", [(1, 1)]), ("INSERT INTO t VALUES (3, 99)", "foreign key")),
    ),
    "fk_cycle": Expected(
        "two tables that reference each other",
        probes=(
            ("INSERT INTO a VALUES (2, 9)", "foreign key"),
            ("INSERT INTO b VALUES (2, 9)", "foreign key"),
        ),
    ),
    "fk_actions": Expected(
        "ON DELETE CASCADE, ON UPDATE SET NULL, DEFERRABLE INITIALLY DEFERRED",
        probes=(
            (
                "SELECT confdeltype::text, confupdtype::text, condeferrable, condeferred FROM pg_constraint"
                " WHERE contype = 'f'",
                [("c", "n", True, True)],
            ),
            ("WITH gone AS (DELETE FROM p RETURNING id) SELECT * FROM gone", [(1,)]),
            ("SELECT count(*) FROM t", [(0,)]),
        ),
    ),
    "fk_implicit": Expected(
        "REFERENCES p, without a column",
        probes=(
            (
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'",
                [("FOREIGN KEY (pid) REFERENCES p(id)",)],
            ),
        ),
    ),
    "defaults": Expected(
        "defaults: constants and CURRENT_TIMESTAMP, which is UTC",
        probes=(
            (
                "INSERT INTO t DEFAULT VALUES RETURNING b, c, d, e, f,"
                " abs(extract(epoch FROM a - clock_timestamp() AT TIME ZONE 'UTC')) < 60",
                [(5, "it's", True, -1, 1.5, True)],
            ),
        ),
    ),
    "defaults_fn": Expected(
        "defaults: datetime('now'), strftime(), abs(-3)",
        probes=(
            (
                "INSERT INTO t DEFAULT VALUES RETURNING b = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), c,"
                " abs(extract(epoch FROM a - clock_timestamp() AT TIME ZONE 'UTC')) < 60",
                [(True, 3, True)],
            ),
        ),
    ),
    "default_null": Expected(
        "DEFAULT NULL",
        probes=(("INSERT INTO t DEFAULT VALUES RETURNING n, ts, b", [(None, None, None)]),),
    ),
    "names": Expected(
        "names in capitals, with blanks, reserved words",
        probes=(('SELECT "Id", "group", "User Name", "select" FROM "Order"', [(1, "g", "u", 2)]),),
    ),
    "longname": Expected("a name of 70 bytes", refused=r"^t: the name x{70} has 70 bytes, PostgreSQL keeps 63"),
    "json": Expected(
        "JSON that is none",
        refused=r"^t, id=2, column j: '\{bad'",
        rules={"t.j": ["null"]},
        probes=(("SELECT j::text FROM t ORDER BY id", [('{"a": 1}',), (None,), (None,)]),),
    ),
    "inf": Expected("infinities", probes=(("SELECT r, d FROM t ORDER BY id", [(INF, -INF), (1.0, 2.0)]),)),
    "real8": Expected(
        "doubles to the last bit",
        probes=(
            (
                "SELECT r, f, d, r::text FROM t ORDER BY id",
                [
                    (0.1 + 0.2, 0.1 + 0.2, 0.1 + 0.2, "0.30000000000000004"),
                    (123456789.123456789, 1 / 3, 1 / 3, "123456789.12345679"),
                    (0.0, 5e-324, 1.7976931348623157e308, "0"),  # SQLite itself keeps no -0.0
                ],
            ),
        ),
    ),
    "decimal": Expected(
        "DECIMAL(10,2) with three decimals",
        refused=r"^t, id=2, column d: 12\.345: more decimals than numeric\(10,2\) keeps",
        rules={"t.d": ["round"]},
        probes=(
            (
                "SELECT d, n FROM t ORDER BY id",
                [
                    (Decimal("0.10"), Decimal("0.30000000000000004")),
                    (Decimal("12.35"), Decimal("1e20")),
                    (Decimal(1000), Decimal("1e20")),
                ],
            ),
        ),
    ),
    "indexes": Expected(
        "UNIQUE, a partial, an expression and a DESC index",
        probes=(
            (INDEXES.format("u1"), [("CREATE UNIQUE INDEX u1 ON public.t USING btree (e) WHERE (del = 0)",)]),
            (INDEXES.format("i1"), [("CREATE INDEX i1 ON public.t USING btree (lower(e))",)]),
            (INDEXES.format("i2"), [("CREATE INDEX i2 ON public.t USING btree (e DESC)",)]),
            ("INSERT INTO t (e, del) VALUES ('a', 1)", "t_e_del_key"),
        ),
    ),
    "idx_partial": Expected(
        "a partial unique index",
        probes=((INDEXES.format("u1"), [("CREATE UNIQUE INDEX u1 ON public.t USING btree (e) WHERE (del = 0)",)]),),
    ),
    "idx_partial_dup": Expected(
        "a partial unique index, with duplicates beside it",
        probes=(
            ("INSERT INTO t (e, del) VALUES ('a', 0)", "duplicate key"),
            ("INSERT INTO t (e, del) VALUES ('a', 1) RETURNING e", [("a",)]),
        ),
    ),
    "idx_expr": Expected(
        "an index on an expression",
        probes=((INDEXES.format("i1"), [("CREATE INDEX i1 ON public.t USING btree (lower(e))",)]),),
    ),
    "idx_desc": Expected(
        "a descending index",
        probes=((INDEXES.format("i2"), [("CREATE INDEX i2 ON public.t USING btree (e DESC)",)]),),
    ),
    "checks": Expected(
        "CHECK and NOT NULL",
        probes=(
            ("INSERT INTO t (n, s) VALUES (0, 'a')", "check constraint"),
            ("INSERT INTO t (n) VALUES (1)", "not-null constraint"),
            ("INSERT INTO t (n, s) VALUES (1, 'a') RETURNING n", [(1,)]),
        ),
    ),
    "typeless": Expected(
        "columns without a type, or ANY, with values of several kinds",
        refused=r"^t, id=1, column x: 5: an integer in a column of type text",
        rules={"t.x": ["cast"], "t.y": ["cast"]},
        probes=(("SELECT x, y FROM t ORDER BY id", [("5", "a"), ("t", "b"), ("2.5", None)]),),
        told=(
            r"^no declared type, it holds integers and reals and texts: became text.*need a rule: cast",
            r"^declared type 'ANY' is unknown, it holds blobs and texts: became text.*blobs need a rule: cast",
        ),
    ),
    "specials": Expected(
        "tabs, line ends, backslashes, \\N, emoji, control characters",
        probes=(
            ("SELECT s FROM t WHERE id IN (6, 7, 8, 9) ORDER BY id", [("\\N",), ("\\.",), ("",), (None,)]),
            ("SELECT s FROM t WHERE id = 12", [("\x1f\x1e\x1d\b\f\v",)]),
        ),
    ),
    "utf16": Expected("a file in UTF-16", probes=(("SELECT s FROM t", [("žluťoučký 🚀",)]),)),
    "bigint_pk": Expected(
        "BIGINT PRIMARY KEY, which gives no ids",
        probes=(
            ("SELECT * FROM t ORDER BY id", [(-5, "neg"), (2**62, "a")]),
            ("SELECT count(*) FROM pg_sequences WHERE schemaname = 'public'", [(0,)]),
        ),
    ),
    "dup_null_pk": Expected(
        "NULL in a TEXT PRIMARY KEY",
        refused=r"^t, k=None, column k: None: NULL in a column that is NOT NULL",
        rules={"t.k": ["skip-row"]},
        left_out=2,
        probes=(("SELECT * FROM t", [("x", "c")]),),
    ),
    "empty": Expected(
        "a table without rows",
        probes=(
            ("INSERT INTO e (n) VALUES (1) RETURNING id", [(1,)]),
            ("INSERT INTO e (n) VALUES (NULL)", "not-null constraint"),
        ),
    ),
    "big_text": Expected(
        "a text of 30 MB",
        probes=(
            ("SELECT length(s), s = repeat('x', 30000000) FROM t ORDER BY id", [(30_000_000, True), (1, False)]),
        ),
    ),
    "time_cols": Expected(
        "TIME, INTERVAL, which SQLite does not know, and UUID in capitals",
        probes=(
            (
                "SELECT t, i, u::text FROM t",
                [(time(12, 34, 56, 789000), "1 day", "6f9619ff-8b86-d011-b42d-00cf4fc964ff")],
            ),
        ),
        told=(r"^declared type 'interval' is unknown, it holds texts: became text",),
    ),
}


def catalogue() -> str:
    """The page docs/transfer-cases.md."""
    lines = [
        "# What a copy does with odd data",
        "",
        "Each case is a SQLite file with one thing in it that real files have and PostgreSQL refuses, changes or takes",
        "for something else. `copy --create-schema` was run on each: *equal* means that it was copied and every value",
        "and the named feature were found in PostgreSQL; *refused* that nothing was copied, and the message names the",
        "table, the row and the value. A rule is what you may write under `[transfer.rules]`; nothing is changed or",
        "left out without one. This page is made by `python -m tests.data.odd_expectations > docs/transfer-cases.md`",
        "from the table that the tests assert.",
        "",
        "| case | what is in it | by itself | with rules | told beside |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, e in EXPECTED.items():
        rules = ", ".join(f"`{c}` = {' + '.join(r)}" for c, r in e.rules.items())
        if rules:
            rules += ": equal" + (f", {e.left_out} rows in the reject file" if e.left_out else "")
        told = "; ".join(_plain(t) for t in e.told)
        outcome = f"refused: {_plain(e.refused)}" if e.refused else "equal"
        lines.append(f"| {name} | {_cell(e.about)} | {_cell(outcome)} | {_cell(rules)} | {_cell(told)} |")
    equal = sum(not e.refused for e in EXPECTED.values())
    ruled = sum(bool(e.rules) for e in EXPECTED.values())
    lines += [
        "",
        f"{len(EXPECTED)} cases: {equal} equal by themselves, {len(EXPECTED) - equal} refused, {ruled} of them",
    ]
    lines[-1] += " equal with the rules named."
    return "\n".join(lines) + "\n"


def _plain(pattern: str) -> str:
    """A pattern as a person reads it."""
    text = pattern.strip("^").replace("x{70}", "xxx…").replace(".*", " … ").replace("\\\\", "\0")
    return text.replace("\\", "").replace("\0", "\\")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(catalogue(), end="")
