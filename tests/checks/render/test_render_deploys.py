"""Deploys: started, followed, stopped, taken back; the maintenance page; one-off jobs."""

from __future__ import annotations

import asyncio
import sys

import pytest

from state.verdicts import Outcome, Verdict
from tests.checks.render_shapes import (
    NEW,
    OLD,
    SERVICE,
    Answer,
    deploy,
    job,
    moment,
    service,
)

PUSHED = {"evidence": {"push": Outcome.passed("pushed", evidence={"sha": NEW, "remote": "origin"})}}
QUICK = {"service": "app", "every": "10ms"}
WAY = ["created", "build_in_progress", "build_in_progress", "update_in_progress", "live"]


async def test_the_deploy_of_the_push_is_followed_until_it_is_live(look, render, given, secret, waited):
    render.deploys = [deploy("dep-old", "live", OLD), deploy("dep-new", "created")]
    render.steps["dep-new"] = list(WAY)
    render.log = ["==> Building", "==> Build successful"]
    outcome = await look("deploy.follow", given | QUICK, **secret, **PUSHED)
    assert outcome.verdict is Verdict.PASS, outcome
    assert (outcome.evidence["deploy"], outcome.evidence["commit"]) == ("dep-new", NEW)
    assert outcome.evidence["log 2"] == "==> Build successful"
    assert [line for line in look.lines if line.startswith("dep-new")] == [
        f"dep-new: {status}" for status in ("created", "build_in_progress", "update_in_progress", "live")
    ]
    assert {step.what for step in look.steps} >= {"waits for the deploy to appear"}
    assert all(step.total == 600 for step in look.steps)


@pytest.mark.parametrize("status", ["build_failed", "update_failed", "pre_deploy_failed", "canceled", "deactivated"])
async def test_a_deploy_that_fails_is_told_with_the_end_of_its_log(look, render, given, secret, waited, status):
    render.deploys = [deploy("dep-new", "created")]
    render.steps["dep-new"] = ["build_in_progress", status]
    render.log = ["\x1b[31mstep 1", "ModuleNotFoundError: No module named 'psycopg2'"]
    outcome = await look("deploy.follow", given | QUICK, **secret, **PUSHED)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert status in outcome.actual
    assert "No module named 'psycopg2'" in outcome.actual
    assert outcome.hint
    assert "\x1b" not in repr(outcome) + repr(look.lines)


async def test_a_deploy_that_appears_late_is_waited_for(look, render, given, secret, monkeypatch):
    waits = []

    def pause(self, seconds):
        waits.append(seconds)
        if len(waits) == 3:
            render.deploys.append(deploy("dep-new", "live"))
        return True

    monkeypatch.setattr("checks.render.client.Api.pause", pause)
    render.deploys = [deploy("dep-old", "live", OLD)]
    outcome = await look("deploy.follow", given | QUICK, **secret, **PUSHED)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["deploy"] == "dep-new"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"autoDeploy": "no", "autoDeployTrigger": "off"}, "auto-deploy is off"),
        ({"autoDeployTrigger": "checksPass"}, "when the checks of the commit pass"),
        ({}, "it deploys pushes to main"),
    ],
)
async def test_a_deploy_that_never_appears_fails_and_says_why(look, render, given, secret, there, said):
    render.services = [service(**there)]
    render.deploys = [deploy("dep-old", "live", OLD)]
    outcome = await look("deploy.follow", given | QUICK | {"appear": "20ms"}, **secret, **PUSHED)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert said in outcome.actual
    assert "auto-deploy" in outcome.actual + outcome.hint or "checks" in outcome.hint


async def test_without_a_push_a_service_or_a_key_nothing_is_followed(look, render, given, secret):
    failed = {"push": Outcome.failed("rejected", evidence={"sha": NEW})}
    silent = {"push": Outcome.passed("pushed")}
    odd = {"push": Outcome.passed("pushed", evidence={"sha": "main"})}
    for evidence in ({}, failed, silent, odd):
        outcome = await look("deploy.follow", given | QUICK, **secret, evidence=evidence)
        assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert render.asked == []
    assert (await look("deploy.follow", given, **secret, **PUSHED)).verdict is Verdict.UNKNOWN
    assert (await look("deploy.follow", {"service": "app"}, **PUSHED)).verdict is Verdict.UNKNOWN
    assert (await look("deploy.follow", given | {"service": "gone"}, **secret, **PUSHED)).verdict is Verdict.FAIL


