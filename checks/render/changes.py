"""Stopping a deployment, and the maintenance page."""

from __future__ import annotations

import time
from contextlib import suppress

import msgspec

from checks.contract import Context, Plan, Seconds, check
from checks.render.client import AnswerLost, Api, Missing, Refused, RenderError
from checks.render.deploys import planned_service
from checks.render.following import IN_FLIGHT, recent
from checks.render.reach import find_service, outcome_of, reach, render_errors
from checks.render.shapes import Deploy, Service
from metrics.sources.render import API
from state.verdicts import Outcome

AUTO_OFF = {"autoDeploy": "no"}
_LOOKS = 20
_DONE_SO_FAR = "see the service in the dashboard; what the evidence names is done"


def _mode(on: bool, uri: str) -> dict[str, object]:
    return {"serviceDetails": {"maintenanceMode": {"enabled": on, "uri": uri}}}


def as_json(body: object) -> str:
    """A body as it is sent, for a plan."""
    return msgspec.json.encode(body).decode()


def auto_deploy_off(api: Api, service: Service, done: dict[str, object]) -> None:
    """Switch auto-deploy off and see that it is. Raises RenderError."""
    api.change("PATCH", f"/services/{service.id}", AUTO_OFF)
    now = api.get(f"/services/{service.id}", Service)
    if now.deploys_itself:
        raise RenderError("auto-deploy is still on after it was switched off", "switch it off in the dashboard")
    done["auto_deploy"] = "off" if service.deploys_itself else "off (it was already)"


def _maintenance(api: Api, service: Service, on: bool, uri: str, done: dict[str, object]) -> None:
    """Switch the maintenance page ON or off and see that it is. Raises RenderError."""
    api.change("PATCH", f"/services/{service.id}", _mode(on, uri))
    now = api.get(f"/services/{service.id}", Service)
    if now.in_maintenance != on:
        raise RenderError(f"the maintenance page is still {_on(not on)}", "switch it in the dashboard, Settings")
    done["maintenance"] = _on(on)


def _has_maintenance(service: Service) -> bool:
    """Paid web services have the page."""
    return service.type == "web_service" and service.service_details.plan not in ("", "free")


def _on(on: bool) -> str:
    return "on" if on else "off"


def _plan_stop(
    ctx: Context, *, service: str | None, token: str | None, uri: str, or_suspend: bool, api_url: str, **_: object
) -> Plan:
    ident, target = planned_service(ctx, service, token, api_url)
    base = f"{api_url}/services/{ident}"
    last = f"PATCH {base} {as_json(_mode(True, uri))}, where the service has a maintenance page"
    lines = (
        f"PATCH {base} {as_json(AUTO_OFF)}",
        f"POST {base}/deploys/<each that is under way>/cancel",
        last + (f"; else POST {base}/suspend" if or_suspend else ""),
    )
    return Plan(lines, "reversible", target)


@check("deploy.stop", effect="change", timeout="5m", plan=_plan_stop)
@render_errors
def stop(
    ctx: Context,
    *,
    service: str | None = None,
    token: str | None = None,
    uri: str = "",
    or_suspend: bool = False,
    every: Seconds = Seconds(3),  # noqa: B008 (immutable)
    api_url: str = API,
) -> Outcome:
    """Stops the deployment of SERVICE (id or name): auto-deploy off first, then every deploy under way is cancelled,
    then the maintenance page on (URI: a page of your own).

    OR_SUSPEND: a service that has no maintenance page is suspended.
    """
    done: dict[str, object] = {}
    with reach(ctx, token, api_url) as api:
        found = find_service(api, service)
        done["service"] = f"{found.name} ({found.id})"
        try:
            auto_deploy_off(api, found, done)
            going = [one for one in recent(api, found) if one.status in IN_FLIGHT]
            ended = [_cancelled(ctx, api, found, one, every) for one in going]
            done["cancelled"] = ", ".join(one.id for one in ended if one.status == "canceled") or "none was under way"
            live = [one.id for one in ended if one.status == "live"]
            if live:
                done["went_live_first"] = ", ".join(live)
            if _has_maintenance(found):
                _maintenance(api, found, True, uri, done)
            elif or_suspend:
                _suspend(api, found, done)
            else:
                done["maintenance"] = f"not to be had ({found.type}, plan {found.service_details.plan or 'none'})"
        except RenderError as error:
            return outcome_of(error, done)
    expected = "auto-deploy off, no deploy under way, nobody lets rows in"
    actual = "auto-deploy off; cancelled: {cancelled}; ".format(**done)
    actual += "suspended" if "suspended" in done else f"maintenance {done['maintenance']}"
    if live:
        hint = "the new version is running behind the maintenance page: roll back"
        return Outcome.warned(f"{actual}; {live[0]} was live first", expected=expected, evidence=done, hint=hint)
    if "suspended" not in done and done["maintenance"] != "on":
        hint = "the service still answers: stop writes by its own means, or give or_suspend = true"
        return Outcome.warned(actual, expected=expected, evidence=done, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=done)


