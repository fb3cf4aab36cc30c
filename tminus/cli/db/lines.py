"""Results as lines for people: pure, from what `transfer` returned."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

from state.clean import clean
from state.durations import format_duration

_MOST = 60  # characters of a name in a table


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Aligned columns; numbers to the right, with thousands set apart.

    >>> table(("table", "rows"), [("users", 1200), ("x", 7)])
    ['table   rows', 'users  1,200', 'x          7']
    """
    rows = [tuple(row) for row in rows]
    numeric = [bool(rows) and all(isinstance(row[i], int | None) for row in rows) for i in range(len(head))]
    cells = [tuple(head), *(tuple(map(_cell, row)) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    places = list(zip(widths, numeric, strict=True))
    return [
        "  ".join(c.rjust(w) if right else c.ljust(w) for c, (w, right) in zip(row, places, strict=True)).rstrip()
        for row in cells
    ]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = clean(str(value))
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def size(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count:,} bytes"


def took(seconds: float) -> str:
    """A stretch of time; tenths as long as they matter."""
    return f"{seconds:.1f}s" if seconds < 10 else format_duration(seconds)


def indented(lines: Iterable[str]) -> list[str]:
    """LINES, below a heading."""
    return [f"  {line}" for line in lines]


def finding_lines(findings: Iterable[Any]) -> list[str]:
    """What the two schemas do not agree on."""
    return [
        f"{'BLOCKS' if f.blocks else 'note  '}  {f.table}{'.' + f.column if f.column else ''}: {f.text}"
        for f in findings
    ]


def difference_line(found: Any) -> str:
    """One value or row that is not the same on both sides."""
    where = f"{found.table}  {found.key}" + (f"  {found.column}" if found.column else "")
    match found.kind:
        case "missing":
            return f"{where}  not in PostgreSQL: {found.sqlite}"
        case "extra":
            return f"{where}  only in PostgreSQL: {found.postgres}"
        case "value":
            return f"{where}  SQLite {_value(found.sqlite)} | PostgreSQL {_value(found.postgres)}"
        case _:
            return f"{where}  the contents differ, and no row that explains it was found"


def _value(value: str | None) -> str:
    return "NULL" if value is None else repr(value)


def comparison_lines(found: Any) -> list[str]:
    """A comparison: the verdict, the tables, and everything that is not as it should be."""
    rows = sum(t.rows_sqlite for t in found.tables)
    behind = [s for s in found.sequences if not s.ok]
    broken = [f for f in found.foreign_keys if not f.ok]
    verdict = "EQUAL" if found.equal else "DIFFERENT" if found.tables else "NOTHING TO COMPARE"
    lines = [f"{verdict}: {len(found.tables)} tables, {rows:,} rows, in {took(found.seconds)}", ""]
    lines += table(
        ("table", "rows in SQLite", "rows in PostgreSQL", "contents"),
        [(t.table, t.rows_sqlite, t.rows_postgres, "equal" if t.equal else "DIFFERENT") for t in found.tables],
    )
    lines += ["", *map(difference_line, found.differences)] if found.differences else []
    lines += [
        "",
        f"sequences: {len(found.sequences) - len(behind)} of {len(found.sequences)} ahead of their ids",
        *indented(f"BEHIND  {s.table}.{s.column}: {s.sequence} would give {s.next_value} again" for s in behind),
        f"foreign keys: {len(found.foreign_keys) - len(broken)} of {len(found.foreign_keys)} hold",
        *indented(f"BROKEN  {f.table}: {f.name}, {f.orphans:,} rows without a parent" for f in broken),
        *finding_lines(found.findings),
    ]
    return lines


def audit_lines(found: Any) -> list[str]:
    """An audit: the verdict, every finding with its examples, and the rules that would settle them."""
    count = {s: sum(f.severity == s and not f.settled for f in found.findings) for s in ("blocks", "changes", "note")}
    settled = sum(bool(f.settled) for f in found.findings)
    verdict = "CLEAN" if found.clean and found.tables else "NOT CLEAN" if found.tables else "NOTHING TO LOOK AT"
    lines = [
        f"{verdict}: {found.rows:,} rows of {found.tables} tables, in {took(found.seconds)}",
        f"{count['blocks']} that PostgreSQL refuses, {count['changes']} that would be changed, "
        f"{count['note']} notes, {settled} settled by a rule",
        f"types: {found.target or 'assumed from the declarations in SQLite'}",
    ]
    words = {"blocks": "BLOCKS ", "changes": "CHANGES", "note": "note   "}
    rank = {"blocks": 0, "changes": 1, "note": 2}
    ordered = sorted(found.findings, key=lambda f: (bool(f.settled), rank.get(f.severity, 0), f.table))
    for f in ordered:
        where = f"{f.table}.{f.column}" if f.column else f.table
        times = "" if f.count is None else f"  {f.count:,} times"
        word = "settled" if f.settled else words.get(f.severity, "BLOCKS ")
        lines += ["", f"{word}  {where}{times}  {f.text}"]
        lines += [f"         e.g. {e.key}: {e.value}" for e in f.examples]
    rules = rule_lines(f.rule for f in ordered if f.rule and not f.settled and f.severity != "note")
    if rules:
        lines += [
            "",
            "Correct the rows in SQLite, or decide for rules (in the checklist, or a file for --rules):",
            "",
        ]
        lines += ["[transfer.rules]", *rules]
    return lines


def rule_lines(suggested: Iterable[str]) -> list[str]:
    """Lines of TOML that may stand together: a column with several things to settle gets one key with a list.

    >>> rule_lines(['"a.b" = "cast"', '"a.c" = "null"', '"a.b" = "truncate"', '"a.b" = "cast"'])
    ['"a.b" = ["cast", "truncate"]', '"a.c" = "null"']
    """
    by_key: dict[str, list[str]] = {}
    for line in dict.fromkeys(suggested):
        for key, value in tomllib.loads(line).items():
            by_key.setdefault(key, []).extend([value] if isinstance(value, str) else value)
    return [f"{_toml(key)} = {_toml(names[0] if len(names) == 1 else names)}" for key, names in by_key.items()]


def _toml(value: str | list[str]) -> str:
    from transfer.audit.findings import toml_text

    return toml_text(value) if isinstance(value, str) else f"[{', '.join(toml_text(one) for one in value)}]"
