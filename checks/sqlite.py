"""The SQLite side: a backup that is proven, the proof that nothing was written since, and its exports."""

from __future__ import annotations

from pathlib import Path

from checks.backups import backup_of, count_query, planned_backup, reporting, rows_in, size, stamp, transfer_errors
from checks.contract import Context, Plan, check
from state.verdicts import Outcome
from transfer import backup as backups
from transfer.manifest import read_manifest
from transfer.quiet import written_since
from transfer.restore import export_dump, export_schema


def _plan_backup(ctx: Context, *, source: Path, into: Path) -> Plan:
    lines = (
        f"online backup of {source} (only read) to {into}/{source.stem}-<UTC time>.db, mode 0600",
        "integrity_check and foreign_key_check of the copy, sha256, manifest beside it",
    )
    return Plan(lines, "safe", str(into))


@check("sqlite.backup", effect="change", timeout="30m", process=True, plan=_plan_backup)
@transfer_errors
def backup(ctx: Context, *, source: Path, into: Path) -> Outcome:
    """Backs up SOURCE into the folder INTO while the app writes; checks the copy and writes its manifest."""
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = backups.backup(source, into, progress=reporting(ctx), cancelled=ctx.cancelled.is_set)
    manifest = made.manifest
    orphans = manifest.foreign_key_violations
    evidence = {
        "path": str(made.path),
        "bytes": made.bytes,
        "tables": len(manifest.tables),
        "rows": manifest.rows,
        "sha256": made.sha256,
        "integrity": manifest.integrity,
        "foreign_key_violations": "not checkable" if orphans is None else orphans,
        "seconds": round(made.seconds, 2),
    }
    actual = f"{made.path.name}: {manifest.rows:,} rows in {len(manifest.tables)} tables, {size(made.bytes)}"
    if not manifest.tables:
        return Outcome.unknown(f"{source.name} holds no table", hint="is it the right file?", evidence=evidence)
    if orphans != 0:
        what = "foreign keys could not be checked" if orphans is None else f"{orphans:,} rows without a parent"
        hint = "PostgreSQL refuses rows without a parent: find them with PRAGMA foreign_key_check"
        return Outcome.warned(f"{actual}; {what}", evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected="a backup that is whole", evidence=evidence)


@check("sqlite.quiet", timeout="30m", fresh_for="10m", process=True)
@transfer_errors
def quiet(ctx: Context, *, source: Path, backup: str) -> Outcome:
    """Whether nothing was written to SOURCE since BACKUP (an item's id, a file, or a folder: its newest)."""
    path = backup_of(ctx, backup)
    manifest = read_manifest(path)
    seen = written_since(source, manifest, progress=reporting(ctx), cancelled=ctx.cancelled.is_set)
    evidence: dict[str, object] = {
        "backup": path.name,
        "made_at": manifest.made_at,
        "tables_looked_at": seen.tables_looked_at,
        "change_counter": f"{seen.signals_then.change_counter} → {seen.signals_now.change_counter}",
        "wal_bytes": seen.signals_now.wal_bytes,
    }
    evidence |= {f"table {t.table}": f"{t.rows_then} → {t.rows_now} rows" for t in seen.tables[:20]}
    expected = f"no write since {manifest.made_at}"
    if seen.quiet and seen.tables_looked_at:
        actual = f"the same contents in all {seen.tables_looked_at} tables"
        return Outcome.passed(actual, expected=expected, evidence=evidence)
    if seen.quiet:
        return Outcome.unknown("no table to look at", hint="is it the right file?", evidence=evidence)
    changed = [t.table for t in seen.tables] or [f"the sequence of {t}" for t in seen.sequences] or ["the schema"]
    hint = "stop the app's writes (maintenance mode), then make a new final backup"
    return Outcome.failed(
        f"written since: {', '.join(changed[:10])}", expected=expected, evidence=evidence, hint=hint
    )


