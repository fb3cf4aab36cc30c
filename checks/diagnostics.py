"""What somebody needs who finds out later what went wrong, in one file that may be handed on."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from checks.archive import Archive
from checks.backups import size, stamp
from checks.contract import Context, Plan, Seconds, Stopped, check
from checks.journeys.shown import is_secret, redactor
from checks.symptoms import VIEWS, host_facts, metric_summary, packages, postgres_views
from metrics.history import HistoryError, history_path
from state.redact import Redactor
from state.verdicts import Outcome
from transfer.errors import TransferError
from transfer.postgres import describe_url

_ENV = re.compile(r"\$\{env:([^}]+)\}")
_UNPACKED = 256 * 2**20  # bytes of a compressed log that are read to find its end
_LISTING = """import importlib.metadata, sys
print(sys.version)
for one in importlib.metadata.distributions():
    print(one.metadata["Name"], one.version)
"""
_SYMPTOMS = ("record", "metrics", "logs", "database")


def _plan_bundle(
    ctx: Context, *, logs: list[Path] | None, database_url: str | None, record: Path | None, **_: object
) -> Plan:
    names = ", ".join(path.name for path in logs or []) or "no log, since none is named"
    server = f"READ {', '.join(VIEWS)} of {describe_url(database_url)}" if database_url else "ask no database"
    lines = (
        f"READ {_record(ctx, record).name}, its metric history, and the ends of: {names}",
        server,
        f"WRITE all of it, without secrets, to {ctx.artefacts}/diagnostics-<UTC time>.tar.gz, mode 0600",
    )
    return Plan(lines, "safe", str(ctx.artefacts))


@check("diagnostics.bundle", effect="change", timeout="5m", process=True, plan=_plan_bundle)
def bundle(
    ctx: Context,
    *,
    logs: list[Path] | None = None,
    database_url: str | None = None,
    record: Path | None = None,
    python: str | None = None,
    tail: int = 2_000_000,
    at_most: int = 20_000_000,
    over: Seconds = Seconds(21600.0),  # noqa: B008 (immutable)
) -> Outcome:
    """Writes a redacted archive: the record, its metrics, the ends of LOGS, what PostgreSQL says, versions, the host.

    Of each log the last TAIL bytes, of the metrics the time OVER before their last; AT_MOST bytes in all, before
    compression. RECORD is this run's own unless named. PYTHON: the app's interpreter, whose packages are listed too.
    What cannot be had is named in the archive's MANIFEST, with the reason.
    """
    archive = Archive(_redactor(ctx, database_url), at_most)
    parts: tuple[tuple[str, Callable[[], None]], ...] = (
        ("host", lambda: _host(ctx, archive, python)),
        ("record", lambda: _run(archive, _record(ctx, record))),
        ("metrics", lambda: _metrics(archive, _record(ctx, record), over)),
        ("database", lambda: _database(archive, database_url)),
        ("logs", lambda: _logs(ctx, archive, logs or [], tail)),
    )
    for number, (part, gather) in enumerate(parts):
        if ctx.cancelled.is_set():
            raise Stopped("cancelled")
        ctx.progress(number, len(parts), "parts", part)
        try:
            gather()
        except (Stopped, TimeoutError):
            raise
        except Exception as error:  # whatever one part suffers from, the others are wanted all the more
            archive.lack(part, f"{type(error).__name__}: {error}")
    path = ctx.artefacts / f"diagnostics-{stamp()}.tar.gz"
    try:
        written = archive.write(path)
    except OSError as error:
        what = f"{path.name} cannot be written: {error.strerror or error}"
        return Outcome.error(what, hint="make room, or see who may write there")
    evidence: dict[str, object] = {"path": str(path), "bytes": written, "files": len(archive.members)}
    evidence |= {"parts": ", ".join(archive.had)}
    evidence |= {f"lacking {n}": what for n, what in enumerate(archive.lacking[:12], 1)}
    actual = f"{path.name}: {', '.join(archive.had)}, {size(written)}"
    if not set(archive.had) & set(_SYMPTOMS):
        hint = "name the logs and the database, and see the reasons in the evidence"
        return Outcome.error("nothing that speaks of the trouble could be had", hint=hint, evidence=evidence)
    expected = "every part, without a secret"
    if archive.lacking:
        said = f"{actual}; lacking: {'; '.join(archive.lacking[:4])}"
        hint = "read MANIFEST in it; read it over before you hand it on"
        return Outcome.warned(said, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _record(ctx: Context, record: Path | None) -> Path:
    # The files of a run lie beside its record, in the folder of its name.
    return record or ctx.artefacts.with_suffix(".toml")


def _redactor(ctx: Context, database_url: str | None) -> Redactor:
    """Knows what the environment holds in secret: all that a checklist takes from it, and all that is named so."""
    named = {name for path in ctx.project.glob("*.toml") for name in _ENV.findall(_text(path))}
    secrets = [
        value for name, value in os.environ.items() if name in named or is_secret(name) or _has_password(value)
    ]
    known = redactor([*secrets, *([database_url] if database_url else [])])
    return Redactor(known.secrets, home=str(ctx.project.absolute()))


def _has_password(value: str) -> bool:
    return "://" in value and "@" in value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _run(archive: Archive, record: Path) -> None:
    if not record.is_file():
        archive.lack("record", f"no file {record.name}")
        return
    archive.add("record", record.name, record.read_text(encoding="utf-8", errors="replace"))
    newest = record.with_name(record.name + ".wal")  # what has happened and is not folded into the record yet
    if newest.is_file() and newest.stat().st_size:
        archive.add("record", newest.name, newest.read_text(encoding="utf-8", errors="replace"))


def _metrics(archive: Archive, record: Path, over: float) -> None:
    try:
        archive.add("metrics", "metrics.json", metric_summary(history_path(record), over))
    except HistoryError as error:
        archive.lack("metrics", str(error))


def _database(archive: Archive, database_url: str | None) -> None:
    if not database_url:
        archive.lack("database", "not configured: database_url")
        return
    try:
        for view, found in postgres_views(database_url):
            if isinstance(found, Exception):
                archive.lack("database", f"{view}: {found}")
            else:
                archive.add("database", f"postgres-{view}.csv", found)
    except TransferError as error:
        archive.lack("database", str(error))


def _host(ctx: Context, archive: Archive, python: str | None) -> None:
    archive.add("host", "host.json", host_facts(ctx.project))
    archive.add("versions", "packages.txt", packages())
    if python is None:
        return
    try:
        done = ctx.run_sync([python, "-c", _LISTING], timeout=30)
    except OSError as error:
        archive.lack("versions", f"{python}: {error}")
        return
    if done.exit_code:
        archive.lack("versions", f"{python} ended with exit code {done.exit_code}")
    else:
        archive.add("versions", "app-packages.txt", done.stdout)


def _logs(ctx: Context, archive: Archive, logs: list[Path], tail: int) -> None:
    if not logs:
        archive.lack("logs", "none is named (logs = [ … ])")
    for path in logs:
        if ctx.cancelled.is_set():
            raise Stopped("cancelled")
        try:
            raw = _end(path, tail)
            if raw is None:
                archive.lack("logs", f"{path.name}: too large to find its end without unpacking all of it")
                continue
        except (OSError, EOFError, zlib.error) as error:
            archive.lack("logs", f"{path.name}: {getattr(error, 'strerror', None) or error}")
            continue
        if b"\0" in raw[:4096]:
            archive.lack("logs", f"{path.name}: not text, so its secrets cannot be seen")
        elif not raw:
            archive.note("logs", f"{path.name}: empty")
        else:
            archive.add("logs", f"log-{path.name.removesuffix('.gz')}", raw.decode(errors="replace"))


def _end(path: Path, tail: int) -> bytes | None:
    """The last TAIL bytes of PATH, from the beginning of a line on: half a line may hold half a secret.

    None for a compressed one that is too large.
    """
    if path.suffix == ".gz":
        raw, seen = b"", 0
        with gzip.open(path, "rb") as file:
            while piece := file.read(2**20):
                raw, seen = (raw + piece)[-tail - 1 :], seen + len(piece)
                if seen > _UNPACKED:
                    return None
    else:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - tail - 1))
            raw = file.read(tail + 1)
    return raw.partition(b"\n")[2] if len(raw) > tail else raw
