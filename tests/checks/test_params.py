"""Parameters are judged when the checklist is loaded, every mistake with a mend."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.contract import Context, Plan, check
from checks.params import Misfit, Seconds, bind, convert, item_problems, parameters_of, problems_of
from checks.registry import Registry
from state.loader import load_checklist
from state.problems import ChecklistError
from state.verdicts import Outcome


def sample(
    ctx: Context,
    *,
    name: str,
    count: int = 1,
    ratio: float = 0.5,
    on: bool = False,
    where: Path = Path("x.db"),
    names: list[str] | None = None,
    env: dict[str, str] | None = None,
    mode: Literal["fast", "sound"] = "sound",
    wait: Seconds = Seconds(3),  # noqa: B008
    match: re.Pattern[str] | None = None,
) -> Outcome: ...


PARAMS = parameters_of(sample)


@pytest.mark.parametrize(
    ("given_", "said", "mend"),
    [
        ({}, "'name' is missing", "add name = … (text)"),
        ({"name": "a", "cuont": 1}, "unknown parameter 'cuont'", "did you mean 'count'?"),
        ({"name": 1}, "1 is not text", "write text"),
        ({"name": "a", "count": "1"}, "'1' is not a whole number", "write a whole number"),
        ({"name": "a", "count": True}, "true is not a whole number", "write a whole number"),
        ({"name": "a", "count": 1.5}, "1.5 is not a whole number", "write a whole number"),
        ({"name": "a", "on": "yes"}, "'yes' is not true or false", "write true or false"),
        ({"name": "a", "ratio": float("nan")}, "nan is no number", "write a finite number"),
        ({"name": "a", "where": ""}, "'' is not a path", "write a path"),
        ({"name": "a", "names": "one"}, "'one' is not a list", "write [ … ]"),
        ({"name": "a", "names": ["one", 2]}, "2 is not text", "write text"),
        ({"name": "a", "env": {"A": 1}}, "1 is not text", "write text"),
        ({"name": "a", "mode": "fsat"}, "'fsat' is not one of the choices", "did you mean 'fast'?"),
        ({"name": "a", "wait": "3"}, "'3' is not a duration", 'write "30s"'),
        ({"name": "a", "wait": 3}, "3 is not a duration", "write a duration"),
        ({"name": "a", "match": "("}, "not a regular expression", "escape"),
    ],
)
def test_every_mistake_is_told_with_its_mend(given_, said, mend):
    [(_, message, way)] = problems_of(PARAMS, given_)
    assert said in message
    assert mend in way
    with pytest.raises(Misfit):
        bind(PARAMS, given_, given_, Path())


def test_right_values_become_what_the_function_takes(tmp_path):
    values: dict[str, Any] = {
        "name": "a",
        "ratio": 2,
        "where": "b/c.db",
        "wait": "2m",
        "match": r"\d+",
        "env": {"A": "1"},
    }
    assert list(problems_of(PARAMS, values)) == []
    bound = bind(PARAMS, values, values, tmp_path)
    assert bound["where"] == tmp_path / "b/c.db"
    assert bound["wait"] == 120.0
    assert bound["ratio"] == 2.0
    assert bound["match"].search("a1")
    assert bound["mode"] == "sound"
    assert bind(PARAMS, {"name": "a"}, {"name": "a"}, tmp_path)["where"] == tmp_path / "x.db"


def test_text_from_the_environment_may_stand_for_a_number_but_text_of_the_file_may_not():
    given_ = {"name": "a", "count": "${n}"}
    assert bind(PARAMS, given_, {"name": "a", "count": "7"}, Path())["count"] == 7
    with pytest.raises(Misfit):
        bind(PARAMS, given_, {"name": "a", "count": "seven"}, Path())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON, st.sampled_from([str, int, float, bool, Path, Seconds, list[int], dict[str, float], int | None]))
def test_a_value_fits_or_is_a_misfit_and_nothing_else(value, kind):
    try:
        result = convert(value, kind)
    except Misfit as misfit:
        assert misfit.message
    else:
        if kind in (int, bool):
            assert type(result) is kind


CHECKLIST = """
schema = 1
title = "t"
[targets]
port = 5432
url = "${env:URL}"
[[phase]]
id = "p"
title = "P"
  [[phase.step]]
  title = "S"
    [[phase.step.item]]
    id = "a"
    text = "A"
    check = "%s"
    with = { %s }
"""


@pytest.mark.parametrize(
    ("name", "with_", "said"),
    [
        ("http.helth", "", "did you mean 'http.health'?"),
        ("http.health", "", "the parameter 'url' is missing"),
        ("http.health", 'url = "${port}"', "5432 is not text"),
        ("http.health", 'url = "http://h", satus = 200', "did you mean 'status'?"),
        ("http.health", 'url = "${url}", status = "200"', "'200' is not a whole number"),
        ("command.run", 'argv = ["a", 1]', "does not fit"),
    ],
)
def test_a_checklist_with_a_mistake_is_refused_when_it_is_loaded(tmp_path, name, with_, said):
    path = tmp_path / "checklist.toml"
    path.write_text(CHECKLIST % (name, with_))
    with pytest.raises(ChecklistError) as caught:
        load_checklist(path, item_problems(Registry.load()))
    assert said in str(caught.value)
    assert re.search(r"checklist.toml:1\d", str(caught.value))


@pytest.mark.parametrize(
    "with_", ['url = "${url}"', 'url = "${url}/healthz"', 'url = "http://h:${port}", status = 204']
)
def test_what_comes_from_the_environment_is_not_judged_at_load(tmp_path, with_):
    path = tmp_path / "checklist.toml"
    path.write_text(CHECKLIST % ("http.health", with_))
    load_checklist(path, item_problems(Registry.load()))


def test_a_check_that_breaks_the_contract_cannot_be_registered():
    def fine(ctx: Context, *, a: int = 1) -> Outcome: ...
    def positional(ctx: Context, a: int) -> Outcome: ...
    def untyped(ctx: Context, *, a) -> Outcome: ...  # type: ignore[no-untyped-def]
    def strange(ctx: Context, *, a: bytes) -> Outcome: ...
    def plan(ctx: Context, *, b: int = 1) -> Plan: ...

    for function, said in ((positional, "keyword argument"), (untyped, "no type"), (strange, "no way to write")):
        with pytest.raises(TypeError, match=said):
            check("a.b")(function)
    with pytest.raises(TypeError, match="needs plan="):
        check("a.b", effect="change")(fine)
    with pytest.raises(TypeError, match="belongs to a change"):
        check("a.b", plan=plan)(fine)
    with pytest.raises(TypeError, match="same parameters"):
        check("a.b", effect="change", plan=plan)(fine)
