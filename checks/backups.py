"""What the checks of SQLite and of the transfer share: where the backup is, and transfer's errors as verdicts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec

from checks.contract import Context, Stopped
from state.verdicts import Outcome, Verdict
from transfer.backup import verify_backup
from transfer.errors import Cancelled, CouldNotLook, Refused
from transfer.manifest import manifest_path
from transfer.opening import reading
from transfer.progress import Progress

P = ParamSpec("P")


class NotThere(Exception):
    """What a check should look at does not exist yet: nothing to see, which is no failure and no success."""

    def __init__(self, what: str, hint: str) -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


def transfer_errors(look: Callable[P, Outcome]) -> Callable[P, Outcome]:
    """Refused is `fail`, CouldNotLook is `error`, a missing backup is `unknown`."""

    @functools.wraps(look)
    def told(*args: P.args, **kwargs: P.kwargs) -> Outcome:
        try:
            return look(*args, **kwargs)
        except Refused as refused:
            return Outcome.failed(str(refused), hint="mend what it names, then run it again")
        except CouldNotLook as blind:
            return Outcome.error(str(blind), hint="see that the file or the server is there, then run it again")
        except NotThere as missing:
            return Outcome.unknown(missing.what, hint=missing.hint)
        except Cancelled as cancelled:
            raise Stopped(str(cancelled)) from None

    return told


def backup_of(ctx: Context, named: str) -> Path:
    """The backup that NAMED means: the item that made it, a file, or a folder (its newest backup with a manifest).

    Raises NotThere.
    """
    if named in ctx.evidence:
        made = ctx.evidence[named]
        path = str(made.evidence.get("path", ""))
        if made.verdict not in (Verdict.PASS, Verdict.WARN) or not path:
            raise NotThere(f"item {named!r} made no backup ({made.verdict})", f"run {named!r} again, until it passes")
        return ctx.project / path
    path_given = ctx.project / Path(named).expanduser()
    if path_given.is_dir():
        found = [p for p in path_given.glob("*.db") if p.with_name(p.name + ".json").is_file()]
        if not found:
            raise NotThere(f"no backup with a manifest in {named}", "make one first: sqlite.backup")
        return max(found, key=lambda p: p.stat().st_mtime_ns)
    if not path_given.exists():
        what = f"no backup {named!r}: neither an item that has run nor a file"
        raise NotThere(what, f"run the item {named!r} first, or name the file")
    return path_given


def sound_backup_of(ctx: Context, named: str) -> Path:
    """The same, and still the bytes that its manifest speaks of, where it has one. Raises NotThere, Refused."""
    path = backup_of(ctx, named)
    if manifest_path(path).is_file() and not (sound := verify_backup(path, contents_too=False)).ok:
        raise Refused(f"{path.name} is not what it was when it was made: {'; '.join(sound.problems[:3])}")
    return path


def planned_backup(ctx: Context, named: str) -> str:
    """The same for a plan, which may be shown before the backup is there."""
    try:
        return str(backup_of(ctx, named))
    except NotThere:
        return f"the backup of {named!r}, which is not there yet"


def reporting(ctx: Context) -> Callable[[Progress], None]:
    """Transfer's progress as the check's."""
    return lambda p: ctx.progress(p.done, p.total, p.unit, f"{p.stage} {p.table}" if p.table else p.stage)


def stamp() -> str:
    """This moment for a file name, UTC, to the millisecond."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z"


def size(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count:,} bytes"


def count_query(table: str) -> str:
    """The statement that counts the rows of TABLE, its name quoted."""
    quoted = '"' + table.replace('"', '""') + '"'
    return f"SELECT count(*) FROM {quoted}"  # noqa: S608 (quoted)


def rows_in(path: Path, table: str) -> int | None:
    """Rows of TABLE in a SQLite file, only read; None when it has no such table. Raises CouldNotLook."""
    if not path.is_file():
        raise CouldNotLook(f"no file {path}")
    with reading(path) as con:
        known = con.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
        return None if known is None else int(con.execute(count_query(table)).fetchone()[0])
