"""Whether a dump of PostgreSQL, taken now, can be restored, and holds everything."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2.errors

from checks.backups import transfer_errors
from checks.contract import Completed, Context, Plan, check
from checks.postgres_contents import Contents, contents, differences, sequences
from checks.postgres_tools import Tools, run_tool, tools_for
from checks.scratch import scratch
from metrics.sources.connect_errors import failure_of, misuse_of
from state.clean import shorten
from state.verdicts import Outcome
from transfer.errors import CouldNotLook
from transfer.postgres import Connection, Cursor, cancelling, connect, describe_url, speaking_of

_SHOWN = 6
_TABLE = re.compile(r"(?:dumping contents of|processing data for) table \"(.+)\"")
_FAILED = re.compile(
    r"error: (?:could not execute query: )?(?P<why>.+?)(?:\nDETAIL:.*)?\nCommand was: (?P<command>[^\n]*)"
)
# What a restore may fail in without a row being the worse for it: an extension that only a superuser makes (the
# managed server brings its own), and a setting that an older server does not know yet.
_EXTENSION = re.compile(r"(?:CREATE EXTENSION IF NOT EXISTS|COMMENT ON EXTENSION) (?P<name>\S+)")
_NOT_THE_DUMP = re.compile(r"permission denied|row-level security|version mismatch|lock timeout|canceling statement")
_SETTING = re.compile(r"SET \w+ = ")
# A table that is being altered is not waited for without end, nor do others wait behind us.
_DUMP = ("--format=custom", "--verbose", "--lock-wait-timeout=10s")
_RESTORE = ("--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions", "--no-security-labels",
    "--no-tablespaces", "--verbose")  # fmt: skip


def _plan_restore(ctx: Context, *, database_url: str, scratch_database_url: str | None, **_: object) -> Plan:
    where = describe_url(scratch_database_url) if scratch_database_url else "a throw-away server on this machine"
    lines = (
        f"pg_dump {' '.join(_DUMP)} of {describe_url(database_url)}: read every row of it, in one snapshot",
        f"pg_restore into a scratch database on {where}; dropped afterwards, with the dump",
        "compare every table, sequence, index and constraint of the two",
    )
    return Plan(lines, "safe", describe_url(database_url))


@check("postgres.restore_test", effect="change", timeout="2h", plan=_plan_restore)
@transfer_errors
def restore_test(
    ctx: Context, *, database_url: str, scratch_database_url: str | None = None, bin_dir: Path | None = None
) -> Outcome:
    """Dumps the database with pg_dump, restores it into a scratch PostgreSQL, and compares every row of the two.

    The dump and the rows it is compared with are of one snapshot, so that the app may write meanwhile. The scratch
    database is made on the server of SCRATCH_DATABASE_URL (its role needs CREATEDB), or on a throw-away server.
    pg_dump and pg_restore are those of the folder BIN_DIR, or the ones on this machine that fit the server's version.
    """
    started = time.monotonic()
    ctx.artefacts.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".restore-test-", dir=ctx.artefacts))  # mode 0700
    try:
        with _reading(ctx, database_url, "tminus restore test") as cur:
            server = _version(cur)
            tools = tools_for(ctx, server, bin_dir)
            snapshot, before = _snapshot(cur, work), sequences(cur)
            path = work / "database.dump"
            dumped = _dumped(ctx, tools, database_url, snapshot, path)
            if isinstance(dumped, Outcome):
                return dumped
            source = contents(cur, _telling(ctx, "read"))
        evidence: dict[str, object] = {
            "at": describe_url(database_url),
            "pg_dump": tools.version,
            "dump_bytes": path.stat().st_size,
            "dump_s": round(dumped.seconds, 1),
        }
        if not source.tables:
            return Outcome.unknown("the database holds no table", hint="is it the right one?", evidence=evidence)
        with scratch(scratch_database_url, ctx) as scratch_url:
            done = _restored(ctx, tools, scratch_url, path, len(source.tables))
            with _reading(ctx, scratch_url, "tminus restore test") as cur:
                scratch_server = _version(cur)
                restored = contents(cur, _telling(ctx, "compare"))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    evidence |= {"restore_s": round(done.seconds, 1), "scratch_server": scratch_server, "server": server}
    evidence["seconds"] = round(time.monotonic() - started, 1)
    return judged(Tried(source, before, restored, failures(done), scratch_server < server), evidence)


@dataclass(frozen=True, slots=True)
class Failures:
    """What pg_restore could not do. ERRORS count; EXTENSIONS could not be made there, which alone harms no row."""

    errors: tuple[str, ...]
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """SOURCE as dumped, its sequences BEFORE the dump, what came back as RESTORED, and what pg_restore FAILED in."""

    source: Contents
    before: Mapping[str, int | None]
    restored: Contents
    failed: Failures
    older: bool  # the scratch server than the source


def judged(test: Tried, evidence: Mapping[str, object]) -> Outcome:
    """The verdict on a database that was restored."""
    source = test.source
    wrong = [*differences(source, test.restored, test.before), *test.failed.errors]
    evidence = {
        **evidence,
        "tables": len(source.tables),
        "rows": source.rows,
        "sequences": len(source.sequences),
        "indexes": source.count("index"),
        "constraints": source.count("constraint"),
        **({"not tried": ", ".join(test.failed.extensions)} if test.failed.extensions else {}),
        **{f"difference {n}": one for n, one in enumerate(wrong[:_SHOWN], 1)},
    }
    expected = "every table, sequence, index and constraint as in the database"
    if wrong and test.older:
        what = f"the scratch server is older than the database's: {'; '.join(wrong[:2])}"
        return Outcome.error(what, hint="name a server as new in scratch_database_url", evidence=evidence)
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if wrong[_SHOWN:] else ""
        hint = "a dump like this one cannot be relied on: read the log of pg_restore, mend the cause, run it again"
        return Outcome.failed("; ".join(wrong[:_SHOWN]) + more, expected=expected, evidence=evidence, hint=hint)
    actual = f"{len(source.tables)} tables, {source.rows:,} rows equal after dump and restore"
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def failures(done: Completed) -> Failures:
    """What pg_restore said it could not do; it goes on after an error and says so in the end by its exit code."""
    errors, extensions = [], []
    for match in _FAILED.finditer(done.stderr):
        why, command = " ".join(match["why"].splitlines()[0].split()), match["command"]
        if extension := _EXTENSION.match(command):
            extensions.append(extension["name"].strip('"'))
        elif not (_SETTING.match(command) and "unrecognized configuration parameter" in why):
            errors.append(shorten(f"{command}: {why}", 160))
    plain = [line for line in done.stderr.splitlines() if "error: " in line and "could not execute query" not in line]
    errors += [shorten(line.partition("error: ")[2], 160) for line in plain]
    if done.exit_code != 0 and not _FAILED.search(done.stderr) and not errors:
        errors.append(f"pg_restore ended with exit code {done.exit_code}")
    return Failures(tuple(errors), tuple(dict.fromkeys(extensions)))


def _dumped(ctx: Context, tools: Tools, url: str, snapshot: str, path: Path) -> Completed | Outcome:
    words = (*_DUMP, f"--snapshot={snapshot}", f"--file={path}")
    done = run_tool(ctx, tools, "pg_dump", url, *words, on_line=_counting(ctx, 0, "dump"))
    if done.exit_code == 0 and path.is_file():
        return done
    said = [line for line in done.stderr.splitlines() if "error: " in line] or done.stderr.splitlines()[-1:]
    why = shorten("; ".join(line.removeprefix("pg_dump: error: ") for line in said[:3]) or "it said nothing", 300)
    if failure_of(why) or misuse_of(why) or _NOT_THE_DUMP.search(why):
        raise CouldNotLook(f"pg_dump: {why}")
    hint = "no dump can be made of this database: mend what pg_dump names"
    return Outcome.failed(f"pg_dump ended with exit code {done.exit_code}: {why}", expected="a dump", hint=hint)


def _restored(ctx: Context, tools: Tools, url: str, path: Path, tables: int) -> Completed:
    on_line = _counting(ctx, tables, "restore")
    return run_tool(ctx, tools, "pg_restore", url, *_RESTORE, str(path), on_line=on_line)


def _counting(ctx: Context, tables: int, what: str) -> Callable[[str], None]:
    seen = 0

    def line(text: str) -> None:
        nonlocal seen
        if match := _TABLE.search(text):
            ctx.progress(seen, tables, "tables", f"{what} {match[1]}")
            seen += 1

    return line


def _telling(ctx: Context, what: str) -> Callable[[int, int, str], None]:
    return lambda done, total, table: ctx.progress(done, total, "tables", f"{what} {table}")


@contextmanager
def _reading(ctx: Context, url: str, name: str) -> Iterator[Cursor]:
    """A cursor in one read-only snapshot, whose statements end when the check does."""
    connection: Connection = connect(url, application_name=name)
    with closing(connection), speaking_of(url, connection), cancelling(connection, lambda: _over(ctx)):
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cur:
            try:
                yield cur
            except psycopg2.errors.InsufficientPrivilege as denied:
                said = str(denied).strip().splitlines()[0]
                raise CouldNotLook(f"{describe_url(url)}: {said}. pg_dump needs a role that may read all") from None


def _over(ctx: Context) -> bool:
    return ctx.cancelled.is_set() or ctx.seconds_left <= 0


def _version(cur: Cursor) -> int:
    cur.execute("SELECT current_setting('server_version_num')::int / 10000")
    found = cur.fetchone()
    assert found is not None
    return int(found[0])


def _snapshot(cur: Cursor, work: Path) -> str:
    """The snapshot that pg_dump shares with this session, once there is room for a dump. Raises CouldNotLook."""
    cur.execute("SELECT pg_export_snapshot(), pg_database_size(current_database())")
    found = cur.fetchone()
    assert found is not None
    if (free := shutil.disk_usage(work).free) < found[1]:  # a dump is hardly ever larger than its database
        raise CouldNotLook(f"the database has {found[1]:,} bytes and the disk of the artefacts only {free:,} left")
    return str(found[0])
