"""Keeping a backup somewhere else, and reading it back from there."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from checks.backups import backup_of, planned_backup, size, sound_backup_of, transfer_errors
from checks.contract import Context, Plan, Stopped, check
from checks.places import Bucket, Folder, NoPlace, Place, PlaceError, Tick, digest
from state.verdicts import Outcome
from transfer.manifest import manifest_path

_BUCKETS = ("s3://", "gs://")
_OTHERS, _GROUP = 0o007, 0o070


def _plan_store(ctx: Context, *, backup: str, to: str | None, also: list[str] | None, **_: object) -> Plan:
    target = to or "nowhere: `to` is not given"
    named = [planned_backup(ctx, one) for one in (backup, *(also or []))]
    lines = (
        *(f"copy {Path(one).name if '/' in one else one} to {target}" for one in named),
        f"copy its manifest to {target}, as the last",
        "read each back and compare its sha256; nothing that is there is overwritten",
    )
    return Plan(lines, "safe", target)


@check("backup.store", effect="change", timeout="60m", process=True, plan=_plan_store)
@transfer_errors
def store(
    ctx: Context,
    *,
    backup: str,
    to: str | None = None,
    also: list[str] | None = None,
    app: Path | None = None,
    options: dict[str, str] | None = None,
) -> Outcome:
    """Copies BACKUP (an item's id, a file or a folder) and its manifest to the folder, s3://… or gs://… of TO, reads
    them back as a stream, and compares their sha256. ALSO: further files, by item or path.

    A folder must not be in that of the application (APP; the project's unless given), nor readable for others.
    OPTIONS are those of the bucket: region, endpoint, access_key_id, secret_access_key, service_account_path, ...
    What is there already is never overwritten: the same content is as good as stored, another is a failure.
    """
    if not to:
        return Outcome.unknown("no place is configured (to)", hint='write to = "/mnt/backups", "s3://…" or "gs://…"')
    path = sound_backup_of(ctx, backup)
    manifest = manifest_path(path)
    if not manifest.is_file():
        hint = "make the backup by sqlite.backup, which writes one"
        return Outcome.unknown(f"{path.name} has no manifest beside it", hint=hint)
    files = [path, *(backup_of(ctx, one) for one in also or []), manifest]  # the manifest last: with it, it is whole
    evidence: dict[str, object] = {"where": to, "files": len(files)}
    try:
        place, doubts = _place(ctx, to, path, app, options or {})
        done = [_kept(place, file, evidence, tick) for file, tick in _with_ticks(ctx, files)]
    except NoPlace as none:
        return Outcome.unknown(none.what, hint=none.hint, evidence=evidence)
    except PlaceError as error:
        if ctx.cancelled.is_set():
            raise Stopped("cancelled") from None
        if error.seen:
            return Outcome.failed(error.what, expected="stored, and the same", evidence=evidence, hint=error.hint)
        return Outcome.error(error.what, hint=error.hint, evidence=evidence)
    except OSError as error:
        return Outcome.error(f"{error.filename or path.name}: {error.strerror}", evidence=evidence)
    total = sum(file.stat().st_size for file in files)
    actual = f"{len(done)} files, {size(total)}, at {to}: read back, and the same"
    if doubts:
        hint = "a disk that fails takes both: keep a copy on another machine"
        return Outcome.warned(f"{actual}; {'; '.join(doubts)}", evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected="stored, and the same", evidence=evidence)


def _kept(place: Place, file: Path, evidence: dict[str, object], tick: Tick) -> str:
    """Store FILE and prove it. Raises PlaceError."""
    mine = digest(file, tick)
    there = place.sha256(file.name, tick)
    if there is not None and there != mine:
        hint = "nothing is overwritten: keep this one elsewhere, and see what the other is"
        raise PlaceError(f"another {file.name} is there already", hint, seen=True)
    if there is None:
        place.put(file.name, file, tick)
        there = place.sha256(file.name, tick)
        if there != mine:
            what = "is not there after it was stored" if there is None else "was read back, and is not the same"
            raise PlaceError(f"{file.name} {what}", "do not rely on this copy; store it elsewhere", seen=True)
        evidence[file.name] = f"sha256 {mine}"
    else:
        evidence[file.name] = f"sha256 {mine} (it was there already)"
    return mine


def _with_ticks(ctx: Context, files: list[Path]) -> list[tuple[Path, Tick]]:
    """Each file with what tells its progress: it is read, sent, and read back."""

    def ticking(number: int, file: Path) -> Callable[[int], None]:
        total, done = file.stat().st_size * 3, 0

        def tick(count: int) -> None:
            nonlocal done
            if ctx.cancelled.is_set():
                raise Stopped("cancelled")
            done += count
            ctx.progress(min(done, total), total, "bytes", f"{file.name} ({number} of {len(files)})")

        return tick

    return [(file, ticking(number, file)) for number, file in enumerate(files, 1)]


def _place(ctx: Context, to: str, backup: Path, app: Path | None, options: dict[str, str]) -> tuple[Place, list[str]]:
    """The place, and what a person should weigh about it. Raises PlaceError."""
    if to.startswith(_BUCKETS):
        return Bucket(to, options), []
    if "://" in to:
        raise PlaceError(f"{to.partition('://')[0]}:// is not known here", "write a folder, s3://… or gs://…")
    folder = (ctx.project / Path(to).expanduser()).resolve()
    home = (app or ctx.project).resolve()
    if folder == backup.resolve().parent:
        raise PlaceError("that is where the backup is already", "name another place", seen=True)
    if folder.is_relative_to(home):
        raise PlaceError("that is in the application's own folder", "name a place outside of it", seen=True)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    rights = stat.S_IMODE(folder.stat().st_mode)
    if rights & _OTHERS:
        raise PlaceError(f"everybody may look into it (mode {rights:04o})", f"chmod 700 {folder}", seen=True)
    doubts = ["the group may look into it"] if rights & _GROUP else []
    if folder.stat().st_dev == backup.stat().st_dev:
        doubts.append("it is on the same disk as the backup")
    return Folder(folder), doubts
