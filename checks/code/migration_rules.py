"""Alembic migrations as they are written: one line of revisions, and what PostgreSQL will not take."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checks.code.finding import Finding, Rule
from checks.code.guards import only_on_sqlite
from checks.code.sources import Module, Project
from checks.code.sql_in_code import sql_findings

HEADS = Rule(
    "migrations/heads", "error", "More than one head",
    "alembic upgrade head refuses: Multiple head revisions are present.",
)  # fmt: skip
GAP = Rule(
    "migrations/gap", "error", "A revision whose predecessor is missing",
    "alembic cannot order the revisions: Revision … referenced from … is not present. Usually a file was not "
    "committed.",
)  # fmt: skip
UNNAMED = Rule(
    "migrations/unnamed-constraint", "error", "A constraint without a name is dropped",
    "autogenerate writes None where SQLite had no name. On PostgreSQL: Can't emit DROP CONSTRAINT for constraint …; "
    "it has no name.",
)  # fmt: skip
RECREATE = Rule(
    "migrations/recreate", "warning", 'batch_alter_table(recreate="always")',
    "It copies the whole table on PostgreSQL too, under a lock, and loses what the copy does not know of: sequences, "
    "rights, foreign keys that point at it.",
)  # fmt: skip
USING = Rule(
    "migrations/no-using", "warning", "A column's type is changed without postgresql_using",
    "PostgreSQL casts by itself only where nothing can go wrong; otherwise: column cannot be cast automatically to "
    "type ….",
)  # fmt: skip
EXISTS = Rule(
    "migrations/none", "warning", "No migrations",
    "Without them the schema of PostgreSQL comes from create_all(), and no later change has a way to get there.",
)  # fmt: skip
RULES = (HEADS, GAP, UNNAMED, RECREATE, USING, EXISTS)
_NEEDS_USING = {
    "Boolean", "BOOLEAN", "Integer", "INTEGER", "BigInteger", "SmallInteger", "DateTime", "Date", "Time", "Numeric",
    "Float", "JSON", "JSONB", "UUID", "Uuid", "Enum", "LargeBinary", "Interval",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Revision:
    """One file of versions/: its own id, and those it follows."""

    id: str
    follows: tuple[str, ...]
    module: Module
    line: int


def revisions_of(modules: Sequence[Module]) -> tuple[Revision, ...]:
    """The revisions that MODULES are, read from their `revision` and `down_revision`."""
    found = []
    for module in modules:
        values: dict[str, tuple[ast.expr, int]] = {}
        for node in module.tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            value = getattr(node, "value", None)
            if isinstance(target, ast.Name) and isinstance(value, ast.expr):
                values[target.id] = (value, node.lineno)
        if "revision" in values and (own := _texts(values["revision"][0])):
            follows = _texts(values["down_revision"][0]) if "down_revision" in values else ()
            line = values.get("down_revision", values["revision"])[1]
            found.append(Revision(own[0], follows, module, line))
    return tuple(found)


def migration_findings(project: Project) -> Iterator[Finding]:
    """What is wrong in the migrations of PROJECT as they are written."""
    revisions = revisions_of(project.migrations)
    yield from _line_of(revisions)
    for module in project.migrations:
        yield from sql_findings(module)
        guarded = only_on_sqlite(module)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and id(node) not in guarded:
                yield from _operation(module, node)


def heads(revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """The revisions that no other follows."""
    followed = {one for revision in revisions for one in revision.follows}
    return tuple(one for one in revisions if one.id not in followed)


def _line_of(revisions: Sequence[Revision]) -> Iterator[Finding]:
    known = {one.id for one in revisions}
    for one in revisions:
        for missing in (name for name in one.follows if name not in known):
            message = f"revision {one.id} follows {missing}, which is not there"
            yield _finding(GAP, one.module, one.line, message, "commit the missing file, or mend down_revision")
    if len(ends := heads(revisions)) > 1:
        for one in ends[1:]:
            message = f"{len(ends)} heads: {', '.join(sorted(end.id for end in ends))}"
            yield _finding(HEADS, one.module, one.line, message, "merge them: alembic merge heads")


def _operation(module: Module, node: ast.Call) -> Iterator[Finding]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    given = {word.arg: word.value for word in node.keywords}
    if name == "drop_constraint":
        first = node.args[0] if node.args else given.get("constraint_name")
        if isinstance(first, ast.Constant) and first.value is None:
            mend = "write the name that PostgreSQL gave it (table_column_fkey, table_column_key)"
            yield _finding(UNNAMED, module, node.lineno, "drop_constraint(None)", mend)
    elif name == "batch_alter_table":
        if isinstance(how := given.get("recreate"), ast.Constant) and how.value == "always":
            yield _finding(RECREATE, module, node.lineno, 'recreate="always"', 'leave it out: "auto" is the default')
    elif name == "alter_column" and "type_" in given and "postgresql_using" not in given:
        kind = given["type_"]
        new = module.dotted(kind.func if isinstance(kind, ast.Call) else kind).rpartition(".")[2]
        old = given.get("existing_type")
        was = module.dotted(old.func if isinstance(old, ast.Call) else old).rpartition(".")[2] if old else ""
        if new in _NEEDS_USING and new.lower() != was.lower():
            mend = f"add postgresql_using='column::{new.lower()}'"
            yield _finding(USING, module, node.lineno, f"type_={new} without postgresql_using", mend)


def _texts(node: ast.expr) -> tuple[str, ...]:
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return tuple(one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _finding(rule: Rule, module: Module, line: int, message: str, mend: str) -> Finding:
    return Finding(rule.id, rule.level, module.path, line, message, mend)
