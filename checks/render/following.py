"""Following a deploy or a job to its end, and the tail of its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from checks.contract import Context
from checks.render.client import Api, Missing, Pairs, RenderError, Reply
from checks.render.shapes import Deploy, Job, Logs, Service
from state.durations import format_duration
from state.verdicts import Outcome

S = TypeVar("S", Deploy, Job)

IN_FLIGHT = frozenset(
    {"created", "queued", "build_in_progress", "pre_deploy_in_progress", "update_in_progress", "pending", "running"}
)
GOOD = frozenset({"live", "succeeded"})
FAILED = {
    "build_failed": "the build failed; the old version is still running: mend it, and push again",
    "pre_deploy_failed": "the pre-deploy command failed; the old version is still running",
    "update_failed": "the new version did not get well: its start command, or its health check; the old one runs on",
    "canceled": "somebody stopped it, or another deploy took its place: see the deploys in the dashboard",
    "deactivated": "it was live, and another deploy has taken its place: see which",
    "failed": "see its log; what it had changed by then stays changed",
}
PATIENCE = 5  # looks in a row that may fail before following ends
_RECENT = 20  # deploys
_TAIL, _KEPT = 50, 6  # log lines that are shown, and that stay in the evidence
_MARGIN = 3.0  # seconds before the deadline, for the tail of the log


def recent(api: Api, service: Service) -> list[Deploy]:
    """The newest deploys of SERVICE, the newest first."""
    found = api.listing(f"/services/{service.id}/deploys", "deploy", Deploy, most=_RECENT)
    return sorted(found, key=lambda one: one.created_at, reverse=True)


def followed(ctx: Context, api: Api, path: str, kind: type[S], *, expect: float, every: float) -> S:
    """What is at PATH when it has come to its end, or as it was seen last when the time is over.

    Looks EVERY so many seconds, and tells the progress against EXPECT seconds. A look that fails is tried again.
    Raises RenderError when too many in a row fail.
    """
    started, said, failures = time.monotonic(), "", 0
    while True:
        try:
            seen = api.get(path, kind)
            failures = 0
        except Missing:
            raise
        except RenderError as error:
            failures += 1
            ctx.log(f"{error.what}; looks again")
            if failures >= PATIENCE or not api.pause(every):
                raise
            continue
        if seen.status != said:
            ctx.log(f"{seen.id}: {seen.status}")
            said = seen.status
        ctx.progress(min(time.monotonic() - started, expect), expect, "s", seen.status)
        if seen.status in GOOD or seen.status in FAILED or api.seconds_left < every + _MARGIN or not api.pause(every):
            return seen


def came(api: Api, look: Callable[[], Iterable[S]], *, within: float, every: float) -> S | None:
    """The oldest of what LOOK sees, as soon as it sees anything; None when it saw nothing WITHIN seconds.

    Raises RenderError when too many looks in a row fail.
    """
    until, failures = time.monotonic() + within, 0
    while True:
        try:
            if found := list(look()):
                return min(found, key=lambda one: one.created_at)
            failures = 0
        except RenderError:
            failures += 1
            if failures >= PATIENCE:
                raise
        if time.monotonic() + every > until or not api.pause(every):
            return None


def started_deploy(
    api: Api, service: Service, reply: Reply | None, before: set[str], trigger: str, every: float
) -> Deploy:
    """The deploy that an answer speaks of; the new one with TRIGGER when the answer was empty (202) or lost (None).

    BEFORE are the ids that were there. Raises RenderError when none appears within a minute.
    """
    if reply is not None and reply.body.strip():
        return reply.decoded(Deploy)

    def new() -> list[Deploy]:
        triggers = (trigger, "manual", "other", "")  # not a push that came in between
        return [one for one in recent(api, service) if one.id not in before and one.trigger in triggers]

    found = came(api, new, within=60.0, every=every)
    if found is None:
        raise RenderError("no new deploy appeared", "look at the deploys in the dashboard before you do it again")
    return found


def tail(api: Api, service: Service, resource: str, since: datetime, kinds: tuple[str, ...] = ()) -> list[str]:
    """The last lines of the log of RESOURCE since then, the oldest first; an explanation where they cannot be had."""
    params: Pairs = [
        ("ownerId", service.owner_id),
        ("resource", resource),
        ("startTime", _rfc3339(since - timedelta(seconds=5))),
        ("endTime", _rfc3339(datetime.now(UTC) + timedelta(minutes=1))),
        ("direction", "backward"),
        ("limit", str(_TAIL)),
        *(("type", kind) for kind in kinds),
    ]
    try:
        lines = api.get("/logs", Logs, params).logs
    except RenderError as error:
        return [f"(its log cannot be read: {error.what})"]
    return [one.message for one in sorted(lines, key=lambda one: one.timestamp)]


def with_tail(ctx: Context, evidence: dict[str, object], lines: list[str]) -> str:
    """Tell LINES, keep the last of them as evidence; the last that says something, for the one line of `actual`."""
    for line in lines:
        ctx.log(line)
    telling = [line.strip() for line in lines if line.strip()]
    evidence |= {f"log {number}": line for number, line in enumerate(telling[-_KEPT:], 1)}
    return telling[-1] if telling else "its log is empty"


def deploy_outcome(
    ctx: Context, api: Api, service: Service, deploy: Deploy, *, expect: float, every: float, wait: float = 0.0
) -> Outcome:
    """Follow DEPLOY of SERVICE to `live`, and what is to be said of it. WAIT: seconds until it had appeared."""
    end = followed(ctx, api, f"/services/{service.id}/deploys/{deploy.id}", Deploy, expect=expect, every=every)
    took = seconds_of(end)
    evidence: dict[str, object] = {
        "service": f"{service.name} ({service.id})",
        "deploy": end.id,
        "status": end.status,
        "trigger": end.trigger or "not said",
        "commit": end.sha or "none",
        "seconds": round(took, 1),
        "expected_seconds": round(expect),
    }
    if wait:
        evidence["seconds_until_it_appeared"] = round(wait, 1)
    expected = f"live, in about {format_duration(expect)}"
    name = f"{end.id} of {service.name}"
    if end.status == "live":
        with suppress(RenderError):
            with_tail(ctx, evidence, tail(api, service, service.id, end.created_at, ("build",)))
        late = f", later than {format_duration(expect)}" if took > expect else ""
        return Outcome.passed(
            f"{name} is live after {format_duration(took)}{late}", expected=expected, evidence=evidence
        )
    kinds = ("build",) if end.status == "build_failed" else ("build", "app")
    last = with_tail(ctx, evidence, tail(api, service, service.id, end.created_at, kinds))
    if end.status in FAILED:
        actual = f"{name}: {end.status} after {format_duration(took)}: {last}"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=FAILED[end.status])
    hint = "it goes on without being watched: run this again, or see the dashboard"
    if end.status in IN_FLIGHT:
        return Outcome.error(
            f"{name} is not live yet: {end.status}, {format_duration(took)}", hint=hint, evidence=evidence
        )
    return Outcome.unknown(f"{name}: {end.status!r} is no status that is known here", hint=hint, evidence=evidence)


def seconds_of(seen: Deploy | Job) -> float:
    """From its creation to its end, or until now; never below zero, whatever the clocks say."""
    return max(((seen.finished_at or datetime.now(UTC)) - seen.created_at).total_seconds(), 0.0)


def _rfc3339(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
