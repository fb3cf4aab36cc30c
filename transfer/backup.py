"""A backup of a live SQLite file: one self-contained file, a manifest beside it, both checked."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transfer.contents import FORM, contents, schema_digest
from transfer.durable import published, sha256_of
from transfer.errors import CouldNotLook, Refused
from transfer.manifest import VERSION, Manifest, Signals, manifest_path, read_manifest, written
from transfer.opening import header, reading
from transfer.progress import Progress, Watch
from transfer.sqlite import sequences

_PAGES_A_STEP = 2_000


@dataclass(frozen=True, slots=True)
class Backup:
    """The file at PATH, its size in BYTES and sha256, what it holds, and the SECONDS all of it took."""

    path: Path
    bytes: int
    sha256: str
    manifest: Manifest
    manifest_path: Path
    seconds: float


@dataclass(frozen=True, slots=True)
class Verification:
    """OK when there is no problem; PROBLEMS in words."""

    ok: bool
    problems: tuple[str, ...]


def backup(
    source: Path,
    into: Path,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Backup:
    """Copies SOURCE, while the application writes to it, to a timestamped file in the folder INTO.

    All of it is one moment's state: a read transaction is held, so that the copy never starts anew. With WAL
    writers go on; with a rollback journal they wait until the pages are copied (half a GB: about a second).
    Raises CouldNotLook (unreadable, disk full), Refused (the database is damaged), Cancelled; then nothing is
    left behind.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    made_at = datetime.now(UTC)
    final = into / f"{source.stem}-{made_at:%Y%m%dT%H%M%S}{made_at.microsecond // 1000:03d}Z.db"
    try:
        with published(final) as partial:
            state = _copy(source, partial, watch)
            manifest = _manifest_of(partial, source, final, state, made_at=made_at, watch=watch, started=started)
            with published(manifest_path(final)) as beside:
                beside.write_text(written(manifest), encoding="utf-8")
    except OSError as e:
        manifest_path(final).unlink(missing_ok=True)
        raise CouldNotLook(f"{e.filename or into}: {e.strerror or e}") from e
    return Backup(final, manifest.bytes, manifest.sha256, manifest, manifest_path(final), time.monotonic() - started)


def _copy(source: Path, partial: Path, watch: Watch) -> Signals:
    def step(_status: int, remaining: int, total: int) -> None:
        watch.tell("backup", None, total - remaining, total, "pages")

    with reading(source) as con, closing(sqlite3.connect(partial, isolation_level=None)) as copy:
        state = signals(con, source)
        con.backup(copy, pages=_PAGES_A_STEP, progress=step)
        mode = copy.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        if mode != "delete":
            raise CouldNotLook(f"{partial.name}: could not be made a single file (journal mode {mode}).")
    return state


def signals(con: sqlite3.Connection, source: Path) -> Signals:
    """What can be told of SOURCE without reading its rows."""
    head = header(source)
    wal = source.with_name(source.name + "-wal")
    mode = "wal" if head.wal else con.execute("PRAGMA journal_mode").fetchone()[0]
    wal_bytes = wal.stat().st_size if wal.exists() else 0
    return Signals(head.change_counter, source.stat().st_size, wal_bytes, mode)


def _manifest_of(
    partial: Path,
    source: Path,
    final: Path,
    state: Signals,
    *,
    made_at: datetime,
    watch: Watch,
    started: float,
) -> Manifest:
    with reading(partial, settled=True) as con:
        watch.tell("check", None, 0, 0, "pages")
        said = check(con, "quick_check")
        if said == "ok":  # the full one also holds indexes against their tables; it takes four times as long
            watch.tell("check", None, 0, 0, "pages")
            said = check(con, "integrity_check")
        if said != "ok":
            raise Refused(f"{source.name} is damaged: {said}. Repair it before going on.")
        return Manifest(
            version=VERSION,
            form=FORM,
            made_at=made_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            source=source.name,
            file=final.name,
            bytes=partial.stat().st_size,
            sha256=sha256_of(partial),
            schema_sha256=schema_digest(con),
            tables=contents(con, watch),
            sequences=sequences(con),
            integrity=said,
            foreign_key_violations=foreign_key_violations(con),
            signals=state,
            seconds=round(time.monotonic() - started, 3),
        )


def check(con: sqlite3.Connection, pragma: str) -> str:
    """ "ok", or the first complaints of integrity_check or quick_check."""
    return "; ".join(str(row[0]) for row in con.execute(f"PRAGMA {pragma}(5)"))


def foreign_key_violations(con: sqlite3.Connection) -> int | None:
    """Rows whose parent is missing; None when a foreign key points at something that is no key."""
    try:
        return int(con.execute("SELECT count(*) FROM pragma_foreign_key_check").fetchone()[0])
    except sqlite3.OperationalError:
        return None


def verify_backup(
    path: Path,
    *,
    contents_too: bool = True,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Verification:
    """Whether the file still is what its manifest says: size, sha256, schema, and every table's rows.

    Raises CouldNotLook when there is no readable file or manifest.
    """
    manifest, problems = read_manifest(path), []
    try:
        size, sha256 = path.stat().st_size, sha256_of(path)
    except OSError as e:
        raise CouldNotLook(f"{path}: {e.strerror or e}") from e
    if size != manifest.bytes:
        problems.append(f"{size} bytes, the manifest says {manifest.bytes}")
    if sha256 != manifest.sha256:
        problems.append("sha256 differs from the manifest")
    if contents_too and not problems:
        with reading(path, settled=True) as con:
            problems += against(con, manifest, Watch(progress, cancelled))
    return Verification(not problems, tuple(problems))


def against(con: sqlite3.Connection, manifest: Manifest, watch: Watch, stage: str = "digest") -> list[str]:
    """Everything in which a database differs from what a manifest says it holds."""
    problems = []
    if schema_digest(con) != manifest.schema_sha256:
        problems.append("the schema differs")
    now = {t.table: t for t in contents(con, watch, stage)}
    then = {t.table: t for t in manifest.tables}
    for name in sorted(now.keys() | then.keys()):
        a, b = then.get(name), now.get(name)
        if a is None or b is None:
            problems.append(f"{name}: {'not in the manifest' if a is None else 'missing'}")
        elif a.rows != b.rows:
            problems.append(f"{name}: {b.rows} rows, the manifest says {a.rows}")
        elif a.sha256 != b.sha256:
            problems.append(f"{name}: contents differ, {b.rows} rows as before")
    if sequences(con) != manifest.sequences:
        problems.append("sqlite_sequence differs")
    return problems
