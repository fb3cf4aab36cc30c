"""What squawk, a linter of PostgreSQL's SQL (squawkhq.com), advises on the SQL that the migrations come to.

It is asked only where it is installed (pip install 'tminus[squawk]'), and what it says never fails an item. Seen with
squawk 2.70: `--reporter json` prints a list of {line (from 0), level, message, help or null, rule_name, …}; the exit
code is 0 when the list is empty and 1 when it is not; a syntax error hides all the rest.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from checks.code.finding import Finding, switched
from checks.contract import Context, Stopped
from checks.processes import supervise

SUBJECT = "squawk/"
FILE = "migrations (SQL)"
CHOICE = ".squawk.toml"  # squawk looks for it in the folder it is run in, and in those above
MOST = 20
# Rules about locks that are held, clients that are served and rows that are there while a migration runs. The SQL
# that is read here has just run from the first revision to the last on an empty database: each table that it alters
# it made itself, moments before, and so it will on the day. Nobody waits for a lock on such a table.
LOCKS_AND_TRAFFIC = frozenset({
    "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field",
    "adding-required-field", "adding-serial-primary-key-field", "ban-add-column", "ban-add-composite-attribute",
    "ban-add-enum-value", "ban-alter-database-options", "ban-alter-domain-with-add-constraint",
    "ban-alter-extension", "ban-alter-function-options", "ban-alter-generated-expression", "ban-alter-identity",
    "ban-alter-policy-condition", "ban-alter-policy-roles", "ban-alter-role-options",
    "ban-alter-row-level-security", "ban-alter-sequence-values", "ban-alter-system-options",
    "ban-alter-view-options", "ban-concurrent-index-creation-in-transaction",
    "ban-create-domain-with-constraint", "ban-create-policy", "ban-detach-inheritance", "ban-disable-trigger",
    "ban-drop-column", "ban-drop-constraint", "ban-drop-default", "ban-drop-domain", "ban-drop-extension",
    "ban-drop-function", "ban-drop-generated-expression", "ban-drop-index", "ban-drop-not-null",
    "ban-drop-policy", "ban-drop-schema", "ban-drop-sequence", "ban-drop-table", "ban-drop-trigger",
    "ban-drop-type", "ban-drop-view", "ban-new-write-restriction", "ban-replace-view-function",
    "ban-replica-identity", "ban-revoke", "ban-set-default", "ban-set-schema", "ban-uncommitted-transaction",
    "changing-column-type", "constraint-missing-not-valid", "disallowed-unique-constraint", "prefer-repack",
    "prefer-robust-stmts", "prefer-text-field", "renaming-column", "renaming-object", "renaming-table",
    "require-concurrent-index-creation", "require-concurrent-index-deletion",
    "require-concurrent-partition-detach", "require-concurrent-reindex", "require-lock-timeout",
    "require-statement-timeout", "require-timeout-settings", "transaction-nesting",
})  # fmt: skip
_RUNNING = re.compile(r"^-- Running upgrade .*?-> ([^\s,]+)", re.MULTILINE)
_RULE = re.compile(r"[a-z][a-z0-9-]{0,60}")
_SECONDS = 60.0
_LARGEST = 16 * 1024 * 1024


class NoAdvice(Exception):
    """Why there is none, in a few words."""


def squawk() -> str | None:
    """The program: in PATH, or beside this interpreter."""
    if (in_path := shutil.which("squawk")) is not None:
        return in_path
    return shutil.which("squawk", path=str(Path(sys.executable).parent))


def advice(
    ctx: Context, alembic: Sequence[str], folder: Path, env: Mapping[str, str], off: Sequence[str]
) -> tuple[tuple[Finding, ...], str]:
    """What squawk advises on the migrations, without the rules OFF; and a few words on it for the evidence.

    ALEMBIC is the command that runs them, as words; it is run in FOLDER with ENV, and only writes SQL (--sql).
    """
    if SUBJECT in off:
        return (), "off"
    if (program := squawk()) is None:
        return (), "not installed"
    ctx.log("squawk reads the SQL of the migrations (alembic upgrade head --sql)")
    try:
        sql = _offline(ctx, [*alembic, "upgrade", "head", "--sql"], folder, env)
        found = switched(advised(ctx, program, sql, folder), off)
    except NoAdvice as none:
        return (), str(none)
    heeded = f", {CHOICE} heeded" if any((above / CHOICE).is_file() for above in _up(folder)) else ""
    return found[:MOST], (f"{len(found)} advised" if found else "nothing to advise") + heeded


def advised(ctx: Context, program: str, sql: str, folder: Path) -> tuple[Finding, ...]:
    """What PROGRAM says of SQL, run in FOLDER, whose CHOICE it heeds. Raises NoAdvice."""
    with tempfile.TemporaryDirectory(prefix="tminus-squawk-") as own:
        path = Path(own) / "migrations.sql"
        path.write_text(sql, encoding="utf-8")
        try:
            exit_code, said = _run(ctx, [program, "--reporter", "json", str(path)], folder, {})
        except OSError as error:
            raise NoAdvice(f"cannot be run: {error.strerror}") from None
    if exit_code not in (0, 1):
        raise NoAdvice(f"no advice: exit code {exit_code}")
    return findings_of(said, sql)


def findings_of(said: str, sql: str) -> tuple[Finding, ...]:
    """The JSON that squawk SAID of SQL as findings, one a rule: at its first place, the others counted.

    What stands before the first revision is Alembic's own and is left out. Raises NoAdvice.
    """
    first: dict[str, tuple[int, str, str]] = {}
    places: dict[str, int] = {}
    starts = [(sql.count("\n", 0, match.start()), match[1]) for match in _RUNNING.finditer(sql)]
    try:
        for one in json.loads(said):
            rule, at, message = str(one["rule_name"]), int(one["line"]), str(one["message"])
            if rule == "syntax-error":
                raise NoAdvice(f"no advice: line {at + 1} of the SQL is not understood")
            if rule in LOCKS_AND_TRAFFIC or not _RULE.fullmatch(rule) or (starts and at < starts[0][0]):
                continue
            places[rule] = places.get(rule, 0) + 1
            first.setdefault(rule, (at, message, str(one.get("help") or "")))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise NoAdvice("no advice: its answer is not understood") from None
    found = []
    for rule, (at, message, mend) in first.items():
        revision = next((f"revision {name}" for line, name in reversed(starts) if line <= at), "")
        others = places[rule] - 1
        more = f"{others} more place{'s' if others > 1 else ''}" if others else ""
        where = ", ".join(part for part in (revision, more) if part)
        text = f"{where}: {_cut(message)}" if where else _cut(message)
        what_to_do = _cut(mend) or f"see https://squawkhq.com/docs/{rule}"
        found.append(Finding(SUBJECT + rule, "warning", FILE, at + 1, text, what_to_do))
    return tuple(found)


def _offline(ctx: Context, argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> str:
    try:
        exit_code, sql = _run(ctx, argv, folder, env)
    except OSError:
        raise NoAdvice("no SQL offline") from None
    if exit_code != 0 or not _RUNNING.search(sql):
        raise NoAdvice("no SQL offline")
    return sql


def _run(ctx: Context, argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and output of ARGV, which is too much for the log. Raises NoAdvice, Stopped, OSError."""
    out: list[bytes] = []
    size = 0

    def keep(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size <= _LARGEST:
            out.append(piece)

    deadline = time.monotonic() + min(_SECONDS, ctx.seconds_left)
    ended = supervise(
        argv, on_stdout=keep, on_stderr=lambda _: None, stop=ctx.cancelled, deadline=deadline, cwd=folder, env=env
    )
    if ended.why == "stopped":
        raise Stopped("cancelled")
    if ended.why == "deadline":
        raise NoAdvice("no advice in time")
    if size > _LARGEST:
        raise NoAdvice("no advice: too much SQL")
    return ended.exit_code, b"".join(out).decode(errors="replace")


def _up(folder: Path) -> tuple[Path, ...]:
    return (folder.absolute(), *folder.absolute().parents)


def _cut(words: str) -> str:
    return textwrap.shorten(words, 140, placeholder=" …")
