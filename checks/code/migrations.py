"""Whether the migrations are ready for PostgreSQL: as they are written, and run there and back on a scratch one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from checks.alembic import interpreter, last_words, revisions_in
from checks.backups import backup_of, transfer_errors
from checks.code.engine import opened
from checks.code.finding import Finding, Rule, outcome_of, switched
from checks.code.migration_rules import GAP, HEADS, heads, migration_findings, revisions_of
from checks.code.squawk import advice
from checks.contract import Completed, Context, check
from checks.postgres import missing_columns, postgres_columns, sqlite_columns
from checks.scratch import scratch
from state.verdicts import Outcome
from transfer.errors import CouldNotLook
from transfer.postgres import connect, look, speaking_of

UPGRADE = Rule(
    "migrations/upgrade", "error", "alembic upgrade head fails on an empty PostgreSQL",
    "It was tried on a scratch database with the application's own interpreter. What fails there fails on the day.",
)  # fmt: skip
DOWNGRADE = Rule(
    "migrations/downgrade", "error", "alembic downgrade base fails",
    "A way back that was never walked is none: a failed deploy cannot take its migration back.",
)  # fmt: skip
AGAIN = Rule(
    "migrations/again", "error", "The second upgrade does not come to the same schema",
    "The way back leaves something behind, mostly the types of enums, which drop_table does not drop.",
)  # fmt: skip
MISSING = Rule(
    "migrations/missing", "error", "Tables or columns of the SQLite file that the migrations do not make",
    "Their rows have nowhere to go. Often a table was made by create_all() and never got a migration.",
)  # fmt: skip
RULES = (UPGRADE, DOWNGRADE, AGAIN, MISSING)
_PROBE = "tminus_probe"
_STEPS = 3


@dataclass(frozen=True, slots=True)
class _Alembic:
    """Alembic of the application, by its own interpreter, on one database."""

    ctx: Context
    folder: Path
    argv: tuple[str, ...]
    variable: str
    database_url: str
    env: Mapping[str, str]

    def run(self, *words: str) -> Completed:
        try:
            return self.ctx.run_sync(
                [*self.argv, *words], cwd=self.folder, env={**self.env, self.variable: self.database_url}
            )
        except FileNotFoundError:
            what = f"no interpreter {self.argv[0]!r}: name the app's own, as in .venv/bin/python"
            raise CouldNotLook(what) from None
        except PermissionError as error:
            raise CouldNotLook(f"{self.argv[0]}: {error.strerror}") from None

    def schema(self) -> tuple[dict[str, set[str]], list[str]]:
        """Tables with their columns, and the revision."""
        connection = look(self.database_url, application_name="tminus check", statement_timeout=20)
        with closing(connection), speaking_of(self.database_url, connection), connection.cursor() as cur:
            return postgres_columns(cur), revisions_in(cur)


@check("code.migrations", timeout="15m", fresh_for="1d")
@transfer_errors
def migrations(
    ctx: Context,
    *,
    project: Path = Path(),
    python: str = "python",
    database_url: str | None = None,
    variable: str = "DATABASE_URL",
    env: dict[str, str] | None = None,
    sqlite: str | None = None,
    off: list[str] | None = None,
) -> Outcome:
    """One head and no gap; upgrade, downgrade and upgrade again on a scratch PostgreSQL; what SQLite has is there.

    PYTHON is the application's interpreter, PROJECT its folder with alembic.ini (or Flask-Migrate's migrations/).
    The scratch database is made on the server of DATABASE_URL and dropped again; without one, a throw-away server is
    started. It goes to the application as the environment variable VARIABLE, beside ENV. SQLITE is a file or a
    backup's item id. Nothing is run before it is seen that env.py leads to the scratch database and to no other.
    Where squawk is installed (extra `squawk`), it advises on the SQL; off = ["squawk/"] leaves that out.
    """
    read = opened(project)
    revisions = revisions_of(read.migrations)
    if not revisions:
        hint = "project = … names the folder with alembic.ini and migrations/"
        return Outcome.unknown(f"no Alembic revision in {project}", hint=hint)
    wanted = sqlite_columns(backup_of(ctx, sqlite)) if sqlite is not None else {}
    if sqlite is not None and not wanted:
        return Outcome.unknown("the SQLite file holds no table", hint="is it the right file?")
    findings = list(migration_findings(read))
    advised: tuple[Finding, ...] = ()
    evidence: dict[str, object] = {"revisions": len(revisions), "head": ", ".join(one.id for one in heads(revisions))}
    if not any(one.rule in (HEADS.id, GAP.id) for one in findings):
        with scratch(database_url, ctx) as url:
            alembic = _Alembic(ctx, project, _command(ctx, project, python), variable, url, env or {})
            if (astray := _astray(alembic)) is not None:
                return astray
            walked = list(_walk(alembic, heads(revisions)[0].id, wanted, evidence))
            findings += walked
            if not switched(walked, off or ()):  # advice on SQL that does not work yet would only be in the way
                run_with = {**alembic.env, variable: url}
                advised, evidence["squawk"] = advice(ctx, alembic.argv, project, run_with, off or ())
    if wanted:
        evidence["tables_compared"] = len(wanted)
    looked_at = f"{len(revisions)} revisions"
    expected = "one head, no gap; upgrade, downgrade, upgrade on PostgreSQL" + ("; every table" if wanted else "")
    kept = (*switched(findings, off or ()), *advised)
    return outcome_of(kept, looked_at=looked_at, expected=expected, evidence=evidence)


def _command(ctx: Context, project: Path, python: str) -> tuple[str, ...]:
    if (project / "alembic.ini").is_file():
        return (interpreter(ctx, python), "-m", "alembic")
    if (project / "migrations" / "alembic.ini").is_file():
        return (interpreter(ctx, python), "-m", "flask", "db")
    raise CouldNotLook(f"no alembic.ini in {project}, and none in its migrations/")


def _astray(alembic: _Alembic) -> Outcome | None:
    """Why nothing may be run: `alembic current` must stumble over a revision that only the scratch database has.

    An env.py with a URL of its own would take the way back on a database that somebody needs.
    """
    _execute(alembic, f"CREATE TABLE alembic_version AS SELECT '{_PROBE}'::varchar(32) AS version_num")
    said = alembic.run("current")
    _execute(alembic, "DROP TABLE IF EXISTS alembic_version")
    if _PROBE in said.stdout + said.stderr:
        return None
    if said.exit_code != 0:
        hint = "run it by hand in the project's folder; python = … names the application's interpreter"
        return Outcome.error(f"alembic cannot be run: {last_words(said)}", hint=hint)
    what = f"alembic goes to another database than {alembic.variable} names: nothing was run"
    hint = f"let env.py take its URL from {alembic.variable}, or name its variable: variable = …"
    return Outcome.failed(what, expected=f"env.py takes its URL from {alembic.variable}", hint=hint)


def _execute(alembic: _Alembic, statement: str) -> None:
    connection = connect(alembic.database_url, application_name="tminus scratch", statement_timeout=20)
    with closing(connection), speaking_of(alembic.database_url, connection), connection:
        connection.cursor().execute(statement)


def _walk(
    alembic: _Alembic, head: str, wanted: dict[str, list[str]], evidence: dict[str, object]
) -> Iterator[Finding]:
    """There, back, and there again; the first step that fails ends it."""
    ctx, seconds = alembic.ctx, 0.0
    shown: dict[str, set[str]] = {}
    for number, (words, rule) in enumerate(
        ((("upgrade", "head"), UPGRADE), (("downgrade", "base"), DOWNGRADE), (("upgrade", "head"), AGAIN)), 1
    ):
        ctx.progress(number, _STEPS, "steps", " ".join(words))
        done = alembic.run(*words)
        seconds += done.seconds
        evidence["seconds"] = round(seconds, 1)
        if done.exit_code != 0:
            mend = "mend the revision that the log names; it was tried on an empty PostgreSQL"
            again = " the second time" if rule is AGAIN else ""
            yield _finding(rule, f"alembic {' '.join(words)} failed{again}: {last_words(done)}", mend)
            return
        tables, revisions = alembic.schema()
        if rule is UPGRADE:
            if revisions != [head]:
                yield _finding(rule, f"the revision is {', '.join(revisions) or 'none'}, not {head}", "see env.py")
                return
            shown = tables
            evidence["tables"] = len(tables)
            missing = missing_columns(wanted, tables)
            for one in missing[:20]:
                yield _finding(MISSING, f"no migration makes {one}", "write one: alembic revision --autogenerate")
        elif rule is DOWNGRADE and (left := sorted(set(tables) - {"alembic_version"})):
            yield _finding(
                rule, f"downgrade base leaves {', '.join(left[:8])}", "drop in downgrade() what upgrade() makes"
            )
        elif rule is AGAIN and tables != shown:
            differing = sorted(t for t in {*tables, *shown} if tables.get(t) != shown.get(t))
            yield _finding(rule, f"another schema than the first time: {', '.join(differing[:8])}", "see downgrade()")


def _finding(rule: Rule, message: str, mend: str) -> Finding:
    return Finding(rule.id, rule.level, "migrations", 0, message, mend)
