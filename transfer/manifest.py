"""The manifest beside a backup: what the file is and what it holds, so that any copy of it can be checked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transfer.contents import FORM, TableContents
from transfer.errors import CouldNotLook

VERSION = 1


@dataclass(frozen=True, slots=True)
class Signals:
    """Cheap signs of life of a SQLite file: they explain, they do not judge. Sizes in bytes."""

    change_counter: int
    bytes: int
    wal_bytes: int
    journal_mode: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """FOREIGN_KEY_VIOLATIONS: rows without a parent; None: not to be checked (a parent has no such key)."""

    version: int
    form: str
    made_at: str
    source: str
    file: str
    bytes: int
    sha256: str
    schema_sha256: str
    tables: tuple[TableContents, ...]
    sequences: dict[str, int]
    integrity: str
    foreign_key_violations: int | None
    signals: Signals
    seconds: float

    @property
    def rows(self) -> int:
        return sum(t.rows for t in self.tables)


def manifest_path(backup: Path) -> Path:
    return backup.with_name(backup.name + ".json")


def written(manifest: Manifest) -> str:
    return json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n"


def read_manifest(path: Path) -> Manifest:
    """From the manifest's own path or its backup's. Raises CouldNotLook: missing, torn, another version."""
    where = path if path.suffix == ".json" else manifest_path(path)
    try:
        of: dict[str, Any] = json.loads(where.read_text(encoding="utf-8"))
        if of["version"] != VERSION or of["form"] != FORM:
            raise CouldNotLook(f"{where}: a manifest of another version: {of['version']!r}, {of['form']!r}.")
        tables = tuple(TableContents(**t) for t in of["tables"])
        return Manifest(**of | {"tables": tables, "signals": Signals(**of["signals"])})
    except OSError as e:
        raise CouldNotLook(f"{where}: {e.strerror or e}") from e
    except (ValueError, KeyError, TypeError) as e:
        raise CouldNotLook(f"{where}: not a manifest: {e}") from e
