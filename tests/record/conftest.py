"""A run of an evening, written by the record's own writer, beside its checklist in a git repository."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from state.events import Event, chained, plain, utc_text
from state.record import event_line, render
from state.record_file import RecordFile, read_record
from state.replaying import replay
from tests.engine.conftest import checklist, engine
from tminus.cli import cli

__all__ = ["checklist", "engine", "project"]

T0 = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
NAME = "2026-11-22-move.toml"
BACKUP = b"every row of it\n" * 40
# Runs as hypothesis draws them are found there.
sys.path.insert(0, str(Path(__file__).parents[1] / "state"))

ANNA, BERT = ("Anna", 1000), ("Bert", 1001)


def said(minutes: float, kind: str, who: tuple[str, int] = ANNA, **fields: Any) -> Event:
    """An event MINUTES from T0, before it is chained."""
    utc = utc_text(T0 + timedelta(minutes=minutes))
    return Event(seq=0, utc=utc, kind=kind, actor=who[0], uid=who[1], prev="", **fields)


def seen(minutes: float, item: str, verdict: str, actual: str, seconds: float = 2.0, **evidence: Any) -> Event:
    """The end of a check of ITEM."""
    looked = utc_text(T0 + timedelta(minutes=minutes))
    data = {
        "actual": actual,
        "expected": "as planned",
        "evidence": evidence,
        "observed_at": looked,
        "seconds": seconds,
    }
    return said(minutes, "check.finished", (f"check.{item}", 1000), item=item, to=verdict, data=data, origin="check")


def evening(**meta: Any) -> list[Event]:
    """A run with most of what a run may hold, not yet chained."""
    about = {
        "id": "2026-11-22-move",
        "title": "Move",
        "t0": utc_text(T0),
        "checklist": "checklist.toml",
        "outline": {"backup": "pre | Back it up | sqlite.backup", "copy": "day | Copy it | transfer.copy"},
        **meta,
    }
    sha256 = hashlib.sha256(BACKUP).hexdigest()
    metrics = {"http.p95": {"looks": 9, "seen": 9, "unit": "ms", "low": 9.0, "high": 40.0, "last": 12.0}}
    return [
        said(-60, "run.created", data=about),
        said(-60, "engine.started", to="started"),
        said(-59, "lease.taken", reason="first to act"),
        said(-58, "check.started", item="backup", data={"plan": ["COPY it"], "danger": "safe", "target": "backups"}),
        seen(-57, "backup", "pass", "640 bytes", path="backups/app.db", bytes=len(BACKUP), sha256=sha256, rows=40),
        said(-56, "mark", item="backup", from_="open", to="confirmed", data={"evidence": "e1"}),
        said(-30, "phase.go", item="pre"),
        said(-30, "summary", item="pre", data={"phase": "pre", "since": utc_text(T0), "metrics": metrics}),
        said(-5, "hold.raised", BERT, reason="the customer calls", data={"id": 1}),
        said(-2, "hold.released", BERT, data={"id": 1}),
        said(1, "check.started", item="copy"),
        seen(3, "copy", "warn", "40 rows, one late", seconds=90.0, rows=40, proof="equal"),
        said(4, "mark", item="copy", from_="open", to="waived", reason="the late row is known", data={}),
        said(5, "gate.armed", item="errors"),
        said(9, "gate.changed", item="errors", to="tripped", reason="err 50% > 10% for 05:00"),
        said(10, "gate.decided", item="errors", to="continue", reason="a fault of the probe alone"),
        said(11, "note", BERT, item="copy", reason="grüße"),
        said(20, "phase.go", item="day"),
    ]


def linked(events: Sequence[Event]) -> list[Event]:
    """EVENTS as a chain."""
    chain: list[Event] = []
    for event in events:
        chain.append(plain(chained(chain[-1] if chain else None, event)))
    return chain


def text_of(chain: Sequence[Event]) -> str:
    """The record of a CHAIN, sealed, whatever the chain is worth."""
    return render(replay(chain), [event_line(event) for event in chain])


def write(path: Path, events: Sequence[Event]) -> Path:
    """A record of EVENTS at PATH, by its own writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = RecordFile(path)
    for event in events:
        record.append(event)
    record.close()
    return path


@dataclass(frozen=True)
class Project:
    """A git repository with a checklist, a record and a backup in it; nothing is committed but the checklist."""

    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "deployments" / NAME

    @property
    def backup(self) -> Path:
        return self.folder / "backups" / "app.db"

    @property
    def events(self) -> list[Event]:
        return read_record(self.record)[1]

    def git(self, *words: str, ok: bool = True) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not ok, done.stderr
        return done.stdout.strip()

    def go_on(self, *events: Event) -> None:
        """Further events, by the record's own writer."""
        write(self.record, events)

    def hook(self, name: str, text: str) -> None:
        path = self.folder / ".git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def tminus(self, *argv: str) -> Result:
        with contextlib.chdir(self.folder):
            return CliRunner().invoke(cli, argv)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it begins: a test should spend its time on what it tests."""
    made = Project(tmp_path_factory.mktemp("made"))
    made.git("init", "-q", "--template=", "-b", "main")
    with (made.folder / ".git" / "config").open("a") as config:
        config.write("[user]\nname = Anna\nemail = anna@example.org\n[commit]\ngpgsign = false\n")
    (made.folder / "checklist.toml").write_text('schema = 1\ntitle = "Move"\n')
    made.git("add", "checklist.toml")
    made.git("commit", "-q", "-m", "The checklist")
    made.backup.parent.mkdir()
    made.backup.write_bytes(BACKUP)
    write(made.record, evening())
    return made.folder


@pytest.fixture
def project(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    shutil.copytree(made_once, tmp_path / "app")
    return Project(tmp_path / "app")
