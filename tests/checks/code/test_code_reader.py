"""No Python file whatsoever crashes the reader, and its work is bounded."""

from __future__ import annotations

import ast
import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from checks.code.catalogue import all_rules, page
from checks.code.engine import application_findings
from checks.code.finding import Finding
from checks.code.migration_rules import migration_findings
from checks.code.sources import Project, parse
from checks.code.sql_text import read_sql

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "checks").rglob("*.py")) + sorted((ROOT / "rehearsal").rglob("*.py"))
LINES = [line for path in FILES[:40] for line in path.read_text().splitlines() if line.strip()]


def read(source: bytes) -> list[Finding]:
    module = parse(source, "db.py")
    if isinstance(module, Finding):
        return [module]
    project = Project(ROOT / "docs", (module,), (module,), ())
    return [*application_findings(project, {}), *migration_findings(project)]


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_bytes_do_not_crash_it(source):
    read(source)


@given(st.integers(0, 10**9))
@settings(max_examples=40, deadline=None)
def test_lines_thrown_together_do_not_crash_it(seed):
    lines = random.Random(seed).sample(LINES, 12)
    kept = []
    for line in lines:
        try:
            ast.parse("\n".join([*kept, line.strip()]))
        except SyntaxError:
            continue
        kept.append(line.strip())
    read("\n".join(kept).encode())


@given(st.text(alphabet="select?()[]\"'`=,; \n*-/from{}", max_size=80) | st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_text_that_is_no_sql_does_not_crash_it(text):
    for seen in read_sql(text):
        assert 0 <= seen.at < len(text)


def test_what_would_never_end_or_grow_without_bound_does_not():
    hostile = [
        "def f(n):\n    return f(n) + f(n)\nSIZE = f(1)\n",
        "A = 'x' * 10**9\nB = [0] * 10**9\nC = 9**9**9**9\nD = '%999999999d' % 1\nE = '{:>999999999}'.format(1)\n",
        "while True:\n    x = [x, x]\n",
        "a = [1]\nfor i in a:\n    a.append(i)\n",
        "class A(A): x = A\nclass B:\n    @property\n    def SIZE(self): return self.SIZE\nS = B().SIZE\n",
        "x = " + "(" * 80 + "1" + ")" * 80 + "\n",
        "x = " + "-" * 5000 + "1\n",
        "x = " + " + ".join(["'a'"] * 3000) + "\n",
        "if a:\n    pass\n" + "elif a:\n    pass\n" * 800,
        "def f(*a, **k): return f(*a, **k)\nf(**f())\n",
        "f'{f(1)!r:>{9}}' + f'postgresql://{x}'\n",
        "L = lambda: L()\nX = L()\n",
        "\n".join(f"def f{n}():\n    f{n + 1}(); f{n + 1}()" for n in range(60)) + "\nf0()\n",
    ]
    for source in hostile:
        read(source.encode())


def test_the_page_of_the_rules_is_current():
    assert (ROOT / "docs" / "code.md").read_text() == page(), "run: python -m checks.code.catalogue > docs/code.md"


def test_every_rule_has_a_subject_a_title_and_a_reason():
    rules = all_rules()
    assert len({rule.id for rule in rules}) == len(rules) > 30
    assert all(rule.id.count("/") == 1 and rule.title and rule.why.endswith(".") for rule in rules)
