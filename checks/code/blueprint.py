"""render.yaml: read, judged, and asked for what it declares."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from checks.code.blueprint_model import Blueprint, Database, Service, blueprint_of, read_blueprint, text_of
from checks.code.blueprint_rules import RULES as _DATABASE_RULES
from checks.code.blueprint_rules import database_findings
from checks.code.blueprint_shape import RULES as _SHAPE_RULES
from checks.code.blueprint_shape import shape_findings
from checks.code.blueprint_wiring import RULES as _WIRING_RULES
from checks.code.blueprint_wiring import wiring_findings
from checks.code.blueprint_yaml import BlueprintError, read_tree
from checks.code.environment import advancing, read_project
from checks.code.finding import Finding, Rule, outcome_of, switched
from checks.contract import Context, check
from state.verdicts import Outcome

RULES = (*_SHAPE_RULES, *_DATABASE_RULES, *_WIRING_RULES)

__all__ = ["RULES", "Blueprint", "BlueprintError", "Database", "Service", "findings_of", "read_blueprint"]


def findings_of(
    text: str,
    file: str,
    *,
    needs: Collection[str] = ("DATABASE_URL",),
    needed_by: Collection[str] | None = None,
    migrations: bool = False,
) -> tuple[Finding, ...]:
    """What is wrong in the Blueprint TEXT, in the order of its lines; FILE is its name.

    NEEDS are the variables that the services NEEDED_BY must have (None: all that run Python). MIGRATIONS: the project
    has some, which somebody must run. Raises BlueprintError for what is no YAML.
    """

    def say(rule: Rule, line: int, message: str, mend: str) -> Finding:
        return Finding(rule.id, rule.level, file, line, message, mend)

    tree = read_tree(text, file)
    blueprint = blueprint_of(tree)
    found = [
        *shape_findings(tree, say),
        *database_findings(blueprint, say),
        *wiring_findings(blueprint, say, needs=needs, needed_by=needed_by, migrations=migrations),
    ]
    return switched(dict.fromkeys(found), ())


@check("code.blueprint", timeout="60s", fresh_for="1h")
def blueprint(
    ctx: Context,
    *,
    file: Path = Path("render.yaml"),
    needs: list[str] | None = None,
    services: list[str] | None = None,
    off: list[str] | None = None,
) -> Outcome:
    """The Render Blueprint FILE: its keys and types, its databases, and that each service reaches the one it needs.

    NEEDS are the variables of the database (DATABASE_URL unless said). The SERVICES must have them; unless said,
    those with a Python runtime whose code below their rootDir reads them. OFF switches rules off, by id
    ("blueprint/disk"). Keys and plans are those of Render's Blueprint YAML Reference of November 2026.
    """
    name = _named(file, ctx.project)
    try:
        text = text_of(file)
        declared = blueprint_of(read_tree(text, name))
        wanted = needs if needs is not None else ["DATABASE_URL"]
        by = services if services is not None else _readers(ctx, declared, file.parent, wanted)
        unknown = sorted(set(services or ()) - {one.name for one in declared.services})
        found = findings_of(text, name, needs=wanted, needed_by=by, migrations=_has_migrations(file.parent))
    except FileNotFoundError:
        return Outcome.unknown(f"no file {name}", hint='name the Blueprint: with = { file = "render.yaml" }')
    except BlueprintError as error:
        where = f"{name}:{error.line}" if error.line else name
        expected, hint = "a Blueprint that can be read", "mend the YAML there"
        return Outcome.failed(f"{where}: {error.message}", expected=expected, evidence={"file": name}, hint=hint)
    except OSError as error:
        return Outcome.error(f"{name} cannot be read: {error.strerror or error}", hint="see who may read it")
    if unknown:
        return Outcome.error(f"no service {unknown[0]!r} in {name}", hint="name the services as the Blueprint does")
    kept = switched(found, off or ())
    evidence: dict[str, object] = {
        "services": ", ".join(f"{one.name} ({one.kind})" for one in declared.services) or "none",
        "databases": ", ".join(f"{one.name} ({one.plan or 'no plan'})" for one in declared.databases) or "none",
        "needed_by": ", ".join(by) or "no service",
    }
    if not kept and not declared.services and not declared.databases:
        return Outcome.unknown(f"{name} declares nothing", hint="is it the right file?", evidence=evidence)
    if not kept and not declared.databases:
        hint = "declare it in databases, or name in the record where it comes from"
        return Outcome.unknown(f"{name} declares no database", hint=hint, evidence=evidence)
    looked = f"{name}: {len(declared.services)} services, {len(declared.databases)} databases"
    return outcome_of(kept, looked_at=looked, expected="a Blueprint that Render takes", evidence=evidence)


def _readers(ctx: Context, declared: Blueprint, root: Path, needs: Collection[str]) -> list[str]:
    """The services with a Python runtime whose code reads one of NEEDS."""
    seen: dict[str, frozenset[str]] = {}
    found = []
    for service in declared.services:
        if not service.runs_code or service.runtime != "python":
            continue
        if service.root not in seen:
            folder = root / service.root
            # A root that leads out of the project, or is not there, is Render's to refuse.
            inside = folder.resolve().is_relative_to(root.resolve()) and folder.is_dir()
            seen[service.root] = read_project(folder, on_file=advancing(ctx)).names if inside else frozenset()
        if seen[service.root] & set(needs):
            found.append(service.name)
    return found


def _has_migrations(root: Path) -> bool:
    return (root / "alembic.ini").is_file() or (root / "migrations" / "env.py").is_file()


def _named(file: Path, project: Path) -> str:
    try:
        return file.resolve().relative_to(project.resolve()).as_posix()
    except ValueError:
        return file.name
