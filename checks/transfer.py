"""The move itself, and the proof of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from checks.backups import backup_of, planned_backup, reporting, sound_backup_of, stamp, transfer_errors
from checks.contract import Context, Danger, Plan, check
from checks.rules import Told, told
from state.durations import format_duration
from state.verdicts import Outcome
from transfer import comparing, copying
from transfer.differing import Difference
from transfer.errors import CouldNotLook, Refused
from transfer.postgres import describe_url

_NAMED = 8  # differences that go into the evidence


def _plan_copy(
    ctx: Context,
    *,
    backup: str,
    database_url: str,
    allow_rows_in: list[str] | None,
    create_schema: bool,
    dry_run: bool,
) -> Plan:
    target, rules = describe_url(database_url), told(ctx).lines
    lines = [
        f"COPY every row of {planned_backup(ctx, backup)}",
        f"into {target}, whose tables must be empty",
        "one transaction: load, indexes and foreign keys, sequences, proof, "
        + ("then ROLLBACK (dry run)" if dry_run else "then COMMIT; on any doubt ROLLBACK"),
    ]
    if create_schema:
        lines.insert(2, "CREATE the tables first, from SQLite's schema, in the same transaction")
    if rules:
        lines += [*rules, f"rows that a rule leaves out: to {ctx.artefacts}/rejects-<UTC time>.jsonl"]
    if allow_rows_in:
        lines.append(f"REPLACES the rows that are there in: {', '.join(allow_rows_in)}")
    danger: Danger = "safe" if dry_run else "one-way" if allow_rows_in else "reversible"
    return Plan(tuple(lines), danger, target)


@check("transfer.copy", effect="change", timeout="2h", process=True, plan=_plan_copy)
@transfer_errors
def copy(
    ctx: Context,
    *,
    backup: str,
    database_url: str,
    allow_rows_in: list[str] | None = None,
    create_schema: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Copies the BACKUP (an item's id, a file or a folder) into PostgreSQL, proves it and commits; or nothing.

    CREATE_SCHEMA: the tables are made from SQLite's schema; without it they must be there, made by migrations. The
    rules of `[transfer]` hold; a row that one of them leaves out goes to a file among the artefacts of the run.
    A target that holds exactly these rows already passes: an earlier try got as far as its commit, and was cut
    off before it could say so.
    """
    source, rules = sound_backup_of(ctx, backup), told(ctx)
    rules.must_know(source)
    # Only what is asked for: a copy without rules leaves out no row, and needs no file for such.
    more: dict[str, Any] = {"create_schema": True} if create_schema else {}
    if rules.rules:
        ctx.artefacts.mkdir(parents=True, exist_ok=True)
        more["rejects"] = ctx.artefacts / f"rejects-{stamp()}.jsonl"
    try:
        report = copying.copy(
            source,
            database_url,
            progress=reporting(ctx),
            cancelled=ctx.cancelled.is_set,
            dry_run=dry_run,
            allow_rows_in=tuple(allow_rows_in or ()),
            **rules.keywords,
            **more,
        )
    except Refused:
        if not dry_run and (there := _copied_before(ctx, source, database_url, rules)):
            return there
        raise
    evidence: dict[str, object] = {
        "target": report.target,
        "rows": report.rows,
        "tables": len(report.tables),
        "seconds": round(report.seconds, 2),
        "rows_per_second": round(report.rows_per_second),
        "rejected": 0,
        "proof": "equal" if report.proof.equal else "differs",
    }
    left_out = ""
    if rules.rules:
        evidence |= _by_rule(report)
        left_out = f", {evidence['rejected']:,} left out by rules" if evidence["rejected"] else ""
    evidence |= {f"rows {t.table}": t.rows for t in report.tables[:25]}
    did, took = "would be copied (dry run, taken back)" if dry_run else "copied", format_duration(report.seconds)
    actual = f"{report.rows:,} rows of {len(report.tables)} tables {did} in {took}{left_out}"
    if not report.proof.equal:
        hint = "compare again with transfer.compare before anybody uses it"
        return Outcome.failed(f"{actual}, but not proven equal", evidence=evidence, hint=hint)
    return Outcome.passed(f"{actual}, proven equal", expected="every row, proven equal", evidence=evidence)


