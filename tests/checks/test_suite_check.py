"""The test suite of a project, run against a scratch PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.contract import Completed, Context
from checks.junit import Suite, read_junit
from checks.scratch_server import throw_away_server
from checks.test_suite import judged
from state.verdicts import Verdict

PY = sys.executable
WRITES = """
import os, psycopg2
connection = psycopg2.connect(os.environ["DATABASE_URL"])
connection.cursor().execute("CREATE TABLE t (a int)")
connection.commit()
connection.close()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with throw_away_server(Context(item="i", project=folder, artefacts=folder)) as url:
        yield url


async def suite(look, server, source, *, argv=None, **more):
    (look.project / "test_it.py").write_text(source)
    with_ = {"argv": argv or [PY, "-m", "pytest", "-q", "-p", "no:cacheprovider"], "database_url": server, **more}
    with_["env"] = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # starts in a fraction of the time
    return await look("command.test_suite", with_)


async def test_a_green_suite_on_postgresql_passes_and_its_report_is_read(look, server):
    source = f"import pytest\n{WRITES}\ndef test_a(): pass\n@pytest.mark.skip\ndef test_b(): pass\n"
    outcome = await suite(look, server, source)
    assert outcome.verdict is Verdict.PASS, outcome
    assert {k: outcome.evidence[k] for k in ("passed", "failed", "skipped")} == {
        "passed": 1,
        "failed": 0,
        "skipped": 1,
    }
    assert outcome.evidence["rows_written"] > 0
    assert any("1 passed" in line for line in look.lines)


async def test_a_red_suite_fails_and_names_the_test(look, server):
    outcome = await suite(look, server, "def test_good(): pass\ndef test_bad(): assert 1 == 2\n")
    assert outcome.verdict is Verdict.FAIL
    assert "1 of 2 tests failed" in outcome.actual
    assert "test_it.test_bad" in outcome.actual


async def test_a_suite_without_tests_is_unknown(look, server):
    assert (await suite(look, server, "x = 1\n")).verdict is Verdict.UNKNOWN


async def test_a_suite_that_never_writes_to_postgresql_is_a_reservation(look, server):
    outcome = await suite(look, server, "print('2 passed')", argv=[PY, "test_it.py"], variable="OTHER_URL")
    assert outcome.verdict is Verdict.WARN
    assert "nothing was written" in outcome.actual
    assert "OTHER_URL" in outcome.hint


async def test_a_suite_that_hangs_is_stopped_and_its_database_dropped(look, server):
    (look.project / "hang.py").write_text("import time; print('at work', flush=True); time.sleep(60)")
    with_ = {"argv": [PY, "hang.py"], "database_url": server}
    outcome = await look("command.test_suite", with_, timeout="1s")
    assert outcome.verdict is Verdict.ERROR
    assert "1s" in outcome.actual


async def test_what_cannot_be_run_is_an_error_and_the_plan_says_what_would_be(look, server):
    with_ = {"argv": ["no-such-runner"], "database_url": server}
    assert (await look("command.test_suite", with_)).verdict is Verdict.ERROR
    assert (await look("command.test_suite", {**with_, "project": "nowhere"})).verdict is Verdict.ERROR
    plan = await look.plan("command.test_suite", {"argv": ["pytest"], "database_url": "postgresql://a:canary66@h/d"})
    assert plan.danger == "safe"
    assert "--junitxml=" in plan.lines[0]
    assert "scratch database" in plan.lines[-1]
    assert "canary66" not in repr(plan)


@pytest.mark.parametrize(
    ("exit_code", "counts", "verdict"),
    [
        (0, (3, 0, 0), Verdict.PASS),
        (0, (0, 0, 4), Verdict.UNKNOWN),
        (0, None, Verdict.UNKNOWN),
        (0, (3, 1, 0), Verdict.FAIL),
        (1, (3, 0, 0), Verdict.FAIL),
        (2, None, Verdict.FAIL),
        (4, None, Verdict.ERROR),
        (5, None, Verdict.UNKNOWN),
        (-9, (3, 0, 0), Verdict.FAIL),
    ],
)
def test_the_exit_code_and_the_counts_decide_together(exit_code, counts, verdict):
    seen = None if counts is None else Suite(*counts, 1.0, ())
    assert judged(Completed(exit_code, "", "", 1.0), seen, 9, "DATABASE_URL").verdict is verdict


def test_a_report_is_counted_over_all_its_suites(tmp_path):
    path = tmp_path / "r.xml"
    path.write_text(
        '<testsuites><testsuite><testcase classname="a" name="b" time="0.5"><failure/></testcase>'
        '<testcase name="c" time="nan"/></testsuite><testsuite><testcase name="d"><skipped/></testcase>'
        '<testcase name="e"><error/></testcase></testsuite></testsuites>'
    )
    assert read_junit(path) == Suite(1, 2, 1, 0.5, ("a.b", "e"))
    assert read_junit(tmp_path / "none.xml") is None


@given(st.binary(max_size=200))
def test_no_report_crashes_the_reader(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.xml"
    path.write_bytes(data)
    read_junit(path)