async def test_a_look_that_fails_now_and_then_does_not_end_the_following(look, render, given, secret, waited):
    render.deploys = [deploy("dep-new", "created")]
    render.steps["dep-new"] = list(WAY)
    path = f"GET /services/{SERVICE}/deploys/dep-new"
    render.first[path] = [Answer(b"", 503)] * 4 + [Answer(b"<html>")]
    outcome = await look("deploy.follow", given | QUICK, **secret, **PUSHED)
    assert outcome.verdict is Verdict.PASS, outcome
    render.first[path] = [Answer(b"", 503)] * 30
    outcome = await look("deploy.follow", given | QUICK, **secret, **PUSHED)
    assert outcome.verdict is Verdict.ERROR, outcome


async def test_a_deploy_that_is_not_done_in_time_or_of_an_unknown_status_is_not_green(look, render, given, secret):
    render.deploys = [deploy("dep-new", "build_in_progress")]
    outcome = await look("deploy.follow", given | QUICK, timeout="3.6s", **secret, **PUSHED)
    assert outcome.verdict is Verdict.ERROR, outcome
    assert "build_in_progress" in outcome.actual
    render.deploys = [deploy("dep-new", "meditating")]
    outcome = await look("deploy.follow", given | QUICK, timeout="3.6s", **secret, **PUSHED)
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert "meditating" in outcome.actual


async def test_following_ends_when_it_is_cancelled(look, render, given, secret, until):
    render.deploys = [deploy("dep-new", "build_in_progress")]
    stop = asyncio.Event()
    task = asyncio.ensure_future(
        look("deploy.follow", given | {"service": "app", "every": "30s"}, **secret, **PUSHED, cancel=stop)
    )
    await until(lambda: "dep-new: build_in_progress" in look.lines)
    stop.set()
    async with asyncio.timeout(10):
        assert "cancelled" in (await task).actual


async def test_a_log_that_cannot_be_read_does_not_hide_the_failure(look, render, given, secret, waited):
    render.deploys = [deploy("dep-new", "build_failed")]
    render.first["GET /logs"] = [Answer({"message": "no"}, 403)]
    outcome = await look("deploy.follow", given | QUICK, **secret, **PUSHED)
    assert outcome.verdict is Verdict.FAIL
    assert "its log cannot be read" in outcome.actual


@pytest.mark.parametrize("queued", [False, True])
async def test_staging_is_deployed_by_the_api_and_followed(look, render, given, secret, waited, queued):
    render.queued = queued
    render.deploys = [deploy("dep-old", "live", OLD)]
    render.begins = [(deploy("dep-1", "created", OLD, trigger="api"), list(WAY))]
    plan = await look.plan("deploy.staging", given | QUICK | {"commit": OLD}, **secret)
    assert f"/services/{SERVICE}/deploys" in plan.lines[0]
    assert plan.lines[0].startswith("POST http://127.0.0.1")
    assert plan.target == f"app ({SERVICE})"
    assert not [asked for asked in render.asked if asked.startswith("POST")]
    outcome = await look("deploy.staging", given | QUICK | {"commit": OLD}, **secret)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["deploy"] == "dep-1"
    assert {"clearCache": "do_not_clear", "commitId": OLD} in render.bodies


async def test_a_deploy_whose_answer_is_lost_is_found_and_not_started_again(look, render, given, secret, waited):
    render.begins = [(deploy("dep-1", "created", trigger="api"), list(WAY)), (deploy("dep-2", "created"), [])]
    render.first[f"POST /services/{SERVICE}/deploys"] = [Answer(hangs_up=True)]
    outcome = await look("deploy.staging", given | QUICK, **secret)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["deploy"] == "dep-1"
    assert len(render.deploys) == 1


async def test_a_deploy_whose_answer_is_lost_and_that_is_nowhere_to_be_seen_is_an_error(look, render, given, secret):
    render.first[f"POST /services/{SERVICE}/deploys"] = [Answer(b"", 500)]
    outcome = await look("deploy.staging", given | QUICK, timeout="1500ms", **secret)
    assert outcome.verdict is Verdict.ERROR, outcome
    assert "before you do it again" in outcome.hint
    assert render.asked.count(f"POST /services/{SERVICE}/deploys") == 1