@check("sqlite.counts", timeout="5m", fresh_for="10m", process=True)
@transfer_errors
def counts(ctx: Context, *, table: str, backup: str, live: Path | None = None) -> Outcome:
    """The read-back: the typed number of rows of TABLE against the BACKUP and, where given, the LIVE file."""
    path = backup_of(ctx, backup)
    found = {"backup": rows_in(path, table)}
    if live is not None:
        found["live"] = rows_in(live, table)
    evidence: dict[str, object] = {"table": table, "file": path.name, "query": count_query(table)}
    absent = [where for where, n in found.items() if n is None]
    if absent:
        hint = "is it the right file, and the right table?"
        return Outcome.failed(f"no table {table!r} in the {absent[0]}", evidence=evidence, hint=hint)
    command = f'sqlite3 {path} "SELECT count(*) FROM {table};"'  # noqa: S608 (to be read, not run)
    typed = (ctx.answer or "").strip().replace(",", "").replace("_", "").replace(" ", "")
    if not typed.isdecimal():
        what = f"{ctx.answer!r} is no number" if ctx.answer else "nobody has read the count back"
        return Outcome.unknown(what, hint=f"count with {command} and type what it says")
    evidence["typed"] = int(typed)
    expected = f"the same number of rows of {table} everywhere"
    hint = f"count again with {command}; if live and backup differ, make a new backup"
    if int(typed) not in found.values():
        # The right number is not told: it would be typed off the screen, and nobody would have counted.
        nowhere = f"typed {int(typed):,}: that is the number of rows neither here nor there"
        actual = nowhere if len(found) > 1 else f"typed {int(typed):,}: that is not the number of rows in the backup"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    evidence = {**found, **evidence}
    actual = f"typed {int(typed):,}; " + ", ".join(f"{where} {n:,}" for where, n in found.items())
    if len(set(found.values())) == 1:
        return Outcome.passed(actual, expected=expected, evidence=evidence)
    return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)


def _plan_schema(ctx: Context, *, source: str, into: Path) -> Plan:
    line = f"schema of {planned_backup(ctx, source)} to {into}/schema-<UTC time>.sql, proven in an empty database"
    return Plan((line,), "safe", str(into))


@check("sqlite.schema", effect="change", timeout="10m", process=True, plan=_plan_schema)
@transfer_errors
def schema(ctx: Context, *, source: str, into: Path) -> Outcome:
    """Exports every object of SOURCE (an item's id or a file) as SQL, and reloads it into an empty database."""
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = export_schema(backup_of(ctx, source), into / f"schema-{stamp()}.sql")
    evidence = {"path": str(made.path), "objects": made.statements, "bytes": made.bytes, "sha256": made.sha256}
    if not made.statements:
        return Outcome.unknown("there is no object in it", hint="is it the right file?", evidence=evidence)
    actual = f"{made.path.name}: {made.statements} statements, reloaded"
    return Outcome.passed(actual, expected="reloads into an empty database", evidence=evidence)


def _plan_dump(ctx: Context, *, source: str, into: Path) -> Plan:
    line = f"dump of {planned_backup(ctx, source)} to {into}/dump-<UTC time>.sql, proven by reloading it"
    return Plan((line,), "safe", str(into))


@check("sqlite.dump", effect="change", timeout="60m", process=True, plan=_plan_dump)
@transfer_errors
def dump(ctx: Context, *, source: str, into: Path) -> Outcome:
    """Exports schema and rows of the backup SOURCE as SQL; reloaded, it must hold what the manifest says."""
    path = backup_of(ctx, source)
    manifest = read_manifest(path)
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = into / f"dump-{stamp()}.sql"
    sound = backups.verify_backup(path, progress=reporting(ctx), cancelled=ctx.cancelled.is_set)
    if not sound.ok:
        hint = "this backup is not what it was: make a new one"
        return Outcome.failed(f"{path.name}: {'; '.join(sound.problems[:3])}", hint=hint)
    made = export_dump(path, target, progress=reporting(ctx), cancelled=ctx.cancelled.is_set)
    evidence = {"path": str(made.path), "bytes": made.bytes, "rows": made.rows, "sha256": made.sha256}
    expected = f"{manifest.rows:,} rows, as in the manifest"
    actual = f"{made.path.name}: {made.rows:,} rows, {size(made.bytes)}, reloaded and equal"
    if made.rows != manifest.rows:
        hint = "do not rely on this dump; make a new backup and try again"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    if not manifest.tables:
        return Outcome.unknown("there is no table in it", hint="is it the right file?", evidence=evidence)
    return Outcome.passed(actual, expected=expected, evidence=evidence)