def _by_rule(report: Any) -> dict[str, object]:
    """What the rules did: rows left out and where they are, and values changed."""
    did: dict[str, object] = {"rejected": report.rejected}
    if report.rejects is not None:
        did["rejects"] = str(report.rejects)
    return did | {f"rule {use.rule} of {use.column}": use.count for use in report.rules[:12]}


def _copied_before(ctx: Context, source: Path, database_url: str, rules: Told) -> Outcome | None:
    """A pass when the target is equal to SOURCE as it is; None when it is not, or cannot be compared."""
    try:
        found = comparing.compare(
            source,
            database_url,
            progress=reporting(ctx),
            cancelled=ctx.cancelled.is_set,
            **rules.keywords,
        )
    except (Refused, CouldNotLook):
        return None
    rows = sum(table.rows_sqlite for table in found.tables)
    if not found.equal or not rows:
        return None
    actual = f"{rows:,} rows of {len(found.tables)} tables were there already, proven equal"
    evidence = {"target": describe_url(database_url), "rows": rows, "tables": len(found.tables), "proof": "equal"}
    return Outcome.passed(actual, expected="every row, proven equal", evidence=evidence)


@check("transfer.compare", timeout="60m", fresh_for="30m", process=True)
@transfer_errors
def compare(ctx: Context, *, backup: str, database_url: str) -> Outcome:
    """Counts and contents of every table of the BACKUP against PostgreSQL, sequences and foreign keys.

    The rules of `[transfer]` hold on SQLite's side; values of its private columns are not shown.
    """
    rules, path = told(ctx), backup_of(ctx, backup)
    rules.must_know(path)
    found = comparing.compare(
        path,
        database_url,
        progress=reporting(ctx),
        cancelled=ctx.cancelled.is_set,
        **rules.keywords,
    )
    rows = sum(t.rows_sqlite for t in found.tables)
    behind = [s.sequence for s in found.sequences if not s.ok]
    broken = [f.name for f in found.foreign_keys if not f.ok]
    unequal = [t for t in found.tables if not t.equal]
    blocking = [f for f in found.findings if f.blocks]
    evidence: dict[str, object] = {
        "target": describe_url(database_url),
        "tables": len(found.tables),
        "rows": rows,
        "sequences": len(found.sequences),
        "foreign_keys": len(found.foreign_keys),
        "seconds": round(found.seconds, 2),
    }
    evidence |= {f"table {t.table}": f"{t.rows_sqlite} | {t.rows_postgres} rows" for t in unequal[:10]}
    evidence |= {f"difference {n}": _told(d) for n, d in enumerate(found.differences[:_NAMED], 1)}
    expected = "the same rows with the same contents on both sides"
    if found.equal:
        actual = f"{len(found.tables)} tables, {rows:,} rows equal; {len(found.sequences)} sequences ahead"
        return Outcome.passed(actual, expected=expected, evidence=evidence)
    if not found.tables:
        return Outcome.unknown("no table to compare", hint="did alembic.upgrade run on this database?")
    parts = [f"{len(unequal)} of {len(found.tables)} tables differ: {', '.join(t.table for t in unequal[:8])}"]
    parts = parts if unequal else []
    parts += [f"sequences behind: {', '.join(behind[:5])}"] if behind else []
    parts += [f"foreign keys with orphans: {', '.join(broken[:5])}"] if broken else []
    parts += [f"{f.table}.{f.column or '*'}: {f.text}" for f in blocking[:3]]
    parts += [_told(found.differences[0])] if found.differences else []
    hint = "do not go on: the differences name table, key and column; see whether the app has written meanwhile"
    return Outcome.failed("; ".join(parts) or "not equal", expected=expected, evidence=evidence, hint=hint)


def _told(found: Difference) -> str:
    where = f"{found.table} {found.key}" + (f" {found.column}" if found.column else "")
    if found.kind == "missing":
        return f"{where}: not in PostgreSQL"
    if found.kind == "extra":
        return f"{where}: only in PostgreSQL"
    return f"{where}: {found.sqlite} | {found.postgres}"
