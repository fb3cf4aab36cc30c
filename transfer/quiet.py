"""Whether anything was written to the live SQLite file since a backup."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transfer.backup import signals
from transfer.contents import contents, schema_digest
from transfer.manifest import Manifest, Signals
from transfer.opening import reading
from transfer.progress import Progress, Watch
from transfer.sqlite import sequences


@dataclass(frozen=True, slots=True)
class TableChange:
    """A table whose contents are not what they were. None: it did not exist then, or does not now."""

    table: str
    rows_then: int | None
    rows_now: int | None


@dataclass(frozen=True, slots=True)
class Quiet:
    """QUIET when schema, contents of every table and sqlite_sequence are what the manifest says.

    SEQUENCES: tables whose sqlite_sequence moved; that happens without a trace in rows by insert and delete.
    SIGNALS_THEN, SIGNALS_NOW explain only: a vacuum moves them and changes nothing.
    """

    quiet: bool
    schema_changed: bool
    tables: tuple[TableChange, ...]
    sequences: tuple[str, ...]
    signals_then: Signals
    signals_now: Signals
    tables_looked_at: int
    seconds: float


def written_since(
    source: Path,
    manifest: Manifest,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Quiet:
    """Reads every row of SOURCE in one snapshot and holds it against the backup's MANIFEST.

    Raises CouldNotLook, Cancelled.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    with reading(source) as con:
        state = signals(con, source)
        schema_changed = schema_digest(con) != manifest.schema_sha256
        now = {t.table: t for t in contents(con, watch)}
        given = sequences(con)
    then = {t.table: t for t in manifest.tables}
    changes = []
    for name in sorted(now.keys() | then.keys()):
        a, b = then.get(name), now.get(name)
        if a != b:
            changes.append(TableChange(name, a.rows if a else None, b.rows if b else None))
    moved = [t for t in sorted(given.keys() | manifest.sequences.keys()) if given.get(t) != manifest.sequences.get(t)]
    return Quiet(
        quiet=not (changes or moved or schema_changed),
        schema_changed=schema_changed,
        tables=tuple(changes),
        sequences=tuple(moved),
        signals_then=manifest.signals,
        signals_now=state,
        tables_looked_at=len(now),
        seconds=time.monotonic() - started,
    )
