"""Programs as checks: by exit code and output, and by the protocol of the Monitoring Plugins."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.perfdata import parse_perfdata, parse_plugin_output
from state.verdicts import Verdict

PY = sys.executable


async def test_the_exit_code_and_the_output_decide(look):
    good = await look("command.run", {"argv": [PY, "-c", "print('42 passed')"], "expect_output": r"\d+ passed"})
    assert good.verdict is Verdict.PASS
    assert look.lines == ["42 passed"]
    bad = await look("command.run", {"argv": [PY, "-c", "import sys; print('3 failed'); sys.exit(1)"]})
    assert bad.verdict is Verdict.FAIL
    assert "exit code 1" in bad.actual
    assert "3 failed" in bad.actual
    silent = await look("command.probe", {"argv": [PY, "-c", "pass"], "expect_output": "passed"})
    assert silent.verdict is Verdict.FAIL
    other = await look("command.probe", {"argv": [PY, "-c", "import sys; sys.exit(5)"], "expect_exit": 5})
    assert other.verdict is Verdict.PASS


@pytest.mark.parametrize(
    "with_",
    [
        {"argv": ["no-such-program-anywhere"]},
        {"argv": []},
        {"argv": "echo text"},
        {"argv": ["echo"], "shell": True},
        {"argv": ["echo"], "cwd": "nowhere"},
    ],
)
async def test_a_program_that_cannot_be_started_is_an_error(look, with_):
    outcome = await look("command.probe", with_)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.hint


async def test_there_is_no_standard_input_and_a_shell_only_where_asked(look):
    outcome = await look("command.probe", {"argv": [PY, "-c", "print(repr(input()))"]})
    assert outcome.verdict is Verdict.FAIL
    assert "EOFError" in outcome.actual
    await look("command.probe", {"argv": ["echo", "$HOME; x"]})
    assert look.lines[-1] == "$HOME; x"
    shell = await look("command.probe", {"argv": 'test -n "$A" && echo $A', "shell": True, "env": {"A": "b"}})
    assert shell.verdict is Verdict.PASS
    assert look.lines[-1] == "b"


async def test_a_secret_in_the_environment_is_not_in_the_plan_or_the_outcome(look):
    with_ = {"argv": [PY, "-c", "import os; print(os.environ['URL'])"], "env": {"URL": "${db}"}}
    others = {"targets": {"db": "${env:DB}"}, "environ": {"DB": "postgresql://a:canary-1234@h/d"}}
    plan = await look.plan("command.run", with_, **others)
    outcome = await look("command.run", with_, **others)
    assert outcome.verdict is Verdict.PASS
    assert "canary" not in repr(plan) + repr(outcome) + repr(look.lines)
    assert any("URL in its environment" in line for line in plan.lines)


async def test_a_plan_names_the_commit_the_machine_and_a_target_that_can_be_typed(look, tmp_path):
    def git(*words: str) -> str:
        person = ["-c", "user.name=anna", "-c", "user.email=anna@example.org"]
        return subprocess.run(["git", *person, *words], cwd=shop, check=True, capture_output=True, text=True).stdout

    shop = tmp_path / "shop"
    shop.mkdir()
    with_ = {"argv": ["true"], "cwd": str(shop)}
    assert any("in no git repository" in line for line in (await look.plan("command.run", with_)).lines)
    git("init", "-q")
    (shop / "a").write_text("1")
    git("add", "a")
    git("commit", "-q", "-m", "Move to PostgreSQL")
    before = await look.plan("command.run", with_)
    assert any(f"at commit {git('log', '-1', '--format=%h').strip()} Move to" in line for line in before.lines)
    assert any(f"on {socket.gethostname()} as " in line for line in before.lines)
    assert (before.danger, before.target) == ("one-way", "shop")
    (shop / "a").write_text("2")
    changed = await look.plan("command.run", {**with_, "danger": "reversible", "target": "db-prod"})
    assert any("not committed" in line for line in changed.lines)
    assert (changed.danger, changed.target) == ("reversible", "db-prod")


async def test_a_plan_says_that_git_cannot_be_asked(look, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    plan = await look.plan("command.run", {"argv": ["true"]})
    assert any("cannot say the commit" in line for line in plan.lines)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(0, "pass"), (1, "warn"), (2, "fail"), (3, "unknown"), (4, "error"), (127, "error")],
)
async def test_a_plugins_exit_code_is_the_verdict(look, code, verdict):
    script = f"import sys; print(\"DISK - fine | '/ var'=90%;80;95;0;100 t=0.5s\"); sys.exit({code})"
    outcome = await look("command.plugin", {"argv": [PY, "-c", script]})
    assert outcome.verdict == verdict
    assert "DISK - fine" in outcome.actual
    assert outcome.evidence["/ var"] == 90.0
    assert outcome.evidence["/ var warn"] == "80"
    assert outcome.evidence["t unit"] == "s"


async def test_a_silent_plugin_is_unknown(look):
    assert (await look("command.plugin", {"argv": [PY, "-c", "pass"]})).verdict is Verdict.UNKNOWN


def test_perfdata_over_several_lines_and_with_quotes():
    said = parse_plugin_output("OK | a=1\nlong one\nlong two | 'it''s b'=2MB;;9\nc=U")
    assert said.text == "OK"
    assert said.long_text == ("long one", "long two ")
    assert said.perfdata == {"a": 1.0, "it's b": 2.0, "it's b unit": "MB", "it's b crit": "9", "c": "U"}


@given(st.text())
def test_no_perfdata_breaks_the_parser(text):
    parse_perfdata(text)


PLUGINS = Path("/usr/lib/nagios/plugins")


@pytest.mark.skipif(not (PLUGINS / "check_dummy").exists(), reason="Debian's monitoring-plugins are not installed")
@pytest.mark.parametrize(("state", "verdict"), [("0", "pass"), ("1", "warn"), ("2", "fail"), ("3", "unknown")])
async def test_debians_plugins_are_understood(look, state, verdict):
    outcome = await look("command.plugin", {"argv": [str(PLUGINS / "check_dummy"), state, "so"]})
    assert outcome.verdict == verdict


@pytest.mark.skipif(not (PLUGINS / "check_disk").exists(), reason="Debian's monitoring-plugins are not installed")
async def test_a_real_plugins_perfdata_is_evidence(look):
    argv = [str(PLUGINS / "check_disk"), "-w", "0%", "-c", "0%", "-p", "/tmp"]
    outcome = await look("command.plugin", {"argv": argv})
    assert outcome.verdict is Verdict.PASS, outcome
    assert any(isinstance(value, float) for value in outcome.evidence.values())
