"""Whether a backup can really be restored."""

from __future__ import annotations

import shutil

from checks.backups import backup_of, planned_backup, reporting, stamp, transfer_errors
from checks.contract import Context, Plan, check
from state.verdicts import Outcome
from transfer.restore import restore_test as try_to_restore


def _plan_restore(ctx: Context, *, backup: str, dump: bool, keep: bool) -> Plan:
    forms = "both forms (file and SQL dump)" if dump else "the file"
    end = "they stay there" if keep else "they are deleted afterwards"
    line = f"restore {forms} of {planned_backup(ctx, backup)} into new databases in {ctx.artefacts}; {end}"
    return Plan((line, "compare every table with the manifest"), "safe", str(ctx.artefacts))


@check("backup.restore_test", effect="change", timeout="60m", process=True, plan=_plan_restore)
@transfer_errors
def restore_test(ctx: Context, *, backup: str, dump: bool = True, keep: bool = False) -> Outcome:
    """Restores BACKUP (an item's id, a file or a folder) into new databases; every table must equal its manifest.

    DUMP: by way of SQL text too. KEEP the restored databases among the artefacts of the run.
    """
    path = backup_of(ctx, backup)
    into = ctx.artefacts / f"restored-{stamp()}"
    into.mkdir(parents=True, mode=0o700)
    try:
        test = try_to_restore(path, into, dump=dump, progress=reporting(ctx), cancelled=ctx.cancelled.is_set)
    finally:
        if not keep:
            shutil.rmtree(into, ignore_errors=True)
    evidence: dict[str, object] = {"backup": path.name, "tables": test.tables, "rows": test.rows}
    evidence |= {form.form: "equal" if form.equal else "; ".join(form.problems[:3]) for form in test.forms}
    evidence["seconds"] = round(test.seconds, 2)
    expected = "every table as the manifest says"
    if not test.tables:
        return Outcome.unknown("the backup holds no table", hint="is it the right file?", evidence=evidence)
    if test.equal:
        ways = " and ".join(form.form for form in test.forms)
        actual = f"{test.tables} tables, {test.rows:,} rows equal, restored from the {ways}"
        return Outcome.passed(actual, expected=expected, evidence=evidence)
    bad = next(form for form in test.forms if not form.equal)
    hint = "this backup cannot be relied on: make a new one, and keep this one to see what happened"
    actual = f"restored from the {bad.form}: {'; '.join(bad.problems[:3])}"
    return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