def _cancelled(ctx: Context, api: Api, service: Service, deploy: Deploy, every: float) -> Deploy:
    """DEPLOY when it has ended, by the cancellation or by itself. Raises RenderError."""
    path = f"/services/{service.id}/deploys/{deploy.id}"
    try:
        api.change("POST", f"{path}/cancel")
    except (AnswerLost, Refused, Missing) as error:
        ctx.log(f"{error.what}; looks whether it has ended")  # it may have ended by itself in this moment
    until = time.monotonic() + 60
    while True:
        now = api.get(path, Deploy)
        if now.status not in IN_FLIGHT:
            ctx.log(f"{deploy.id}: {now.status}")
            return now
        if time.monotonic() > until or not api.pause(every):
            raise RenderError(f"{deploy.id} is still {now.status} after it was cancelled", _DONE_SO_FAR)


def _suspend(api: Api, service: Service, done: dict[str, object]) -> None:
    with suppress(AnswerLost):  # whether it was carried out is seen below
        api.change("POST", f"/services/{service.id}/suspend")
    for _ in range(_LOOKS):  # it is only told so far (202)
        if api.get(f"/services/{service.id}", Service).suspended == "suspended":
            done["suspended"] = "yes"
            return
        if not api.pause(1.0):
            break
    raise RenderError("it was told to suspend, and is not suspended", _DONE_SO_FAR)


def _plan_maintenance(
    ctx: Context, *, on: bool, service: str | None, token: str | None, uri: str, api_url: str
) -> Plan:
    ident, target = planned_service(ctx, service, token, api_url)
    return Plan((f"PATCH {api_url}/services/{ident} {as_json(_mode(on, uri))}",), "reversible", target)


@check("deploy.maintenance", effect="change", timeout="60s", plan=_plan_maintenance)
@render_errors
def maintenance(
    ctx: Context,
    *,
    on: bool,
    service: str | None = None,
    token: str | None = None,
    uri: str = "",
    api_url: str = API,
) -> Outcome:
    """Switches the maintenance page of SERVICE ON or off (URI: a page of your own), and sees that it is.

    The public gets 503 meanwhile; the private network and SSH still reach the application.
    """
    done: dict[str, object] = {}
    with reach(ctx, token, api_url) as api:
        found = find_service(api, service)
        done |= {"service": f"{found.name} ({found.id})", "before": _on(found.in_maintenance)}
        if on and not _has_maintenance(found):
            what = f"{found.name} has no maintenance page: {found.type}, plan {found.service_details.plan or 'none'}"
            return Outcome.failed(
                what, evidence=done, hint="paid web services have one; stop writes by the app itself"
            )
        try:
            _maintenance(api, found, on, uri, done)
        except RenderError as error:
            return outcome_of(error, done)
    return Outcome.passed(f"the maintenance page of {found.name} is {_on(on)}", expected=_on(on), evidence=done)
