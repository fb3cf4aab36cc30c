"""The pages say what the code does, and their examples run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import checks
from checks.catalogue import EXAMPLES, catalogue
from checks.params import problems_of
from checks.registry import Registry
from state.verdicts import Verdict

DOCS = Path(__file__).parents[2] / "docs"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / "plugins.md").read_text(), re.DOTALL)


def test_the_page_of_the_checks_is_current():
    assert (DOCS / "checks.md").read_text() == catalogue(), "run: python -m checks.catalogue > docs/checks.md"


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_example_fits_its_check(name):
    spec = Registry.load().get(name)
    assert list(problems_of(spec.params, tomllib.loads(f"with = {EXAMPLES[name]}")["with"])) == []


def test_every_rule_for_the_data_is_explained_and_no_other():
    rules = pytest.importorskip("transfer.rules", reason="rules for values are not there yet")
    section = (DOCS / "checklist.md").read_text().partition("### Rules for the data")[2]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE) == list(rules.KNOWN)


async def test_the_python_plugin_of_the_page_runs(look, monkeypatch):
    for name in ("Context", "Outcome", "Plan", "check"):
        monkeypatch.setattr(f"tminus.{name}", getattr(checks, name), raising=False)
    look.plugin(blocks("python")[0])
    assert look.registry.problems == ()
    missing = await look("queue.drained", {"folder": "queue"})
    assert missing.verdict is Verdict.ERROR
    (look.project / "queue").mkdir()
    (look.project / "queue" / "1.job").touch()
    assert (await look("queue.drained", {"folder": "queue"})).verdict is Verdict.FAIL
    plan = await look.plan("queue.flush", {"folder": "queue"})
    assert plan.danger == "one-way"
    assert (await look("queue.flush", {"folder": "queue"})).verdict is Verdict.PASS
    item = blocks("toml")[0]
    with_ = tomllib.loads(re.search(r"^with = .*$", item, re.MULTILINE)[0])["with"]
    assert (await look("queue.drained", with_)).verdict is Verdict.PASS


async def test_the_shell_probe_of_the_page_runs(look):
    (look.project / "ops").mkdir()
    (look.project / "ops" / "queue.sh").write_text(blocks("sh")[-1])
    with_ = tomllib.loads(re.search(r"^with = .*$", blocks("toml")[1], re.MULTILINE)[0])["with"]
    assert (await look("command.plugin", with_)).verdict is Verdict.UNKNOWN
    (look.project / "queue").mkdir()
    good = await look("command.plugin", with_)
    assert (good.verdict, good.evidence["waiting"]) == (Verdict.PASS, 0)
    (look.project / "queue" / "1.job").touch()
    assert (await look("command.plugin", with_)).verdict is Verdict.FAIL
