"""The way back: what was written to PostgreSQL since the move, carried into a copy of the SQLite backup."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from checks.backups import planned_backup, reporting, sound_backup_of, transfer_errors
from checks.contract import Context, Plan, check
from checks.rules import told
from state.verdicts import Outcome
from transfer import backup as backups
from transfer.postgres import describe_url

_SHOWN = 8  # conflicts that go into the evidence


def _plan_salvage(ctx: Context, *, backup: str, database_url: str, into: Path, dry_run: bool) -> Plan:
    target = str(into)
    # No counts: people are still writing, and a plan must say the same when it is answered.
    lines = [
        f"READ every row of {describe_url(database_url)}, in one snapshot",
        f"and of {planned_backup(ctx, backup)}, which stays as it is",
    ]
    if dry_run:
        return Plan((*lines, "count what would be carried back; write nothing"), "safe", target)
    lines.append(f"WRITE a copy of it with those rows to {into}/salvaged-<UTC time>.db, with a manifest beside it")
    return Plan(tuple(lines), "reversible", target)


@check("transfer.salvage", effect="change", timeout="2h", process=True, plan=_plan_salvage)
@transfer_errors
def salvage(ctx: Context, *, backup: str, database_url: str, into: Path, dry_run: bool = False) -> Outcome:
    """Carries rows written to PostgreSQL since the copy of BACKUP into a new SQLite file in the folder INTO.

    The backup and PostgreSQL are only read. The new file is compared with PostgreSQL and gets a manifest, so that it
    is a backup like any other. The rules of `[transfer]` hold: rows that they left out stay in the file. DRY_RUN:
    counts and conflicts alone.
    """
    from transfer.salvage import salvage as carry

    base, rules = sound_backup_of(ctx, backup), told(ctx)
    rules.must_know(base)
    ctx.artefacts.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".salvage-", dir=ctx.artefacts))
    try:
        found = carry(
            base,
            database_url,
            work / "salvaged.db",
            dry_run=dry_run,
            progress=reporting(ctx),
            cancelled=ctx.cancelled.is_set,
            **rules.keywords,
        )
        evidence: dict[str, object] = {"target": describe_url(database_url), "backup": base.name}
        if found.path is not None:
            into.mkdir(parents=True, exist_ok=True, mode=0o700)
            kept = backups.backup(found.path, into, progress=reporting(ctx), cancelled=ctx.cancelled.is_set)
            evidence |= {"path": str(kept.path), "rows": kept.manifest.rows, "sha256": kept.sha256}
    finally:
        shutil.rmtree(work, ignore_errors=True)
    inserted = sum(t.inserted for t in found.tables)
    updated = sum(t.updated for t in found.tables)
    deleted = sum(t.deleted for t in found.tables)
    evidence |= {"inserted": inserted, "updated": updated, "deleted": deleted, "conflicts": len(found.conflicts)}
    evidence["seconds"] = round(found.seconds, 2)
    changed = [t for t in found.tables if t.inserted or t.updated or t.deleted]
    evidence |= {f"table {t.table}": f"+{t.inserted} ~{t.updated} -{t.deleted}" for t in changed[:15]}
    evidence |= {
        f"conflict {n}": f"{c.table} {c.key}{' ' + c.column if c.column else ''}: {c.text}"
        for n, c in enumerate(found.conflicts[:_SHOWN], 1)
    }
    expected = "everything in PostgreSQL is in the SQLite file too"
    counts = f"{inserted:,} rows inserted, {updated:,} updated, {deleted:,} deleted since the copy"
    if not found.tables:
        hint = "do the two sides hold the same tables?"
        return Outcome.unknown("there is no table to look at", hint=hint, evidence=evidence)
    if found.conflicts or not (found.equal or dry_run):
        actual = f"{counts}; {len(found.conflicts)} conflicts" + ("" if found.equal else "; not equal to PostgreSQL")
        hint = "the conflicts name the rows that stayed as they were in the backup: decide for each, by hand"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    if dry_run:
        return Outcome.passed(f"{counts}, to be carried back (dry run)", expected=expected, evidence=evidence)
    return Outcome.passed(f"{counts}, all carried back", expected=expected, evidence=evidence)
