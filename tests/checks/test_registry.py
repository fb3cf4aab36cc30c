"""Which checks there are, and that a broken plugin breaks nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from checks.registry import BUILT_IN, Registry


def test_every_built_in_check_is_where_it_is_said_to_be():
    registry = Registry.load()
    for name in (n for names in BUILT_IN.values() for n in names):
        spec = registry.get(name)
        assert spec is not None, name
        assert spec.name == name
        assert spec.doc, name
        assert (spec.plan is not None) == (spec.effect == "change"), name
        assert spec.process == name.startswith(("sqlite.", "backup.", "transfer.", "diagnostics.")), name


def test_listing_the_checks_imports_none_of_them():
    code = (
        "import sys; from checks.registry import Registry; Registry.load().names();"
        "print([m for m in ('sqlalchemy', 'httpx', 'psycopg2', 'textual', 'checks.http') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("source", "said", "line"),
    [
        ("x = (", "SyntaxError", 1),
        ("import os\nraise ValueError('no')", "ValueError: no", 2),
        ("import sys\nsys.exit(3)", "SystemExit: 3", 2),
        ("import no_such_module", "No module named", 1),
        (
            "from checks import check\n@check('a.b', effect='change')\ndef f(ctx): ...",
            "a.b: a check that changes something needs plan",
            2,
        ),
        (
            "from checks import check\n@check('http.health')\ndef f(ctx): ...",
            "'http.health' is the name of another",
            0,
        ),
    ],
)
def test_a_broken_plugin_is_a_problem_with_its_name(tmp_path, source, said, line):
    (tmp_path / "bad.py").write_text(source)
    (tmp_path / "good.py").write_text("from checks import check\n@check('ours.good')\ndef f(ctx):\n    'Good.'\n")
    registry = Registry.load(["bad.py", "good.py", "gone.py"], tmp_path)
    bad, gone = registry.problems
    assert (bad.file, bad.line) == ("bad.py", line)
    assert said in bad.message
    assert (gone.file, gone.message) == ("gone.py", "no such file")
    assert registry.get("ours.good") is not None
    assert "ours.good" in registry.names()
    assert registry.get("http.health").function.__module__ == "checks.http"


def test_two_plugins_may_not_take_the_same_name(tmp_path):
    source = "from checks import check\n@check('ours.one')\ndef f(ctx): ...\n"
    (tmp_path / "a.py").write_text(source)
    (tmp_path / "b.py").write_text(source)
    [problem] = Registry.load(["a.py", "b.py"], tmp_path).problems
    assert problem.file == "b.py"
