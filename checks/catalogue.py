"""docs/checks.md, written from the checks themselves: `python -m checks.catalogue > docs/checks.md`."""

from __future__ import annotations

import inspect
from pathlib import Path

from checks.contract import CheckSpec
from checks.params import describe, shown_default
from checks.registry import BUILT_IN, Registry
from state.durations import format_duration

_HEAD = """\
# The built-in checks

Written by `python -m checks.catalogue` from the code. A check is named by an item of the checklist; its
parameters stand in `with`, and are judged when the checklist is loaded. `${name}` takes a target. Relative paths
are taken from the checklist's folder. A `read` check may run by itself and again; a `change` shows its plan and
runs only on an explicit go. Where "an item's id" is taken, the item must have run and passed before.
Your own checks: [plugins.md](plugins.md).
"""

EXAMPLES = {
    "command.run": '{ argv = ["python", "-m", "pytest"], env = { DATABASE_URL = "${scratch}" }, '
    'expect_output = "passed" }',
    "command.probe": '{ argv = ["git", "status", "--porcelain"], expect_output = "^$" }',
    "command.plugin": '{ argv = ["/usr/lib/nagios/plugins/check_disk", "-w", "20%", "-c", "10%", "-p", "/"] }',
    "sqlite.backup": '{ source = "${sqlite}", into = "backups" }',
    "sqlite.quiet": '{ source = "${sqlite}", backup = "final-backup" }',
    "sqlite.counts": '{ table = "users", backup = "final-backup", live = "${sqlite}" }',
    "sqlite.schema": '{ source = "final-backup", into = "backups" }',
    "sqlite.dump": '{ source = "final-backup", into = "backups" }',
    "backup.restore_test": '{ backup = "final-backup" }',
    "postgres.connect": '{ database_url = "${database_url}", database = "app", min_version = 15 }',
    "postgres.tables": '{ database_url = "${database_url}", sqlite = "final-backup", app = "." }',
    "alembic.upgrade": '{ app = ".", database_url = "${database_url}", python = ".venv/bin/python" }',
    "transfer.audit": '{ sqlite = "${sqlite}", database_url = "${database_url}" }',
    "transfer.salvage": '{ backup = "final-backup", database_url = "${database_url}", into = "backups" }',
    "transfer.copy": '{ backup = "final-backup", database_url = "${database_url}" }',
    "transfer.compare": '{ backup = "final-backup", database_url = "${database_url}" }',
    "http.health": '{ url = "${base_url}/healthz", expect = { status = "ok", database = "postgresql" } }',
    "http.journey": '{ base_url = "${base_url}", name = "password-reset", outbox = "outbox" }',
    "logs.clean": '{ files = ["logs/error.log"], since = "deploy", allow = ["favicon"] }',
    "metrics.preflight": '{ sources = ["http", "postgres"], metrics = ["http.p95"] }',
    "metrics.baseline": '{ metrics = ["http.error_rate", "http.p95"], over = "15m" }',
    "metrics.within": '{ metrics = ["http.error_rate"], holds = "< 1%", over = "15m", since = "push" }',
    "notify.team": '{ to = "${notify}", text = "We begin at 20:00 UTC; the site is read-only for an hour." }',
    "backup.store": '{ backup = "final-backup", to = "s3://my-backups/app", also = ["export-schema"] }',
    "render.database": '{ database = "app-db", token = "${render_token}", region = "frankfurt", version = "17" }',
    "render.backups": '{ database = "app-db", token = "${render_token}", window = "3d" }',
    "render.plan": '{ database = "app-db", token = "${render_token}", budget = 20, pool_size = 5, max_overflow = 10, '
    'workers = 2, instances = 1, database_url = "${database_url}" }',
    "render.cost": '{ database = "app-db", token = "${render_token}", budget = 20 }',
    "deploy.staging": '{ service = "app-staging", token = "${render_token}" }',
    "deploy.follow": '{ service = "app", token = "${render_token}", push = "push", expect = "10m" }',
    "deploy.stop": '{ service = "app", token = "${render_token}" }',
    "deploy.rollback": '{ service = "app", token = "${render_token}" }',
    "deploy.maintenance": '{ service = "app", token = "${render_token}", on = true }',
    "deploy.job": '{ service = "app", token = "${render_token}", command = "alembic upgrade head" }',
    "items.passed": '{ items = ["register", "login", "post"] }',
}


def catalogue() -> str:
    """The whole page."""
    registry = Registry((), Path(), {})  # no plugin: the built-in checks alone
    names = [name for group in BUILT_IN.values() for name in group]
    specs = [spec for name in names if (spec := registry.get(name)) is not None]
    return "\n".join([_HEAD, *(section(spec) for spec in specs)])


def section(spec: CheckSpec) -> str:
    """One check: its parameters, its effect, and an example."""
    facts = [spec.effect, f"deadline {format_duration(spec.timeout)}"]
    facts += [f"evidence counts for {format_duration(spec.fresh_for)}"] if spec.fresh_for else []
    facts += ["in a process of its own"] if spec.process else []
    lines = [f"## {spec.name}", "", ", ".join(facts), "", (inspect.getdoc(spec.function) or "").strip(), ""]
    if spec.params:
        lines += ["| parameter | type | default |", "| --- | --- | --- |"]
        for param in spec.params:
            default = (
                "**required**" if param.required else f"`{shown_default(param)}`" if shown_default(param) else ""
            )
            lines.append(f"| `{param.name}` | {describe(param.kind).replace('|', chr(92) + '|')} | {default} |")
        lines.append("")
    lines += ["```toml", f'check = "{spec.name}"', f"with = {EXAMPLES[spec.name]}", "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(catalogue(), end="")
