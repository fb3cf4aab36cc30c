"""Whatever Render may answer, nothing that was not seen is green."""

from __future__ import annotations

import dataclasses
import time

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.registry import Registry
from checks.render.client import Missing
from checks.render.following import GOOD
from checks.render.rollback import target_of
from checks.render.shapes import Deploy
from state.verdicts import Outcome, Verdict
from tests.checks.render_shapes import DATABASE, NEW, OLD, SERVICE, TOKEN, Answer, database, deploy, moment, service

ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def mutated(whole, fields):
    """WHOLE with one of its FIELDS exchanged or taken away, or something else altogether."""
    changed = st.tuples(st.sampled_from(fields), ODD).map(lambda one: whole | {one[0]: one[1]})
    without = st.sampled_from(fields).map(lambda name: {k: v for k, v in whole.items() if k != name})
    return changed | without | ODD


NEEDED = ["status", "suspended", "region", "version"]
CASES = {
    "render.database": (f"GET /postgres/{DATABASE}", mutated(database(), NEEDED), {"region": "frankfurt", "version": "17"}),
    "render.backups": (f"GET /postgres/{DATABASE}/recovery", mutated({"recoveryStatus": "AVAILABLE", "startsAt": moment(days=9)}, ["recoveryStatus", "startsAt"]), {"window": 1e9, "contains": 1e9}),
    "render.cost": (f"GET /postgres/{DATABASE}", mutated(database(), ["plan", "diskSizeGB"]), {"budget": 0.0}),
    "deploy.follow": (f"GET /services/{SERVICE}/deploys", mutated(deploy("dep-1", "live"), ["id"]).map(lambda one: [{"cursor": "1", "deploy": one}]) | ODD, {"commit": OLD, "appear": 0.0, "every": 0.001}),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_odd_answer_is_never_green_and_never_a_crash(ctx, render, url, waited, name):
    path, answers, more = CASES[name]
    function = Registry.load().get(name).function
    of = {"service": SERVICE} if name.startswith("deploy") else {"database": DATABASE}
    render.services = [service()]

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(answers)
    def look(answer):
        render.first[path] = [Answer(answer)]
        bounded = dataclasses.replace(ctx, deadline=time.monotonic() + 5)
        outcome = function(bounded, token=TOKEN, api_url=url, **of, **more)
        assert isinstance(outcome, Outcome)
        right = isinstance(answer, dict) and all(answer.get(k) == database()[k] for k in NEEDED)
        assert outcome.verdict is not Verdict.PASS or (name == "render.database" and right)

    look()


STATUSES = ["live", "deactivated", "build_failed", "canceled", "update_failed"]


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.sampled_from(["a" * 40, "b" * 40, "c" * 40])), max_size=8))
def test_a_rollback_goes_only_to_what_was_live_and_is_another_commit(seen):
    deploys = [msgspec.convert(deploy(f"dep-{n}", status, sha), Deploy) for n, (status, sha) in enumerate(seen)]
    live = next((one for one in deploys if one.status == "live"), None)
    try:
        target = target_of(deploys, None, NEW)
    except Missing:
        return
    assert target.status == "deactivated"
    assert live is None or (live.sha == NEW and target.sha != NEW)
    assert "deactivated" not in GOOD