async def test_a_deploy_that_is_refused_fails(look, render, given, secret):
    render.first[f"POST /services/{SERVICE}/deploys"] = [Answer({"message": "service is suspended"}, 400)]
    outcome = await look("deploy.staging", given | QUICK, **secret)
    assert outcome.verdict is Verdict.FAIL
    assert "service is suspended" in outcome.actual


async def test_staging_by_a_command_is_followed_where_a_service_is_named(look, render, given, secret, waited, url):

    ok, bad = [sys.executable, "-c", "pass"], [sys.executable, "-c", "raise SystemExit(3)"]
    outcome = await look("deploy.staging", {"command": ok})
    assert outcome.verdict is Verdict.WARN
    assert (await look("deploy.staging", {"command": bad})).verdict is Verdict.FAIL
    assert (await look("deploy.staging", given | QUICK | {"command": bad}, **secret)).verdict is Verdict.FAIL
    plan = await look.plan("deploy.staging", {"command": ok})
    assert plan.lines[0].endswith("-c pass")
    script = f"import urllib.request as u; u.urlopen(u.Request({url!r} + '/services/{SERVICE}/deploys', data=b'{{}}', headers={{'Authorization': 'Bearer rnd_canary-hunter2'}}))"
    render.begins = [(deploy("dep-1", "created", trigger="deploy_hook"), list(WAY))]
    outcome = await look("deploy.staging", given | QUICK | {"command": [sys.executable, "-c", script]}, **secret)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["trigger"] == "deploy_hook"


async def test_a_deployment_is_stopped_with_auto_deploy_first(look, render, given, secret, waited):
    render.deploys = [deploy("dep-old", "live", OLD), deploy("dep-new", "build_in_progress")]
    plan = await look.plan("deploy.stop", given | QUICK, **secret)
    assert [line.split()[0] for line in plan.lines] == ["PATCH", "POST", "PATCH"]
    assert '{"autoDeploy":"no"}' in plan.lines[0]
    assert plan.target == f"app ({SERVICE})"
    outcome = await look("deploy.stop", given | QUICK, **secret)
    assert outcome.verdict is Verdict.PASS, outcome
    changes = [asked for asked in render.asked if not asked.startswith("GET")]
    base = f"/services/{SERVICE}"
    assert changes == [f"PATCH {base}", f"POST {base}/deploys/dep-new/cancel", f"PATCH {base}"]
    assert outcome.evidence["cancelled"] == "dep-new"
    assert render.services[0]["autoDeploy"] == "no"
    assert render.services[0]["serviceDetails"]["maintenanceMode"]["enabled"] is True
    assert all("enabled" in step or "no" in step for step in map(str, filter(None, render.bodies)))


async def test_without_a_maintenance_page_stopping_warns_or_suspends(look, render, given, secret, waited):
    render.services = [service(details={"plan": "free"})]
    outcome = await look("deploy.stop", given | QUICK, **secret)
    assert outcome.verdict is Verdict.WARN, outcome
    assert "not to be had" in outcome.actual
    outcome = await look("deploy.stop", given | QUICK | {"or_suspend": True}, **secret)
    assert outcome.verdict is Verdict.PASS, outcome
    assert render.services[0]["suspended"] == "suspended"


async def test_a_stop_that_breaks_off_says_what_is_done(look, render, given, secret, waited):
    render.deploys = [deploy("dep-new", "build_in_progress")]
    render.first[f"GET /services/{SERVICE}/deploys"] = [Answer({"message": "no"}, 403)]
    outcome = await look("deploy.stop", given | QUICK, **secret)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.evidence["auto_deploy"] == "off"
    assert "cancelled" not in outcome.evidence
    render.first[f"PATCH /services/{SERVICE}"] = [Answer(service())]  # answered, and nothing changed
    render.services = [service()]
    outcome = await look("deploy.stop", given | QUICK, **secret)
    assert "auto-deploy is still on" in outcome.actual
    assert outcome.verdict is Verdict.ERROR


async def test_a_deploy_that_went_live_before_it_was_cancelled_is_said(look, render, given, secret, waited):
    render.deploys = [deploy("dep-new", "update_in_progress")]
    render.first[f"POST /services/{SERVICE}/deploys/dep-new/cancel"] = [Answer({"message": "not cancellable"}, 409)]
    render.steps["dep-new"] = ["live"]
    outcome = await look("deploy.stop", given | QUICK, **secret)
    assert outcome.verdict is Verdict.WARN, outcome
    assert "dep-new was live first" in outcome.actual


