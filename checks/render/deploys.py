"""Starting a deploy, and following the one of the push."""

from __future__ import annotations

import re
import time

from checks.contract import Context, Plan, Seconds, check
from checks.processes import shown_argv
from checks.render.client import AnswerLost, Api, NotConfigured, RenderError
from checks.render.following import came, deploy_outcome, recent, started_deploy
from checks.render.reach import PLAN_WITHIN, find_service, reach, render_errors
from checks.render.shapes import Deploy, Service
from metrics.sources.render import API
from state.durations import format_duration
from state.verdicts import Outcome, Verdict

_SHA = re.compile(r"[0-9a-f]{7,64}")
_SHA_KEYS = ("sha", "commit", "after")  # under which an item may keep the commit that it pushed


def planned_service(ctx: Context, service: str | None, token: str | None, api_url: str) -> tuple[str, str]:
    """(its id, "name (id)") for a plan, which may be shown when the API cannot be asked."""
    try:
        with reach(ctx, token, api_url, within=PLAN_WITHIN) as api:
            found = find_service(api, service)
    except RenderError as error:
        return f"<the id of {service or 'no service'}>", f"{service or 'no service'} ({error.what})"
    return found.id, f"{found.name} ({found.id})"


def _deploy_body(commit: str | None, clear_cache: bool) -> dict[str, str]:
    body = {"clearCache": "clear" if clear_cache else "do_not_clear"}
    return body | ({"commitId": commit} if commit else {})


def _plan_staging(
    ctx: Context,
    *,
    service: str | None,
    token: str | None,
    command: list[str] | None,
    commit: str | None,
    clear_cache: bool,
    api_url: str,
    **_: object,
) -> Plan:
    ident, target = planned_service(ctx, service, token, api_url) if service or not command else ("", "")
    line = f"POST {api_url}/services/{ident}/deploys {_deploy_body(commit, clear_cache)}"
    first = shown_argv(command) if command else line
    return Plan((first, "follow the deploy until it is live"), "reversible", target or first)


@check("deploy.staging", effect="change", timeout="45m", plan=_plan_staging)
@render_errors
def staging(
    ctx: Context,
    *,
    service: str | None = None,
    token: str | None = None,
    command: list[str] | None = None,
    commit: str | None = None,
    clear_cache: bool = False,
    expect: Seconds = Seconds(600),  # noqa: B008 (immutable)
    every: Seconds = Seconds(5),  # noqa: B008 (immutable)
    api_url: str = API,
) -> Outcome:
    """Starts a deploy of SERVICE (id or name) and follows it until it is live: of COMMIT, or of the branch's newest.

    With COMMAND the deploy is started by that program instead of the API.
    """
    if command and not service:
        done = ctx.run_sync(command)
        actual = f"{command[0]} ended with exit code {done.exit_code}"
        if done.exit_code != 0:
            return Outcome.failed(actual, expected="exit code 0", hint="see its lines in the log")
        return Outcome.warned(f"{actual}; no deploy was followed", hint="give service and token, to follow it")
    with reach(ctx, token, api_url) as api:
        found = find_service(api, service)
        before = {one.id for one in recent(api, found)}
        if command:
            done = ctx.run_sync(command)
            if done.exit_code != 0:
                what = f"{command[0]} ended with exit code {done.exit_code}"
                return Outcome.failed(what, expected="exit code 0", hint="see its lines in the log")
            deploy = _appeared(api, found, before, every)
        else:
            body = _deploy_body(commit, clear_cache)
            try:
                reply = api.change("POST", f"/services/{found.id}/deploys", body)
            except AnswerLost as lost:
                ctx.log(f"{lost.what}; looks whether it began nevertheless")
                reply = None
            deploy = started_deploy(api, found, reply, before, "api", every)
        return deploy_outcome(ctx, api, found, deploy, expect=expect, every=every)


def _appeared(api: Api, service: Service, before: set[str], every: float) -> Deploy:
    found = came(
        api, lambda: [one for one in recent(api, service) if one.id not in before], within=120.0, every=every
    )
    if found is None:
        raise RenderError("the command ended, and no deploy began within 2m", "does it deploy this very service?")
    return found


@check("deploy.follow", timeout="45m")
@render_errors
def follow(
    ctx: Context,
    *,
    service: str | None = None,
    token: str | None = None,
    push: str = "push",
    commit: str | None = None,
    appear: Seconds = Seconds(180),  # noqa: B008 (immutable)
    expect: Seconds = Seconds(600),  # noqa: B008 (immutable)
    every: Seconds = Seconds(5),  # noqa: B008 (immutable)
    api_url: str = API,
) -> Outcome:
    """Follows the deploy of the commit that the item PUSH pushed (or of COMMIT) on SERVICE, until it is live.

    A deploy that fails is told with the end of its log; one that does not APPEAR in time fails too.
    """
    sha = commit or pushed_commit(ctx, push)
    if not _SHA.fullmatch(sha):
        what = f"{commit!r} is no commit" if commit else f"item {push!r} has pushed no commit that could be followed"
        raise NotConfigured(what, f"run {push!r} first, or give commit = …")
    with reach(ctx, token, api_url) as api:
        found = find_service(api, service)
        began = time.monotonic()

        def of_the_push() -> list[Deploy]:
            # The newest: a commit that was deployed before may be deployed again.
            return [one for one in recent(api, found) if one.sha and same_commit(one.sha, sha)][:1]

        ctx.progress(0, expect, "s", "waits for the deploy to appear")
        first = came(api, of_the_push, within=appear, every=every)
        if first is None:
            return _never_came(found, sha, appear)
        waited = time.monotonic() - began
        return deploy_outcome(ctx, api, found, first, expect=expect, every=every, wait=waited)


def same_commit(one: str, other: str) -> bool:
    """Whether two commits are the same, one of them maybe cut short."""
    return one.startswith(other) or other.startswith(one)


def pushed_commit(ctx: Context, push: str) -> str:
    """The commit that the item PUSH pushed; "" when it has not, or does not say."""
    done = ctx.evidence.get(push)
    if done is None or done.verdict not in (Verdict.PASS, Verdict.WARN):
        return ""
    found = next((str(done.evidence[key]) for key in _SHA_KEYS if key in done.evidence), "")
    return found if _SHA.fullmatch(found) else ""


def _never_came(service: Service, sha: str, appear: float) -> Outcome:
    name = f"{service.name} ({service.id})"
    evidence = {"service": name, "commit": sha, "autoDeploy": service.auto_deploy, "branch": service.branch}
    if not service.deploys_itself:
        hint = "start it: in the dashboard, Manual Deploy; or switch auto-deploy on"
        why = "auto-deploy is off"
    elif service.auto_deploy_trigger == "checksPass":
        hint = "it waits for the checks of the commit: see them at the repository"
        why = "it deploys when the checks of the commit pass"
    else:
        hint = "auto-deploy may be off, or the push went to another branch or repository"
        why = f"it deploys pushes to {service.branch or 'its branch'}"
    actual = f"no deploy of {sha[:12]} on {name} within {format_duration(appear)}; {why}"
    return Outcome.failed(actual, expected="a deploy of the commit", evidence=evidence, hint=hint)
