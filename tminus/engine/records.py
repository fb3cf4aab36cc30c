"""Which record a run continues, and how a new one begins."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from state.clean import clean
from state.definition import Checklist
from state.events import Actor, Event
from state.loader import Loaded
from state.record import RecordError
from state.record_file import RecordFile, read_record
from state.run import RunState
from tminus.engine.acts import event
from tminus.version import __version__

_BESIDE = "# What lies beside a record and is no part of it.\n*.wal\n*.metrics.db*\n*.files/\n"


def make_record_folder(loaded: Loaded) -> None:
    """Make the folder of the records if need be. A .gitignore keeps the log and the metrics beside them out of git;
    one that is there already is left as it is. Raises OSError when the folder cannot be made."""
    folder = loaded.path.parent / loaded.checklist.record_dir
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    with suppress(OSError), ignore.open("x", encoding="utf-8") as file:  # a run does not depend on it
        file.write(_BESIDE)


def record_path(loaded: Loaded, today: datetime, *, anew: bool = False) -> Path:
    """The record to go on with, or the name of a new one: `record_dir/DATE-slug.toml`.

    The newest record of this checklist that is not closed is the one to go on with, unless the run is to begin
    ANEW. Raises RecordError when the newest cannot be believed: a new one is never begun silently beside a
    broken one.
    """
    folder = loaded.path.parent / loaded.checklist.record_dir
    slug, found = _slug(loaded.checklist.title), _records(folder, loaded.checklist.title)
    if found and not _is_closed(folder / found[-1]) and not anew:
        return folder / found[-1]
    stem = f"{today.date().isoformat()}-{slug}"
    taken, number, name = set(found), 1, f"{stem}.toml"
    while name in taken:
        number += 1
        name = f"{stem}-{number}.toml"
    return folder / name


def newest_record(folder: Path, title: str) -> Path | None:
    """The record in FOLDER that was begun last of a checklist with this TITLE; None when there is none."""
    found = _records(folder, title)
    return folder / found[-1] if found else None


def _slug(title: str) -> str:
    # A file's name holds 255 bytes, and the date and the names beside the record are to fit as well.
    return re.sub(r"[^a-z0-9]+", "-", title.lower())[:160].strip("-") or "run"


def _records(folder: Path, title: str) -> list[str]:
    """The names of a checklist's records, the oldest first; one that is but a log yet is one of them."""
    slug = _slug(title)
    pattern = re.compile(rf"\d{{4}}-\d\d-\d\d-{re.escape(slug)}(-\d+)?\.toml")
    names = {path.name.removesuffix(".wal") for path in folder.glob(f"*-{slug}*.toml*")}
    return sorted((name for name in names if pattern.fullmatch(name)), key=_by_number)


def _by_number(name: str) -> tuple[str, int]:
    date, stem = name[:10], name.removesuffix(".toml")
    number = re.search(r"-(\d+)$", stem[10:])
    return date, int(number[1]) if number else 1


def _is_closed(path: Path) -> bool:
    # A record that exists only as its log was never folded, so it was never closed.
    return path.exists() and read_record(path)[0].closed


def opening_events(loaded: Loaded, record: RecordFile, actor: Actor, t0: str) -> list[Event]:
    """What a start adds to the record: the creation of the run, its resumption, and drift of the checklist."""
    run = record.state
    if run.closed:
        raise RecordError(f"{record.path.name} is closed: it takes nothing more")
    if run.last is None:
        return [
            event("run.created", actor, data=_meta(loaded, record.path, t0)),
            event("engine.started", actor, to="started"),
        ]
    events = [event("engine.started", actor, to="resumed")]
    if difference := drift(loaded, run):
        events.append(event("drift", actor, data={"sha256": loaded.sha256, "changes": difference}))
        reason = f"the checklist changed since the start ({len(difference)} lines): read it, then release"
        events.append(event("hold.raised", actor, reason=reason, data={"id": len(run.holds) + 1}))
    return events


def drift(loaded: Loaded, run: RunState) -> list[str]:
    """The lines that differ between the checklist as it was last accepted and as it is now; empty: the same."""
    known = run.drift[-1]["sha256"] if run.drift else run.meta.get("checklist_sha256")
    if known == loaded.sha256:
        return []
    return differing_lines(dict(run.meta.get("outline", {})), dict(loaded.checklist.outline()))


def differing_lines(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The lines of two outlines that differ; one line that says so when the change is in no item."""
    lines = [f"- {key}: {text}" for key, text in before.items() if after.get(key) != text]
    lines += [f"+ {key}: {text}" for key, text in after.items() if before.get(key) != text]
    return lines or ["(parameters, targets or words that change no item)"]


def _meta(loaded: Loaded, path: Path, t0: str) -> dict[str, Any]:
    checklist = loaded.checklist
    meta: dict[str, Any] = {
        "id": path.stem,
        "title": checklist.title,
        "t0": t0,
        "tool": f"tminus {__version__}",
        "checklist": clean(loaded.path.name),
        "checklist_sha256": loaded.sha256,
        "outline": dict(checklist.outline()),
    }
    if commit := _git_commit(loaded.path.parent):
        meta["git_commit"] = commit
    if people := {role.title: role.name for role in checklist.role if role.name}:
        meta["people"] = people
    if checklist.rehearsal:
        meta["rehearsal"] = True
        if checklist.alone:
            meta["alone"] = True
        meta["durations"] = _shortened(checklist)
        meta["left_out"] = {item.id: item.out_of_scope for item in checklist.items.values() if item.out_of_scope}
    return meta


def _shortened(checklist: Checklist) -> dict[str, str]:
    """What an overlay made shorter, by item and gate: a rehearsal says with which durations it was flown."""
    return {
        f"{key}.{field.removesuffix('_')}": value
        for key, override in checklist.override.items()
        for field in ("for_", "over", "every", "until", "timeout", "expect")
        if (value := getattr(override, field)) is not None
    }


def _git_commit(folder: Path) -> str:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
