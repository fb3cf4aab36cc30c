"""The way back, last step: the file that holds everything takes the place of the live one."""

from __future__ import annotations

import shlex
from pathlib import Path

from checks.backups import NotThere, sound_backup_of, transfer_errors
from checks.contract import Context, Plan, check
from state.verdicts import Outcome, Verdict
from transfer.errors import Refused
from transfer.manifest import manifest_path, read_manifest
from transfer.replacing import SIDE, replace


def _plan_restore(ctx: Context, *, live: Path, backup: str, otherwise: str | None) -> Plan:
    target = live.resolve()
    try:
        path, sha256, why = _chosen(ctx, backup, otherwise)
    except (NotThere, Refused) as missing:
        return Plan((f"nothing can be restored yet: {missing}",), "reversible", str(target))
    sides = ", ".join(f"{target.name}{tail}" for tail in SIDE if target.with_name(target.name + tail).exists())
    lines = [
        f"PUT {path} (sha256 {sha256[:12]}…) in the place of {target}" + (f"; {why}" if why else ""),
        f"KEEP {target}{f' with {sides}' if sides else ''} as {target.name}.before-{sha256[:12]}-<UTC time>",
        "only if no process has it open; nothing is deleted, so it can be undone by renaming",
    ]
    return Plan(tuple(lines), "reversible", str(target))


@check("sqlite.restore", effect="change", timeout="30m", process=True, plan=_plan_restore)
@transfer_errors
def restore(ctx: Context, *, live: Path, backup: str, otherwise: str | None = None) -> Outcome:
    """Puts BACKUP (the item that carried the rows back, a file, or a folder: its newest) in the place of LIVE.

    OTHERWISE is taken when BACKUP is not there, with a warning: rows written since are not in it. Refuses while a
    process has LIVE open. What is replaced is kept beside it, with its -wal and -shm.
    """
    path, sha256, why = _chosen(ctx, backup, otherwise)
    ctx.log(f"restoring {path.name} over {live.name}")
    done = replace(live, path, sha256)
    evidence: dict[str, object] = {
        "path": str(done.live),
        "from": str(path),
        "bytes": done.bytes,
        "sha256": done.sha256,
        "foreign_key_violations": "not checkable" if done.orphans is None else done.orphans,
    }
    evidence |= {f"kept {n}": str(kept) for n, kept in enumerate(done.kept, 1)}
    expected = f"{done.live.name} is {path.name}, byte by byte"
    doubts = [why] if why else []
    if done.unseen:
        doubts.append(
            f"{done.unseen} processes that may write it could not be looked into: is the application stopped?"
        )
    if done.orphans != _known_orphans(path):
        doubts.append("foreign keys could not be checked" if done.orphans is None else f"{done.orphans} orphan rows")
    old = done.kept[0] if done.kept else None
    actual = f"{done.live.name} is {path.name}, read back" + (f"; the one before is {old.name}" if old else "")
    if done.done_before:
        actual = f"already done: {actual}"
    hint = "start the application; there was no file before"
    if old is not None:
        now, undone = shlex.quote(str(done.live)), shlex.quote(f"{done.live}.undone")
        hint = f"start the application; to undo, stop it, then: mv {now} {undone} && mv {shlex.quote(str(old))} {now}"
    verdict = Verdict.WARN if doubts else Verdict.PASS
    said = "; ".join([actual, *doubts])
    return Outcome.of(verdict, said, expected=expected, evidence=evidence, hint=hint)


def _chosen(ctx: Context, backup: str, otherwise: str | None) -> tuple[Path, str, str]:
    """The file, the sha256 that it must have, and what speaks against it ("" when nothing does).

    Raises NotThere, Refused.
    """
    why, made = "", ctx.evidence.get(backup)
    try:
        if made is not None and made.verdict is Verdict.FAIL and made.evidence.get("path"):
            # Conflicts: all other rows are in it, so it is nearer to the truth than what was there before.
            named, path = backup, sound_backup_of(ctx, str(made.evidence["path"]))
            why = f"item {backup!r} did not carry all of it back ({made.actual})"
        else:
            named, path = backup, sound_backup_of(ctx, backup)
    except NotThere as missing:
        if otherwise is None:
            raise
        named, path, why = (
            otherwise,
            sound_backup_of(ctx, otherwise),
            f"{missing.what}: what it would hold is lacking",
        )
    if named in ctx.evidence and (said := str(ctx.evidence[named].evidence.get("sha256", ""))):
        return path, said, why
    if manifest_path(path).is_file():
        return path, read_manifest(path).sha256, why
    raise Refused(f"nothing says what {path.name} must be: it has no manifest and no item vouches for it")


def _known_orphans(path: Path) -> int | None:
    """Rows without a parent that the backup's manifest owns up to; none without one."""
    return read_manifest(path).foreign_key_violations if manifest_path(path).is_file() else 0
