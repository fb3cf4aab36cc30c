"""Stopping a deployment, going back to the one before, and the maintenance page."""

from __future__ import annotations

import time
from contextlib import suppress

import msgspec

from checks.contract import Context, Plan, Seconds, check
from checks.render.client import AnswerLost, Api, Missing, Refused, RenderError
from checks.render.deploys import planned_service, pushed_commit, same_commit
from checks.render.following import IN_FLIGHT, deploy_outcome, recent, started_deploy
from checks.render.reach import PLAN_WITHIN, find_service, outcome_of, reach, render_errors
from checks.render.shapes import Deploy, Service
from metrics.sources.render import API
from state.verdicts import Outcome

_AUTO_OFF = {"autoDeploy": "no"}
_LOOKS = 20
_DONE_SO_FAR = "see the service in the dashboard; what the evidence names is done"


def _mode(on: bool, uri: str) -> dict[str, object]:
    return {"serviceDetails": {"maintenanceMode": {"enabled": on, "uri": uri}}}


def _json(body: object) -> str:
    return msgspec.json.encode(body).decode()


def _auto_deploy_off(api: Api, service: Service, done: dict[str, object]) -> None:
    """Switch auto-deploy off and see that it is. Raises RenderError."""
    api.change("PATCH", f"/services/{service.id}", _AUTO_OFF)
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
    ctx: Context,
    *,
    service: str | None = None,
    token: str | None = None,
    uri: str = "",
    or_suspend: bool = False,
    every: Seconds = Seconds(3),  # noqa: B008 (immutable)
    api_url: str = API,
) -> Plan:
    ident, target = planned_service(ctx, service, token, api_url)
    base = f"{api_url}/services/{ident}"
    last = f"PATCH {base} {_json(_mode(True, uri))}, where the service has a maintenance page"
    lines = (
        f"PATCH {base} {_json(_AUTO_OFF)}",
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
            _auto_deploy_off(api, found, done)
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


def target_of(deploys: list[Deploy], to: str | None, pushed: str) -> Deploy:
    """The deploy to go back to, of DEPLOYS (the newest first): the one named TO, or the newest that was live before
    and is of another commit than the one that is.

    Raises Missing where there is none, and where going back would go too far: a deploy is under way, or what is live
    is not the commit PUSHED ("": not known), so that the version before it is live already.
    """
    if going := [one.id for one in deploys if one.status in IN_FLIGHT]:
        raise Missing(f"{going[0]} is under way, and would go live after the rollback", "run deploy.stop first")
    if to:
        named = next((one for one in deploys if one.id == to), None)
        if named is None:
            raise Missing(f"no deploy {to} among the {len(deploys)} newest", "see the deploys in the dashboard")
        if named.status not in ("deactivated", "live"):
            raise Missing(f"deploy {to} was never live ({named.status})", "name one that was")
        return named
    live = next((one for one in deploys if one.status == "live"), None)
    if live is not None and pushed and live.sha and not same_commit(live.sha, pushed):
        what = f"{_told(live)} is live, and not the commit that was pushed ({pushed[:12]})"
        raise Missing(what, 'there is nothing to go back from; to go further back, name a deploy: to = "dep-…"')
    gone = (one for one in deploys if one.status == "deactivated")
    before = next((one for one in gone if live is None or not one.sha or one.sha != live.sha), None)
    if before is None:
        raise Missing("no deploy of another commit was live before", "revert the commit, and deploy that")
    return before


def _plan_rollback(
    ctx: Context,
    *,
    service: str | None = None,
    token: str | None = None,
    to: str | None = None,
    push: str = "push",
    expect: Seconds = Seconds(180),  # noqa: B008 (immutable)
    every: Seconds = Seconds(5),  # noqa: B008 (immutable)
    api_url: str = API,
) -> Plan:
    ident, target = planned_service(ctx, service, token, api_url)
    what, ident_to = "", to or "<the deploy that was live before>"
    try:
        with reach(ctx, token, api_url, within=PLAN_WITHIN / 2) as api:
            deploys = recent(api, find_service(api, service))
            found = target_of(deploys, to, pushed_commit(ctx, push))
            ident_to, what = found.id, f"from {_live(deploys)} to {_told(found)}"
    except RenderError as error:
        what = f"not seen now: {error.what}"
    base = f"{api_url}/services/{ident}"
    lines = (
        f"PATCH {base} {_json(_AUTO_OFF)}",
        f"POST {base}/rollback {_json({'deployId': ident_to})}",
        what,
        "follow it until it is live; its env vars and start command come back with it, data does not",
    )
    return Plan(lines, "reversible", target)


@check("deploy.rollback", effect="change", timeout="30m", plan=_plan_rollback)
@render_errors
def rollback(
    ctx: Context,
    *,
    service: str | None = None,
    token: str | None = None,
    to: str | None = None,
    push: str = "push",
    expect: Seconds = Seconds(180),  # noqa: B008 (immutable)
    every: Seconds = Seconds(5),  # noqa: B008 (immutable)
    api_url: str = API,
) -> Outcome:
    """Goes back to the deploy of SERVICE that was live before (or the deploy TO), and follows it until it is live.

    Where the item PUSH has pushed, what is live must be its commit: else the version before it is live already.
    Auto-deploy is switched off first: the API leaves it on, and the next push would undo the rollback.
    """
    done: dict[str, object] = {}
    with reach(ctx, token, api_url) as api:
        found = find_service(api, service)
        deploys = recent(api, found)
        target = target_of(deploys, to, pushed_commit(ctx, push))
        try:
            _auto_deploy_off(api, found, done)
            done |= {"back_from": _live(deploys), "back_to": _told(target)}
            try:
                reply = api.change("POST", f"/services/{found.id}/rollback", {"deployId": target.id})
            except AnswerLost as lost:
                ctx.log(f"{lost.what}; looks whether it began nevertheless")
                reply = None
            deploy = started_deploy(api, found, reply, {one.id for one in deploys}, "rollback", every)
            outcome = deploy_outcome(ctx, api, found, deploy, expect=expect, every=every)
        except RenderError as error:
            return outcome_of(error, done)
    return msgspec.structs.replace(outcome, evidence=outcome.evidence | {k: str(v) for k, v in done.items()})


def _told(deploy: Deploy) -> str:
    commit = f"commit {deploy.sha[:12]}" if deploy.sha else "no commit"
    return f"{deploy.id} ({commit}, {deploy.created_at:%Y-%m-%d %H:%M} UTC)"


def _live(deploys: list[Deploy]) -> str:
    # A person must see it: after a deploy that failed, what is live is already the version before.
    return next((_told(one) for one in deploys if one.status == "live"), "no live deploy")


def _plan_maintenance(
    ctx: Context,
    *,
    on: bool,
    service: str | None = None,
    token: str | None = None,
    uri: str = "",
    api_url: str = API,
) -> Plan:
    ident, target = planned_service(ctx, service, token, api_url)
    return Plan((f"PATCH {api_url}/services/{ident} {_json(_mode(on, uri))}",), "reversible", target)


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
