"""The database on Render: there as it should be, to be brought back, large enough, and paid for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from checks.render.plan import demanded
from checks.render.plans import monthly, plan_named, slug
from checks.render.shapes import Database
from state.verdicts import Verdict
from tests.checks.render_shapes import DATABASE, SERVICE, TOKEN, Answer, database, moment, service

RIGHT = {"database": "app-db", "region": "frankfurt", "version": "17"}


async def test_a_database_that_is_as_it_should_be_passes_by_name_and_by_id(look, given, secret):
    for named in ("app-db", DATABASE):
        outcome = await look("render.database", given | RIGHT | {"database": named, "plan": "basic-1gb"}, **secret)
        assert outcome.verdict is Verdict.PASS, outcome
        assert outcome.evidence["id"] == DATABASE
        assert outcome.evidence["expiresAt"] == "never"
        assert {"status", "plan", "region", "version", "created"} <= set(outcome.evidence)


@pytest.mark.parametrize(
    ("there", "verdict", "said"),
    [
        ({"status": "creating"}, "fail", "not available yet"),
        ({"status": "unavailable"}, "fail", "it is unavailable"),
        ({"status": "recovery_failed"}, "fail", "recovery_failed"),
        ({"status": "something_new"}, "unknown", "not known here"),
        ({"status": "unknown"}, "unknown", "not known here"),
        ({"status": "maintenance_scheduled"}, "warn", "maintenance is scheduled"),
        ({"suspended": "suspended"}, "fail", "it is suspended"),
        ({"expiresAt": "2026-12-20T00:00:00Z"}, "fail", "expires on 2026-12-20"),
        ({"region": "oregon"}, "fail", "region oregon, not frankfurt"),
        ({"version": "16"}, "fail", "version 16, not 17"),
        ({"role": "replica"}, "fail", "not the primary"),
        ({"name": "app-db", "createdAt": None}, "error", "createdAt"),
    ],
)
async def test_each_thing_that_is_wrong_with_it_is_said(look, render, given, secret, there, verdict, said):
    render.databases = [database(**there)]
    outcome = await look("render.database", given | RIGHT, **secret)
    assert outcome.verdict == verdict, outcome
    assert said in outcome.actual


async def test_another_plan_or_region_than_the_services_fails(look, render, given, secret):
    outcome = await look("render.database", given | RIGHT | {"plan": "pro-4gb"}, **secret)
    assert "plan basic_1gb, not pro-4gb" in outcome.actual
    render.services = [service(details={"region": "ohio"})]
    outcome = await look("render.database", given | {"database": "app-db", "service": "app"}, **secret)
    assert outcome.verdict is Verdict.FAIL
    assert "region frankfurt, not ohio" in outcome.actual


async def test_one_that_is_not_there_fails_and_several_of_one_name_are_listed(look, render, given, secret):
    for named in ("other", "dpg-gone-a"):
        outcome = await look("render.database", given | {"database": named}, **secret)
        assert outcome.verdict is Verdict.FAIL, outcome
    render.databases = [database(), database(id="dpg-second-a")]
    outcome = await look("render.database", given | RIGHT, **secret)
    assert outcome.verdict is Verdict.ERROR
    assert f"{DATABASE}, dpg-second-a" in outcome.actual


@pytest.mark.parametrize("check", ["render.database", "render.backups", "render.plan", "render.cost"])
async def test_what_is_not_configured_is_unknown_and_named(look, render, given, secret, check):
    for without in ({"token": None}, {"token": ""}):
        outcome = await look(
            check,
            {k: v for k, v in (given | RIGHT | without).items() if v is not None and k not in ("region", "version")},
        )
        assert outcome.verdict is Verdict.UNKNOWN, outcome
        assert "RENDER_API_KEY" in outcome.hint
    outcome = await look(check, given, **secret)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "database" in outcome.actual
    assert render.asked == []
    unset = await look(check, given, targets=secret["targets"])
    assert unset.verdict is Verdict.UNKNOWN
    assert "RENDER_API_KEY" in unset.actual


@pytest.mark.parametrize("check", ["render.database", "render.backups", "render.plan", "render.cost"])
async def test_what_cannot_be_asked_is_an_error_without_the_key(look, render, given, secret, waited, check):
    more = {"window": "3d"} if check == "render.backups" else {"budget": 20} if check != "render.database" else {}
    path = f"GET /postgres/{DATABASE}"
    for answer in (Answer({"message": f"bad key {TOKEN}"}, 401), Answer(b"<html>"), Answer(b"", 500)):
        render.first[path] = [answer] * 3
        outcome = await look(check, given | {"database": DATABASE} | more, **secret)
        assert outcome.verdict is Verdict.ERROR, outcome
        assert TOKEN not in repr(outcome)
        render.first.clear()
    outcome = await look(check, given | {"database": DATABASE, "api_url": "http://127.0.0.1:1/v1"} | more, **secret)
    assert outcome.verdict is Verdict.ERROR
    outcome = await look(check, given | {"database": DATABASE, "api_url": "http://example.com/v1"} | more, **secret)
    assert "https" in outcome.actual


async def test_the_blueprint_must_know_the_database_and_be_there_to_be_read(look, given, secret):
    file = look.project / "render.yaml"
    for text, verdict in (
        ("databases: [{name: app-db}]", "pass"),
        ("databases: [{name: another}]", "fail"),
        ("services: []", "fail"),
        ("databases: [", "error"),
    ):
        file.write_text(text)
        outcome = await look("render.database", given | RIGHT | {"render_yaml": "render.yaml"}, **secret)
        assert outcome.verdict == verdict, outcome
    file.unlink()
    outcome = await look("render.database", given | RIGHT | {"render_yaml": "render.yaml"}, **secret)
    assert outcome.verdict is Verdict.ERROR


@pytest.mark.parametrize(
    ("recovery", "with_", "verdict", "said"),
    [
        ({"recoveryStatus": "AVAILABLE", "startsAt": moment(days=7)}, {"window": "3d"}, "pass", "any moment since"),
        ({"recoveryStatus": "AVAILABLE", "startsAt": moment(days=7)}, {"contains": "1d"}, "pass", "any moment"),
        ({"recoveryStatus": "AVAILABLE", "startsAt": moment(days=2)}, {"window": "3d"}, "fail", "shorter"),
        (
            {"recoveryStatus": "AVAILABLE", "startsAt": moment(hours=3)},
            {"contains": "1d"},
            "fail",
            "1d ago is not in it",
        ),
        ({"recoveryStatus": "AVAILABLE"}, {"window": "3d"}, "unknown", "not since when"),
        ({"recoveryStatus": "AVAILABLE", "startsAt": moment(days=-1)}, {"window": "3d"}, "unknown", "not since when"),
        ({"recoveryStatus": "BACKUP_NOT_READY"}, {"window": "3d"}, "fail", "BACKUP_NOT_READY"),
        ({"recoveryStatus": "NOT_AVAILABLE"}, {"contains": "1d"}, "fail", "NOT_AVAILABLE"),
        ({"startsAt": moment(days=7)}, {"window": "3d"}, "error", "recoveryStatus"),
        ({"recoveryStatus": "AVAILABLE", "startsAt": "soon"}, {"window": "3d"}, "error", "startsAt"),
        ({"recoveryStatus": "AVAILABLE", "startsAt": moment(days=7)}, {}, "unknown", "nothing is wanted"),
    ],
)
async def test_backups_are_judged_by_the_window_that_is_there(
    look, render, given, secret, recovery, with_, verdict, said
):
    render.recovery = recovery
    outcome = await look("render.backups", given | {"database": "app-db"} | with_, **secret)
    assert outcome.verdict == verdict, outcome
    assert said in outcome.actual


async def test_a_young_database_is_a_warning_for_its_window(look, render, given, secret):
    render.databases = [database(createdAt=moment(hours=5))]
    render.recovery = {"recoveryStatus": "AVAILABLE", "startsAt": moment(hours=4.9)}
    outcome = await look("render.backups", given | {"database": "app-db", "window": "3d"}, **secret)
    assert outcome.verdict is Verdict.WARN
    assert "younger" in outcome.actual


async def test_a_fresh_export_stands_in_for_recovery_and_one_that_is_not_ready_or_old_does_not(
    look, render, given, secret
):
    render.recovery = {"recoveryStatus": "BACKUP_NOT_READY"}
    with_ = given | {"database": "app-db", "export_within": "1d"}
    url = "https://storage.example/x?signature=canary-signed"
    for exports, verdict in (
        ([], "fail"),
        ([{"id": "e1", "createdAt": moment(hours=1)}], "fail"),
        ([{"id": "e1", "createdAt": moment(days=2), "url": url}], "fail"),
        ([{"id": "e1", "createdAt": moment(hours=1), "url": url}], "pass"),
    ):
        render.exports = exports
        outcome = await look("render.backups", with_, **secret)
        assert outcome.verdict == verdict, outcome
        assert "canary-signed" not in repr(outcome)


POOL = {"database": "app-db", "budget": 30, "pool_size": 5, "max_overflow": 10, "workers": 2, "instances": 1}


async def test_a_plan_that_carries_the_application_passes_by_the_servers_own_limit(look, given, secret, database):
    outcome = await look("render.plan", given | POOL | {"database_url": database}, **secret)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["demand"] == 60
    assert outcome.evidence["limit_from"] == "the server"
    assert outcome.evidence["limit"] >= 60
    assert outcome.evidence["dollars_a_month"] == 23.5


async def test_the_documentations_limit_is_a_warning(look, given, secret):
    outcome = await look("render.plan", given | POOL | {"database_url": "mysql://app:canary-pw@h/app"}, **secret)
    assert outcome.verdict is Verdict.FAIL
    for more in ({}, {"database_url": "postgresql://app:canary-pw@127.0.0.1:1/app"}):
        outcome = await look("render.plan", given | POOL | more, **secret)
        assert outcome.verdict is Verdict.WARN, outcome
        assert (outcome.evidence["limit"], outcome.evidence["limit_from"]) == (97, "the documentation")
        assert "canary-pw" not in repr(outcome)


@pytest.mark.parametrize(
    ("there", "more", "verdict", "said"),
    [
        ({"plan": "free"}, {}, "fail", "the free plan"),
        ({}, {"budget": 10}, "fail", "$23.5 a month is more than 10"),
        ({}, {"workers": 4}, "fail", "120 connections are wanted and 97"),
        ({"plan": "colossal"}, {}, "unknown", "price of plan 'colossal'"),
        ({"plan": "colossal"}, {"price": 3.0}, "unknown", "connection limit is not known"),
        ({"plan": "pro_64gb"}, {}, "unknown", "price"),
        ({"plan": "pro_64gb"}, {"price": 3.0}, "warn", "494"),
        ({"highAvailabilityEnabled": True}, {}, "unknown", "high availability"),
        ({}, {"workers": 0}, "unknown", "a demand of 0"),
        ({"diskSizeGB": None}, {}, "unknown", "how large the disk is"),
    ],
)
async def test_a_plan_that_does_not_or_is_not_known(look, render, given, secret, there, more, verdict, said):
    render.databases = [database(**there)]
    outcome = await look("render.plan", given | POOL | more, **secret)
    assert outcome.verdict == verdict, outcome
    assert said.replace("494", "497") in outcome.actual


async def test_instances_come_from_the_service_unless_given_and_what_lacks_is_named(look, render, given, secret):
    without = {k: v for k, v in POOL.items() if k != "instances"}
    outcome = await look("render.plan", given | without | {"service": SERVICE, "workers": 1}, **secret)
    assert outcome.evidence["demand"] == 60
    render.services = [service(details={"autoscaling": {"enabled": True, "min": 1, "max": 3}})]
    outcome = await look("render.plan", given | without | {"service": SERVICE, "workers": 1}, **secret)
    assert outcome.evidence["demand"] == 90
    outcome = await look("render.plan", given | {"database": "app-db"}, **secret)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "budget, pool_size, max_overflow, workers, instances" in outcome.actual


@pytest.mark.parametrize(
    ("there", "more", "verdict", "total"),
    [
        ({}, {"budget": 23.5}, "pass", 23.5),
        ({}, {"budget": 23}, "fail", 23.5),
        ({"plan": "starter"}, {"budget": 7}, "pass", 7.0),
        ({"plan": "pro plus", "diskSizeGB": 256}, {"budget": 185}, "pass", 185.0),
        ({"plan": "pro_512gb", "diskSizeGB": 100}, {"budget": 9999, "price": 5000.0}, "pass", 5030.0),
        ({"plan": "pro_512gb"}, {"budget": 9999}, "unknown", None),
        ({"diskSizeGB": -64}, {"budget": 99}, "unknown", None),
        ({"readReplicas": [{"id": "dpg-r", "name": "r"}]}, {"budget": 99}, "unknown", None),
        ({}, {}, "unknown", None),
    ],
)
async def test_the_cost_is_plan_and_storage(look, render, given, secret, there, more, verdict, total):
    render.databases = [database(**there)]
    outcome = await look("render.cost", given | {"database": "app-db"} | more, **secret)
    assert outcome.verdict == verdict, outcome
    assert outcome.evidence.get("total_dollars") == total


@for_all(*[st.integers(0, 1000)] * 4)
def test_the_demand_is_every_pool_full_twice(pool, overflow, workers, instances):
    assert demanded(pool, overflow, workers, instances) == 2 * instances * workers * (pool + overflow)


@settings(max_examples=25)
@for_all(st.text(max_size=20), st.integers(0, 2000), st.one_of(st.none(), st.floats(allow_nan=True)))
def test_a_price_is_a_number_of_dollars_or_a_reason(plan, disk, price):

    base = Database("d", "n", plan, "r", "17", "available", "not_suspended", datetime.now(UTC), disk_gb=disk)
    cost = monthly(base, price)
    if not isinstance(cost, str):
        assert 0 <= cost.total < 2e6
        assert price is not None or plan_named(plan) is not None
    assert slug(slug(plan)) == slug(plan)
