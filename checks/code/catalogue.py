"""docs/code.md, written from the rules themselves: `python -m checks.code.catalogue > docs/code.md`."""

from __future__ import annotations

import importlib
from itertools import groupby

from checks.code.finding import Rule

_MODULES = (
    "sources", "engine_rules", "sqlite_use", "sql_in_code", "migration_rules", "migrations", "blueprint",
    "env_example",
)  # fmt: skip
_HEAD = """\
# What is looked for in the code

Written by `python -m checks.code.catalogue` from the code. `tminus code DIR` reads a project and names every finding
by file and line; the checks `code.engine`, `code.migrations`, `code.blueprint` and `code.env_example` put the same
findings on an item of the checklist ([checks.md](checks.md)). Nothing of the project is run or imported for it, but
for the migrations, which the application's own interpreter runs on a scratch database.

An `error` fails the item, a `warning` warns. A rule is switched off where it does not apply, by its name or by its
subject: `with = { off = ["engine/no-retry", "sql/"] }`, `tminus code --off engine/no-retry`.

What runs on SQLite alone is no finding: code beneath `if dialect.name == "sqlite"`, `if url.startswith("sqlite")`
and their like, after `if not sqlite: return`, and under the key `"sqlite"` of a dictionary. Nor is a script whose
name says that it moves the data (`migrate_sqlite_to_postgres.py`). Hidden folders, virtual environments, node_modules
and tests are not read. Values are worked out as far as they can be without running the program: through imports,
functions, classes, os.environ and the environment that render.yaml sets; what is still not known is never a finding
of its own, but for the options of an engine (`engine/unresolved`).

Where [squawk](https://squawkhq.com) is installed (`pip install 'tminus[squawk]'`), `code.migrations` has it read the
SQL that `alembic upgrade head --sql` writes, once the migrations went there and back without an error. What it says
is a warning, `squawk/<its rule>`, once a rule with the number of places; it stands last. Its rules about locks and
about clients that are served are left out: the migrations run on an empty database, so they made each table that they
alter, and nobody reads it yet. A project's `.squawk.toml` is heeded, and the evidence says that there is one;
`off = ["squawk/prefer-identity"]` switches one rule off, `off = ["squawk/"]` all of them. Without the program, or
where env.py writes no SQL offline, the evidence says so and nothing else changes.
"""


def all_rules() -> tuple[Rule, ...]:
    """Every rule of every module of this package, by subject and name."""
    found: dict[str, Rule] = {}
    for name in _MODULES:
        found |= {rule.id: rule for rule in importlib.import_module(f"checks.code.{name}").RULES}
    return tuple(found[key] for key in sorted(found))


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for subject, rules in groupby(all_rules(), key=lambda rule: rule.id.partition("/")[0]):
        parts.append(f"## {subject}\n")
        parts += [f"**`{rule.id}`** ({rule.level}): {rule.title}. {rule.why}\n" for rule in rules]
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