async def test_a_rollback_goes_to_the_deploy_that_was_live_before_with_auto_deploy_off_first(
    look, render, given, secret, waited
):
    render.deploys = [
        deploy("dep-older", "deactivated", "c" * 40, createdAt=moment(days=9)),
        deploy("dep-old", "deactivated", OLD, createdAt=moment(days=3)),
        deploy("dep-broken", "build_failed", "d" * 40, createdAt=moment(days=2)),
        deploy("dep-new", "live", NEW),
    ]
    render.begins = [(deploy("dep-back", "created", OLD, trigger="rollback"), ["update_in_progress", "live"])]
    plan = await look.plan("deploy.rollback", given | QUICK, **secret)
    assert '{"deployId":"dep-old"}' in plan.lines[1]
    assert plan.target == f"app ({SERVICE})"
    outcome = await look("deploy.rollback", given | QUICK, **secret)
    assert outcome.verdict is Verdict.PASS, outcome
    changes = [asked for asked in render.asked if not asked.startswith("GET")]
    assert changes == [f"PATCH /services/{SERVICE}", f"POST /services/{SERVICE}/rollback"]
    assert {"deployId": "dep-old"} in render.bodies
    assert outcome.evidence["auto_deploy"] == "off"
    assert outcome.evidence["back_to"].startswith("dep-old")


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (deploy("dep-new", "build_failed", NEW), "is live, and not the commit that was pushed"),
        (deploy("dep-new", "build_in_progress", NEW), "dep-new is under way"),
    ],
)
async def test_a_rollback_never_goes_further_back_than_the_push(look, render, given, secret, last, said):
    render.deploys = [
        deploy("dep-ancient", "deactivated", "c" * 40, createdAt=moment(days=9)),
        deploy("dep-old", "live", OLD, createdAt=moment(days=3)),
        last,
    ]
    outcome = await look("deploy.rollback", given | QUICK, **secret, **PUSHED)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert said in outcome.actual
    assert all(asked.startswith("GET") for asked in render.asked)


async def test_a_rollback_passes_over_deploys_of_the_same_commit(look, render, given, secret):
    render.deploys = [
        deploy("dep-old", "deactivated", OLD, createdAt=moment(days=3)),
        deploy("dep-first", "deactivated", NEW, createdAt=moment(hours=2)),
        deploy("dep-again", "live", NEW),
    ]
    plan = await look.plan("deploy.rollback", given | QUICK, **secret, **PUSHED)
    assert '{"deployId":"dep-old"}' in plan.lines[1]
    assert "from dep-again" in plan.lines[2]


async def test_a_rollback_with_nowhere_to_go_fails_and_changes_nothing(look, render, given, secret):
    render.deploys = [deploy("dep-broken", "build_failed"), deploy("dep-new", "live")]
    for more in ({}, {"to": "dep-gone"}, {"to": "dep-broken"}):
        outcome = await look("deploy.rollback", given | QUICK | more, **secret)
        assert outcome.verdict is Verdict.FAIL, outcome
    assert all(asked.startswith("GET") for asked in render.asked)
    plan = await look.plan("deploy.rollback", given | QUICK, **secret)
    assert any("no deploy of another commit was live before" in line for line in plan.lines)


async def test_a_rollback_that_is_refused_says_that_auto_deploy_is_off(look, render, given, secret):
    render.deploys = [deploy("dep-old", "deactivated", OLD), deploy("dep-new", "live")]
    render.first[f"POST /services/{SERVICE}/rollback"] = [Answer({"message": "artifact is gone"}, 400)]
    outcome = await look("deploy.rollback", given | QUICK, **secret)
    assert outcome.verdict is Verdict.FAIL
    assert "artifact is gone" in outcome.actual
    assert outcome.evidence["auto_deploy"] == "off"


async def test_the_maintenance_page_goes_on_and_off(look, render, given, secret):
    for on in (True, False):
        plan = await look.plan("deploy.maintenance", given | {"service": "app", "on": on}, **secret)
        assert f'"enabled":{str(on).lower()}' in plan.lines[0]
        outcome = await look("deploy.maintenance", given | {"service": "app", "on": on}, **secret)
        assert outcome.verdict is Verdict.PASS, outcome
        assert render.services[0]["serviceDetails"]["maintenanceMode"]["enabled"] is on
    render.first[f"PATCH /services/{SERVICE}"] = [Answer(service())]
    outcome = await look("deploy.maintenance", given | {"service": "app", "on": True}, **secret)
    assert outcome.verdict is Verdict.ERROR
    assert "still off" in outcome.actual
    render.services = [service(type="background_worker")]
    outcome = await look("deploy.maintenance", given | {"service": "app", "on": True}, **secret)
    assert outcome.verdict is Verdict.FAIL


