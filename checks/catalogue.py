"""docs/checks.md, written from the checks themselves: `python -m checks.catalogue > docs/checks.md`."""

from __future__ import annotations

import inspect
import json
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from checks.contract import CheckSpec
from checks.params import Seconds, describe, shown_default
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
    "postgres.connections": '{ database_url = "${database_url}", sqlite = "${sqlite}" }',
    "postgres.performance": '{ database_url = "${database_url}", slow = "250ms" }',
    "postgres.host": '{ database_url = "${database_url}", cpu = 0.8, disk = 0.85 }',
    "postgres.restore_test": '{ database_url = "${database_url}" }',
    "pool.usage": '{ database_url = "${database_url}", metrics_url = "${base_url}/metrics" }',
    "alembic.upgrade": '{ app = ".", database_url = "${database_url}", python = ".venv/bin/python" }',
    "transfer.audit": '{ sqlite = "${sqlite}", database_url = "${database_url}" }',
    "transfer.salvage": '{ backup = "final-backup", database_url = "${database_url}", into = "backups" }',
    "sqlite.restore": '{ live = "${sqlite}", backup = "rollback-salvage", otherwise = "final-backup" }',
    "diagnostics.bundle": '{ logs = ["logs/error.log"], database_url = "${database_url}" }',
    "transfer.copy": '{ backup = "final-backup", database_url = "${database_url}" }',
    "transfer.compare": '{ backup = "final-backup", database_url = "${database_url}" }',
    "http.health": '{ url = "${base_url}/healthz", expect = { status = "ok", database = "postgresql" } }',
    "http.journey": '{ base_url = "${base_url}", name = "password-reset", outbox = "outbox" }',
    "logs.clean": '{ files = ["logs/error.log"], since = "deploy", allow = ["favicon"] }',
    "metrics.preflight": '{ sources = ["http", "postgres"], metrics = ["http.p95"] }',
    "metrics.baseline": '{ metrics = ["http.error_rate", "http.p95"], over = "15m" }',
    "metrics.within": '{ metrics = ["http.error_rate"], holds = "< 1%", over = "15m", since = "push" }',
    "code.blueprint": '{ file = "render.yaml", services = ["web"], off = ["blueprint/disk"] }',
    "code.env_example": '{ file = ".env.example", ignore = ["SENTRY_RELEASE"] }',
    "git.push": '{ remote = "render", branch = "main" }',
    "git.revert": '{ remote = "render", branch = "main", commit = "push" }',
    "rollback.ready": '{ backup = "final-backup", remote = "render", branch = "main", '
    'previous_deploy = "last-deploy", steps = { stop = "2m", revert = "5m", restore = "5m" }, limit = "15m" }',
    "code.engine": '{ project = "${app_dir}", render_yaml = "render.yaml", off = ["engine/no-recycle"] }',
    "code.engine_options": '{ project = "${app_dir}", render_yaml = "render.yaml", limit = 97 }',
    "code.migrations": '{ project = "${app_dir}", python = "${python}", sqlite = "${sqlite}" }',
    "command.test_suite": '{ argv = ["python3", "-m", "pytest", "-q"], project = "${app_dir}" }',
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


def facts(spec: CheckSpec) -> str:
    """Effect, deadline, and how long the evidence counts, on one line."""
    said = [spec.effect, f"deadline {format_duration(spec.timeout)}"]
    said += [f"evidence counts for {format_duration(spec.fresh_for)}"] if spec.fresh_for else []
    said += ["in a process of its own"] if spec.process else []
    return ", ".join(said)


def about(spec: CheckSpec) -> str:
    """All that the check says of itself."""
    return (inspect.getdoc(spec.function) or "").strip()


def example(spec: CheckSpec) -> str:
    """An inline table for `with`: for a check of somebody's own, what it requires, with a value of the right form."""
    if spec.name in EXAMPLES:
        return EXAMPLES[spec.name]
    values = [f"{param.name} = {_form(param.kind)}" for param in spec.params if param.required]
    return f"{{ {', '.join(values)} }}" if values else "{}"


def _form(kind: Any) -> str:
    """A value of KIND as TOML."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return json.dumps(args[0])
    if origin in (Union, types.UnionType):
        return _form(next(one for one in args if one is not type(None)))
    if kind is list or origin is list:
        return f"[{_form(args[0]) if args else ''}]"
    if kind is dict or origin is dict:
        return "{}"
    forms: dict[Any, str] = {int: "1", float: "1.0", bool: "true", Path: '"path"', Seconds: '"30s"'}
    return forms.get(kind, '"..."')


def snippet(spec: CheckSpec) -> str:
    """An item with this check, ready to be pasted into a checklist."""
    item = spec.name.replace(".", "-").replace("_", "-").lower()
    lines = ["[[phase.step.item]]", f'id = "{item}"', f"text = {json.dumps(spec.doc, ensure_ascii=False)}"]
    lines += [f'check = "{spec.name}"']
    lines += [f"with = {example(spec)}"] if spec.params else []
    return "\n".join(lines)


def section(spec: CheckSpec) -> str:
    """One check: its parameters, its effect, and an example."""
    lines = [f"## {spec.name}", "", facts(spec), "", about(spec), ""]
    if spec.params:
        lines += ["| parameter | type | default |", "| --- | --- | --- |"]
        for param in spec.params:
            default = (
                "**required**" if param.required else f"`{shown_default(param)}`" if shown_default(param) else ""
            )
            lines.append(f"| `{param.name}` | {describe(param.kind).replace('|', chr(92) + '|')} | {default} |")
        lines.append("")
    lines += ["```toml", f'check = "{spec.name}"', f"with = {example(spec)}", "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(catalogue(), end="")
