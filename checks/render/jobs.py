"""A one-off job: a command that runs once in the service's own environment."""

from __future__ import annotations

import msgspec

from checks.contract import Context, Plan, Seconds, check
from checks.render.client import AnswerLost, Api, RenderError
from checks.render.deploys import planned_service
from checks.render.following import FAILED, IN_FLIGHT, came, followed, seconds_of, tail, with_tail
from checks.render.reach import find_service, reach, render_errors
from checks.render.shapes import Job, Service
from metrics.sources.render import API
from state.durations import format_duration
from state.verdicts import Outcome


def _body(command: str, plan: str | None) -> dict[str, str]:
    return {"startCommand": command} | ({"planId": plan} if plan else {})


def _plan_job(
    ctx: Context, *, command: str, service: str | None, token: str | None, plan: str | None, api_url: str, **_: object
) -> Plan:
    ident, target = planned_service(ctx, service, token, api_url)
    body = msgspec.json.encode(_body(command, plan)).decode()
    lines = (
        f"POST {api_url}/services/{ident}/jobs {body}",
        "it has the service's environment, and no persistent disk; followed until it has succeeded",
    )
    return Plan(lines, "one-way", target)


@check("deploy.job", effect="change", timeout="30m", plan=_plan_job)
@render_errors
def job(
    ctx: Context,
    *,
    command: str,
    service: str | None = None,
    token: str | None = None,
    plan: str | None = None,
    expect: Seconds = Seconds(120),  # noqa: B008 (immutable)
    every: Seconds = Seconds(3),  # noqa: B008 (immutable)
    api_url: str = API,
) -> Outcome:
    """Runs COMMAND once as a job of SERVICE (id or name), and follows it with its log until it has succeeded.

    PLAN: of the instance it runs on. A job that is not followed any more (cancelled, out of time) runs on.
    """
    with reach(ctx, token, api_url) as api:
        found = find_service(api, service)
        before = {one.id for one in _jobs(api, found)}
        try:
            reply = api.change("POST", f"/services/{found.id}/jobs", _body(command, plan))
            begun: Job | None = reply.decoded(Job) if reply.body.strip() else None
        except AnswerLost as lost:
            ctx.log(f"{lost.what}; looks whether it began nevertheless")
            begun = None
        if begun is None:
            begun = came(api, lambda: _new(api, found, before, command), within=30.0, every=every)
        if begun is None:
            raise RenderError(
                "no new job appeared", "see the service's jobs in the dashboard before you run it again"
            )
        path = f"/services/{found.id}/jobs/{begun.id}"
        end = followed(ctx, api, path, Job, expect=expect, every=every)
        took = seconds_of(end)
        evidence: dict[str, object] = {
            "service": f"{found.name} ({found.id})",
            "job": end.id,
            "command": command,
            "status": end.status,
            "seconds": round(took, 1),
        }
        last = with_tail(ctx, evidence, tail(api, found, end.id, end.created_at))
    actual = f"{end.id}: {end.status} after {format_duration(took)}: {last}"
    if end.status == "succeeded":
        return Outcome.passed(actual, expected="succeeded", evidence=evidence)
    if end.status in FAILED:
        return Outcome.failed(actual, expected="succeeded", evidence=evidence, hint=FAILED[end.status])
    hint = "it runs on: see the service's jobs in the dashboard, and do not start it again before it has ended"
    if end.status in IN_FLIGHT:
        return Outcome.error(f"{end.id} has not ended: {end.status}", hint=hint, evidence=evidence)
    return Outcome.unknown(f"{end.id}: {end.status!r} is no status that is known here", hint=hint, evidence=evidence)


def _jobs(api: Api, service: Service) -> list[Job]:
    return api.listing(f"/services/{service.id}/jobs", "job", Job, most=20)


def _new(api: Api, service: Service, before: set[str], command: str) -> list[Job]:
    return [one for one in _jobs(api, service) if one.id not in before and one.start_command == command]
