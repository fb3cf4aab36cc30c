"""The project's own tests, run against a scratch PostgreSQL."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from checks.backups import transfer_errors
from checks.contract import Completed, Context, Plan, check
from checks.junit import Suite, read_junit
from checks.processes import shown_argv
from checks.scratch import scratch
from checks.whereabouts import where
from state.durations import format_duration
from state.verdicts import Outcome
from transfer.errors import CouldNotLook
from transfer.postgres import look, speaking_of
from transfer.urls import describe_url

_NO_TESTS, _USAGE = 5, 4  # exit codes of pytest
_COUNTED = re.compile(r"(\d+) (passed|failed|errors?|skipped)\b")
_UNITTEST = re.compile(r"^Ran (\d+) tests? in", re.MULTILINE)
_SETTLES = 2.0  # seconds until the server's statistics are there


def _plan_suite(
    ctx: Context,
    *,
    argv: list[str],
    project: Path,
    database_url: str | None,
    variable: str,
    junit: Path | None,
    env: Mapping[str, str] | None,
) -> Plan:
    server = describe_url(database_url) if database_url else "a throw-away server on this machine"
    more = f", and {', '.join(sorted(env))}" if env else ""
    lines = (shown_argv(_with_report(ctx, argv, junit)[0]), *where(ctx, project),
        f"with {variable} = a scratch database on {server}{more} in its environment; dropped afterwards")  # fmt: skip
    return Plan(lines, "safe", project.resolve().name)


@check("command.test_suite", effect="change", timeout="1h", plan=_plan_suite)
@transfer_errors
def test_suite(
    ctx: Context,
    *,
    argv: list[str],
    project: Path = Path(),
    database_url: str | None = None,
    variable: str = "DATABASE_URL",
    junit: Path | None = None,
    env: dict[str, str] | None = None,
) -> Outcome:
    """Runs the test command ARGV in the folder PROJECT on a scratch PostgreSQL; every test passes, some ran.

    The scratch database is made on the server of DATABASE_URL and dropped afterwards; without one, a throw-away
    server is started. It goes to the tests as the environment variable VARIABLE, beside ENV. JUNIT is the report that
    the command writes; pytest is asked for one. Tests that never write to the database are not taken for a proof.
    """
    if not argv:
        return Outcome.unknown("no test command", hint="say argv = [ … ]")
    if not project.is_dir():
        return Outcome.error(f"no folder {project}", hint="project is relative to the checklist")
    command, report = _with_report(ctx, argv, junit)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.unlink(missing_ok=True)  # one of an earlier run is no answer
    with scratch(database_url, ctx) as url:
        try:
            done = ctx.run_sync(command, cwd=project, env={**(env or {}), variable: url})
        except TimeoutError:
            raise
        except OSError as error:
            what = f"cannot run {command[0]}: {error.strerror or error}"
            return Outcome.error(what, hint="is it installed, and in PATH?")
        written = _written(ctx, url) if done.exit_code == 0 else 0
    suite = read_junit(report) if report is not None else None
    return judged(done, suite or _from_output(done), written, variable)


# pytest would take a function of this name for a test where it is imported.
test_suite.__test__ = False  # type: ignore[attr-defined]


def judged(done: Completed, suite: Suite | None, written: int, variable: str) -> Outcome:
    """The verdict on a test command that has ended. WRITTEN: rows that it wrote to the scratch database."""
    evidence: dict[str, object] = {"exit_code": done.exit_code, "seconds": round(done.seconds, 1)}
    if suite is not None:
        evidence |= {"passed": suite.passed, "failed": suite.failed, "skipped": suite.skipped}
    evidence["rows_written"] = written
    expected = "every test passes on PostgreSQL"
    took = format_duration(done.seconds)
    last = next((line.strip() for line in reversed((done.stdout + done.stderr).splitlines()) if line.strip()), "")
    if suite is not None and suite.failed:
        names = f": {', '.join(suite.first)}" if suite.first else ""
        what = f"{suite.failed} of {suite.total} tests failed in {took}{names}"
        return Outcome.failed(what, expected=expected, evidence=evidence, hint="read the log, mend, run it again")
    if done.exit_code == _NO_TESTS or (done.exit_code == 0 and (suite is None or suite.passed == 0)):
        what = "no test ran" if suite is None or not suite.total else f"all {suite.total} tests were skipped"
        return Outcome.unknown(what, hint="see argv; junit = … names the report of another runner", evidence=evidence)
    if done.exit_code == _USAGE and suite is None:
        return Outcome.error(f"the test command was not understood: {last}", hint="see argv", evidence=evidence)
    if done.exit_code != 0 or suite is None:
        what = f"exit code {done.exit_code} after {took}: {last}"
        return Outcome.failed(what, expected=expected, evidence=evidence, hint="read the log, mend, run it again")
    actual = f"{suite.passed} passed, {suite.skipped} skipped in {took}"
    if not written:
        what = f"{actual}, but nothing was written to the scratch PostgreSQL"
        hint = f"do the tests take their database from {variable}? They may have run on SQLite"
        return Outcome.warned(what, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _with_report(ctx: Context, argv: Sequence[str], junit: Path | None) -> tuple[list[str], Path | None]:
    """The command, and where it leaves its report: pytest is asked to write one."""
    given = next((one.partition("=")[2] for one in argv if one.startswith("--junit")), "")
    if junit is not None or given or any(one.startswith("--junit") for one in argv):
        return list(argv), junit or (ctx.project / given if given else None)
    if any(Path(one).name in ("pytest", "py.test") for one in argv[:4]):
        report = ctx.artefacts / "test-suite.xml"
        return [*argv, f"--junitxml={report.resolve()}"], report
    return list(argv), None


def _from_output(done: Completed) -> Suite | None:
    """The counts that pytest and unittest print; None where they print none."""
    text = done.stdout[-4000:] + "\n" + done.stderr[-4000:]
    found = {word.removesuffix("s"): int(number) for number, word in _COUNTED.findall(text)}
    if found:
        failed = found.get("failed", 0) + found.get("error", 0)
        return Suite(found.get("passed", 0), failed, found.get("skipped", 0), done.seconds, ())
    if (ran := _UNITTEST.search(text)) is not None:
        return Suite(int(ran[1]), 0, 0, done.seconds, ())
    return None


def _written(ctx: Context, url: str) -> int:
    """Rows that were written to the database of URL, its catalogue's among them: a table that is made is one."""
    until = time.monotonic() + _SETTLES
    while True:
        try:
            connection = look(url, application_name="tminus check", statement_timeout=5)
        except CouldNotLook:
            return 0
        with closing(connection), speaking_of(url, connection), connection.cursor() as cur:
            cur.execute("SELECT tup_inserted + tup_updated FROM pg_stat_database WHERE datname = current_database()")
            row = cur.fetchone()
        if (row and row[0]) or time.monotonic() >= until or ctx.cancelled.wait(0.1):
            return int(row[0] or 0) if row else 0
