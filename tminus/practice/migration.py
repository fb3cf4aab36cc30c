"""The migration of a project, rehearsed: a copy of its data into a database that is thrown away afterwards."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checks.rules import Told, told_in
from tminus.practice.migrating import Migrated, migrate
from tminus.practice.scratch import code_copy, sqlite_copy, trace
from tminus.survey import Survey
from transfer.audit import Audit, audit
from transfer.comparing import Comparison, compare
from transfer.copying import CopyReport, copy
from transfer.errors import Refused
from transfer.progress import Watch


@dataclass(frozen=True, slots=True)
class Trial:
    """What the rules that the audit suggests would do: ROWS copied, REJECTED ones left out; or why they do not do."""

    lines: tuple[str, ...]
    rows: int = 0
    rejected: int = 0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came out. MIGRATED: None when the tables were made from SQLite's schema. REFUSED: why nothing was copied.

    UNTOUCHED: the original is, to the bit and the moment, what it was before. SECONDS by stage.
    """

    project: str
    sqlite: str
    bytes: int
    tables: int
    rows: int
    untouched: bool
    migrated: Migrated | None
    audit: Audit
    copied: CopyReport | None
    refused: str
    trial: Trial | None
    compared: Comparison | None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Every row arrived, proven, in tables that the project's own migrations (or its schema) made."""
        broken = self.migrated is not None and self.migrated.problem
        return self.compared is not None and self.compared.equal and self.audit.clean and not broken


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began


def rehearse(
    found: Survey,
    sqlite: Path,
    python: str,
    url: str,
    scratch: Path,
    *,
    told: Told,
    suggest: Callable[[Audit], list[str]],
    progress: Callable[[Any], None],
    said: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Rehearsed:
    """Rehearse the migration of the project FOUND with its file SQLITE, into the empty database at URL.

    SCRATCH: an empty folder for copies. TOLD: the rules for the data. SUGGEST: the rules, a line of TOML each, that
    would settle an audit. The original is only read. Raises CouldNotLook, Refused, Cancelled, NoInterpreter.
    """
    clock = _Clock()
    lines: dict[str, Any] = {"progress": progress, "cancelled": cancelled}
    before = trace(sqlite, Watch(progress, cancelled))
    with clock.stage("copy of the file"):
        backup = sqlite_copy(sqlite, scratch, **lines)
    told.must_know(backup.path)
    migrated: Migrated | None = None
    if found.migrations is not None:
        with clock.stage("migrations"):
            code = code_copy(found.root, scratch / "code")
            migrated = migrate(found, code, python, url, said=said, cancelled=cancelled)
    made = migrated is not None and not migrated.problem
    with clock.stage("audit"):
        held_against = url if made else None
        looked = audit(backup.path, held_against, rules=dict(told.rules), private=told.private, **lines)
    copied, refused, trial, compared = None, "", None, None
    if migrated is not None and migrated.problem:
        refused = "not tried: the migrations do not make the tables"
    else:
        more: dict[str, Any] = {"create_schema": migrated is None, **lines}
        with clock.stage("copy into PostgreSQL"):
            try:
                rejects: dict[str, Any] = {"rejects": scratch / "rejects.jsonl"} if told.rules else {}
                copied = copy(backup.path, url, **told.keywords, **rejects, **more)
            except Refused as error:
                refused = str(error)
        if copied is None:
            with clock.stage("trial of the suggested rules"):
                trial = _tried(backup.path, url, told, suggest(looked), scratch, more)
        else:
            with clock.stage("comparison"):
                compared = compare(backup.path, url, **told.keywords, **lines)
    return Rehearsed(
        project=found.root.name,
        sqlite=sqlite.name,
        bytes=backup.bytes,
        tables=looked.tables,
        rows=looked.rows,
        untouched=before == trace(sqlite, Watch(progress, cancelled)),
        migrated=migrated,
        audit=looked,
        copied=copied,
        refused=refused,
        trial=trial,
        compared=compared,
        seconds=clock.seconds,
    )


def _tried(
    sqlite: Path, url: str, told: Told, suggested: list[str], scratch: Path, more: Mapping[str, Any]
) -> Trial | None:
    """A dry run by the rules that are there and those SUGGESTED; None when nothing is suggested."""
    if not suggested:
        return None
    rules: dict[str, Any] = {key: list(names) for key, names in told.rules.items()}
    for key, names in tomllib.loads("\n".join(suggested)).items():
        rules[key] = [*rules.get(key, ()), *([names] if isinstance(names, str) else names)]
    both = told_in(rules, sorted(told.private))
    try:
        done = copy(sqlite, url, dry_run=True, rejects=scratch / "tried.jsonl", **both.keywords, **more)
    except Refused as error:
        return Trial(tuple(suggested), refused=str(error))
    return Trial(tuple(suggested), rows=done.rows, rejected=done.rejected)