COMMAND = "alembic upgrade head"


@pytest.mark.parametrize("queued", [False, True])
async def test_a_job_is_followed_until_it_has_succeeded(look, render, given, secret, waited, queued):
    render.queued = queued
    render.log = ["INFO [alembic] Running upgrade  -> 0001"]
    render.begins = [(job("job-1", "pending", COMMAND), ["pending", "running", "succeeded"])]
    with_ = given | QUICK | {"command": COMMAND}
    plan = await look.plan("deploy.job", with_, **secret)
    assert '{"startCommand":"alembic upgrade head"}' in plan.lines[0]
    assert plan.danger == "one-way"
    outcome = await look("deploy.job", with_, **secret)
    assert outcome.verdict is Verdict.PASS, outcome
    assert "Running upgrade" in outcome.actual


async def test_a_job_that_fails_does_not_end_or_is_refused_is_not_green(look, render, given, secret, waited):
    with_ = given | QUICK | {"command": COMMAND}
    for steps, verdict in ((["running", "failed"], "fail"), (["canceled"], "fail")):
        render.begins = [(job(f"job-{steps[-1]}", "pending", COMMAND), steps)]
        outcome = await look("deploy.job", with_, **secret)
        assert outcome.verdict == verdict, outcome
    render.first[f"POST /services/{SERVICE}/jobs"] = [Answer({"message": "not on the free plan"}, 402)]
    outcome = await look("deploy.job", with_, **secret)
    assert (outcome.verdict, "not on the free plan" in outcome.actual) == ("fail", True)
    outcome = await look("deploy.job", {"command": COMMAND, "service": "app"})
    assert outcome.verdict is Verdict.UNKNOWN


async def test_a_job_whose_answer_is_lost_is_found_and_not_run_twice(look, render, given, secret, waited):
    render.begins = [(job("job-1", "pending", COMMAND), ["succeeded"]), (job("job-2", "pending", COMMAND), [])]
    render.first[f"POST /services/{SERVICE}/jobs"] = [Answer(hangs_up=True)]
    outcome = await look("deploy.job", given | QUICK | {"command": COMMAND}, **secret)
    assert outcome.verdict is Verdict.PASS, outcome
    assert [one["id"] for one in render.jobs] == ["job-1"]


@pytest.mark.parametrize(
    ("check", "more"),
    [
        ("deploy.staging", {}),
        ("deploy.stop", {}),
        ("deploy.rollback", {}),
        ("deploy.maintenance", {"on": True}),
        ("deploy.job", {"command": COMMAND}),
    ],
)
async def test_a_change_runs_only_on_a_go_and_its_plan_survives_an_api_that_is_away(
    look, render, given, secret, waited, check, more
):
    outcome = await look(check, given | {"service": "app"} | more, **secret, go=False)
    assert "nobody said go" in outcome.actual
    assert render.asked == []
    plan = await look.plan(check, given | {"service": "app", "api_url": "http://127.0.0.1:1/v1"} | more, **secret)
    assert "no connection" in plan.target
    unknown = await look(check, given | more, **secret)
    assert unknown.verdict is Verdict.UNKNOWN
    assert "no service is named" in unknown.actual


async def test_the_look_for_a_new_deploy_survives_an_answer_that_is_none(look, render, given, secret, waited):
    render.queued = True
    render.deploys = [deploy("dep-old", "live", OLD)]
    render.begins = [(deploy("dep-1", "created", trigger="api"), list(WAY))]
    path = f"GET /services/{SERVICE}/deploys"
    render.first[path] = [Answer([]), Answer(b"<html>"), Answer(b"<html>")]  # the first is the look before
    outcome = await look("deploy.staging", given | QUICK, **secret)
    assert outcome.verdict is Verdict.PASS, outcome


async def test_an_id_that_is_none_goes_into_no_address(look, render, given, secret):
    render.deploys = [deploy("../../owners", "created")]
    outcome = await look("deploy.follow", given | QUICK, **secret, **PUSHED)
    assert outcome.verdict is Verdict.ERROR
    assert not any("owners" in asked for asked in render.asked)
