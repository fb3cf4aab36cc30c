"""Proof that a backup can be restored, and exports of schema and data that are proven the same way."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from transfer import dumping
from transfer.backup import against, check, verify_backup
from transfer.contents import contents, schema_digest
from transfer.durable import published, sha256_of
from transfer.errors import CouldNotLook, Refused
from transfer.manifest import read_manifest
from transfer.opening import reading
from transfer.progress import Progress, Watch
from transfer.sqlite import sequences


@dataclass(frozen=True, slots=True)
class RestoredForm:
    """One way back. FORM: "backup" or "dump"; PATH is the new database; PROBLEMS in words."""

    form: str
    path: Path
    equal: bool
    problems: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class RestoreTest:
    """EQUAL when every form came back with every row as the manifest says, and sound."""

    equal: bool
    tables: int
    rows: int
    forms: tuple[RestoredForm, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Export:
    """A file of SQL that was reloaded and found to give the same."""

    path: Path
    bytes: int
    sha256: str
    statements: int
    rows: int
    seconds: float


def restore_test(
    backup: Path,
    into: Path,
    *,
    dump: bool = True,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RestoreTest:
    """Restores BACKUP into new databases in the folder INTO (they stay there) and compares with the manifest.

    DUMP: also by way of SQL text. Raises CouldNotLook (unreadable, the file exists already), Cancelled.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    manifest = read_manifest(backup)
    first = verify_backup(backup, contents_too=False).problems
    forms = []
    for form in ("backup", "dump") if dump else ("backup",):
        began = time.monotonic()
        path = into / f"restored-{form}.db"
        try:
            with reading(backup, settled=True) as con, published(path) as partial:
                _restore(form, con, partial, watch)
        except OSError as e:
            raise CouldNotLook(f"{e.filename or path}: {e.strerror or e}") from e
        with reading(path, settled=True) as con:
            said = check(con, "integrity_check")
            problems = [*first, *against(con, manifest, watch, f"restored {form}")]
        if said != "ok":
            problems.append(f"integrity_check: {said}")
        forms.append(RestoredForm(form, path, not problems, tuple(problems), time.monotonic() - began))
    equal = bool(forms) and all(f.equal for f in forms)
    return RestoreTest(equal, len(manifest.tables), manifest.rows, tuple(forms), time.monotonic() - started)


def _restore(form: str, con: sqlite3.Connection, partial: Path, watch: Watch) -> None:
    with closing(sqlite3.connect(partial, isolation_level=None)) as new:
        if form == "backup":
            con.backup(new, pages=2_000, progress=lambda _, left, n: watch.tell(form, None, n - left, n, "pages"))
            return
        with tempfile.TemporaryDirectory(dir=partial.parent, prefix=".tminus-") as folder:
            text = Path(folder) / "dump.sql"
            dumping.write(con, text, watch)
            dumping.load(text, new, watch)


def export_schema(source: Path, into: Path) -> Export:
    """Writes every object's SQL to the file INTO (0600, must not exist yet); proven in an empty database."""
    return _export(source, into, Watch(), rows=False)


def export_dump(
    source: Path,
    into: Path,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Export:
    """Writes schema and rows as SQL to the file INTO (0600, must not exist yet); proven by reloading it.

    Raises CouldNotLook, Refused (what came back is not the same), Cancelled; then no file is left.
    """
    return _export(source, into, Watch(progress, cancelled), rows=True)


def _export(source: Path, into: Path, watch: Watch, *, rows: bool) -> Export:
    started = time.monotonic()
    try:
        with (
            reading(source) as con,
            published(into) as partial,
            tempfile.TemporaryDirectory(dir=into.parent, prefix=".tminus-") as folder,
        ):
            n = dumping.write(con, partial, watch, rows=rows)
            again = Path(folder) / "again.db"
            with closing(sqlite3.connect(again, isolation_level=None)) as new:
                dumping.load(partial, new, watch)
            with reading(again) as new:
                same = schema_digest(new) == schema_digest(con)
                found = contents(new, watch, "reloaded") if rows else ()
                if rows:
                    same = same and found == contents(con, watch) and sequences(new) == sequences(con)
            if not same:
                raise Refused(f"{source.name}: the export does not give the same database back; not kept.")
        size, sha256 = into.stat().st_size, sha256_of(into)
    except OSError as e:
        raise CouldNotLook(f"{e.filename or into}: {e.strerror or e}") from e
    return Export(into, size, sha256, n, sum(t.rows for t in found), time.monotonic() - started)
