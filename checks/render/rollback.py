"""Going back to the deploy that was live before."""

from __future__ import annotations

import msgspec

from checks.contract import Context, Plan, Seconds, check
from checks.render.changes import AUTO_OFF, as_json, auto_deploy_off
from checks.render.client import AnswerLost, Missing, RenderError
from checks.render.deploys import planned_service, pushed_commit, same_commit
from checks.render.following import IN_FLIGHT, deploy_outcome, recent, started_deploy
from checks.render.reach import PLAN_WITHIN, find_service, outcome_of, reach, render_errors
from checks.render.shapes import Deploy
from metrics.sources.render import API
from state.verdicts import Outcome


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
    ctx: Context, *, service: str | None, token: str | None, to: str | None, push: str, api_url: str, **_: object
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
        f"PATCH {base} {as_json(AUTO_OFF)}",
        f"POST {base}/rollback {as_json({'deployId': ident_to})}",
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
            auto_deploy_off(api, found, done)
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
