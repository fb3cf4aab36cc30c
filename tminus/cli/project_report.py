"""What a rehearsal of a project's migration came to, as lines and as a page. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from state.clean import clean
from tminus.cli.db.lines import audit_lines, comparison_lines, finding_lines, indented, size, took
from tminus.practice.migration import Rehearsed


def report_lines(done: Rehearsed) -> list[str]:
    """The verdict first, then each stage, then everything that was found, by table and row."""
    return [
        f"{_verdict(done)}: {done.rows:,} rows of {done.tables} tables in {done.sqlite} ({size(done.bytes)})",
        "",
        *_stages(done),
        "",
        *_tables(done),
        *_copy(done),
        "",
        "what the data holds",
        *indented(audit_lines(done.audit)),
        *(["", "both sides", *indented(comparison_lines(done.compared))] if done.compared else []),
    ]


def report_page(done: Rehearsed, now: datetime) -> str:
    """The same as a page of Markdown, to be kept."""
    # Four of them: what is quoted from a database may hold three.
    body = "\n".join(clean(line).replace("````", "'''") for line in report_lines(done))
    return (
        f"# Rehearsal of the migration of {clean(done.project)}\n\n"
        f"{now:%Y-%m-%d %H:%M} UTC, on a copy of {clean(done.sqlite)}, into a PostgreSQL that was thrown away.\n\n"
        f"````text\n{body}\n````\n"
    )


def _verdict(done: Rehearsed) -> str:
    if done.equal:
        return "EQUAL"
    if not done.tables:
        return "NOTHING TO MOVE"
    if done.compared is not None:
        return "NOT CLEAN" if done.compared.equal else "DIFFERENT"
    return "REFUSED"


def _stages(done: Rehearsed) -> Iterator[str]:
    for name, seconds in done.seconds.items():
        yield f"{name:<30} {took(seconds):>8}"
    if done.copied is not None:
        yield f"{'speed of the copy':<30} {done.copied.rows_per_second:>8,.0f} rows/s"
    untouched = "as it was: same sha256, same time" if done.untouched else "CHANGED meanwhile: somebody writes to it"
    yield f"the original file              {untouched}"


def _tables(done: Rehearsed) -> Iterator[str]:
    if done.migrated is None:
        yield "tables: made from the schema in SQLite"
    elif done.migrated.problem:
        yield f"tables: {done.migrated.by}: {done.migrated.problem}"
        yield f"        {done.migrated.hint}"
    else:
        yield f"tables: {done.migrated.by} in {took(done.migrated.seconds)}, at revision {done.migrated.revision}"


def _copy(done: Rehearsed) -> Iterator[str]:
    if done.copied is not None:
        yield f"copy: {done.copied.rows:,} rows, in one transaction, proven equal"
        yield from (f"      rule {use.rule} of {use.column}: {use.count:,} times" for use in done.copied.rules)
        if done.copied.rejected:
            yield f"      {done.copied.rejected:,} rows left out by rules"
        yield from indented(finding_lines(done.copied.findings))
        return
    yield f"copy: refused, PostgreSQL as empty as before: {done.refused}"
    if done.trial is None:
        return
    if done.trial.refused:
        yield f"      also with the rules that are suggested below: {done.trial.refused}"
        return
    left = f", {done.trial.rejected:,} rows left out" if done.trial.rejected else ", none left out"
    yield f"      with these rules it would go through ({done.trial.rows:,} rows proven equal{left}):"
    yield "      [transfer.rules]"
    yield from (f"      {line}" for line in done.trial.lines)
