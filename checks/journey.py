"""A feature of the app, tried as a visitor would."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from checks.contract import Context, Plan, Seconds, Stopped, check
from checks.journeys import JourneyError, Route, Step, fill, load_journey
from checks.journeys.browser import Browser
from checks.journeys.model import names_in
from checks.journeys.walker import StepFailed, Walker
from checks.processes import shown_argv
from state.verdicts import Outcome, Verdict

_STEPS_IN_EVIDENCE = 24
_CLEANUP = 10.0  # seconds for what has to be cleaned up; while it is being stopped, less than it is given
_CLEANUP_STOPPED = 2.0


def _plan_journey(
    ctx: Context,
    *,
    base_url: str,
    name: str,
    file: Path,
    commands: dict[str, list[str]] | None,
    vars: dict[str, str] | None,
    **_: object,
) -> Plan:
    try:
        route = load_journey(file, name, vars or {})
    except JourneyError as error:
        return Plan((f"cannot be told: {error}",), "reversible", base_url)
    lines = [_told(step, commands or {}) for step in route.steps]
    after = [f"whatever happens: {_told(step, commands or {})}" for step in route.cleanup]
    return Plan((f"{route.title}, {len(lines)} steps:", *lines, *after), "reversible", base_url)


def _told(step: Step, commands: dict[str, list[str]]) -> str:
    when = f" (if {step.when} is set)" if step.when else ""
    if step.mail is not None:
        return f"{step.name}: reads the mail to {step.mail.to}{when}"
    if step.run:
        argv = step.run if isinstance(step.run, list) else commands.get(step.run, [step.run])
        return f"{step.name}: runs {shown_argv(argv)}{when}"
    if step.submit:
        return f"{step.name}: submits the form {step.submit}{when}"
    return f"{step.name}: {step.method} {step.path}{when}"


@check("http.journey", effect="change", timeout="2m", plan=_plan_journey)
def journey(
    ctx: Context,
    *,
    base_url: str,
    name: str,
    file: Path = Path("journeys.toml"),
    outbox: Path | None = None,
    commands: dict[str, list[str]] | None = None,
    vars: dict[str, str] | None = None,
    slow: Seconds = Seconds(5.0),  # noqa: B008 (immutable)
) -> Outcome:
    """Walks the journey NAME of FILE against BASE_URL: requests, captures, CSRF, mails; every step as declared.

    It makes accounts and contents with names of their own, and cleans up what the journey says. OUTBOX is where the
    app puts its mails: a folder, a Maildir or an mbox. COMMANDS are programs that a step may run by name; the one
    called "mail" prints mails where there is no OUTBOX. VARS go before the file's own. An answer that takes longer
    than SLOW is a warning.
    """
    try:
        good = urlsplit(base_url).scheme in ("http", "https") and urlsplit(base_url).hostname
    except ValueError:
        good = None
    if not good:
        return Outcome.error(f"{base_url!r} is no http address", hint="write https://host")
    try:
        route = load_journey(file, name, vars or {})
        # Readable, of this moment, and not to be guessed: it becomes part of a user's name.
        known = {"unique": f"{int(time.time()):x}{secrets.token_hex(3)}", "secret": secrets.token_urlsafe(16)}
        known |= {"base_url": base_url.rstrip("/")} | (vars or {})
        for key, value in route.vars.items():
            if key not in (vars or {}):
                known[key] = str(fill(value, known))
    except JourneyError as error:
        return Outcome.error(str(error), hint="mend the journey, or give it what it asks for")
    evidence: dict[str, object] = {"base_url": base_url, "journey": name}
    with Browser(base_url, ctx.cancelled, lambda: ctx.seconds_left) as browser:
        walker = Walker(ctx, browser, known, route.csrf, outbox, commands or {})
        try:
            outcome = _walked(ctx, route, walker, evidence, slow)
        finally:
            left = _cleaned_up(ctx, route, walker)
    return _with_debris(outcome, left)


def _walked(ctx: Context, route: Route, walker: Walker, evidence: dict[str, object], slow: float) -> Outcome:
    steps = [step for step in route.steps if _taken(step, walker)]
    took, late = 0.0, []
    for number, step in enumerate(steps, 1):
        ctx.progress(number - 1, len(steps), "steps", step.name)
        started = time.perf_counter()
        try:
            if (seconds := walker.take(step)) > slow:
                late.append(f"{step.name} took {seconds:.1f} s")
        except JourneyError as error:
            hint = "mend the journey, or give it what it asks for"
            return Outcome.error(walker.redact(str(error)), hint=hint, evidence=evidence)
        except StepFailed as failed:
            return _failed(ctx, route, step, (number, len(steps)), failed, walker, evidence)
        seconds = time.perf_counter() - started
        took += seconds
        ctx.log(f"{step.name}: {seconds * 1000:.0f} ms")
        if number <= _STEPS_IN_EVIDENCE:
            evidence[f"{number:02} {step.name} ms"] = round(seconds * 1000)
    ctx.progress(len(steps), len(steps), "steps")
    actual, expected = f"{len(steps)} steps as declared, {took * 1000:.0f} ms", f"{route.title}: all steps"
    if late:
        hint = "see what the app does there; slow = … says what may be"
        said = f"{actual}; slow: {', '.join(late)}"
        return Outcome.warned(said, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _taken(step: Step, walker: Walker) -> bool:
    wanted = not step.when or bool(walker.variables.get(step.when))
    return wanted and not (step.unless and walker.variables.get(step.unless))


def _failed(
    ctx: Context,
    route: Route,
    step: Step,
    place: tuple[int, int],
    failed: StepFailed,
    walker: Walker,
    evidence: dict[str, object],
) -> Outcome:
    number, of = place
    evidence |= {f"exchange {n}": line for n, line in enumerate(failed.exchange, 1)}
    for line in failed.exchange:
        ctx.log(line)
    actual = f"step {number} of {of}, {step.name}: {failed.wrong}"
    if step.configured_by and failed.seen and not walker.variables.get(step.configured_by):
        hint = f"if the app has none, mark this item n/a with the reason; if it has, set {step.configured_by} in vars"
        return Outcome.unknown(f"the app shows nothing of it: {actual}", hint=hint, evidence=evidence)
    hint = "try this step by hand, and read the app's log at this moment"
    expected = f"{route.title}: all {of} steps"
    return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)


def _cleaned_up(ctx: Context, route: Route, walker: Walker) -> list[str]:
    """What could not be cleaned up, in words. It goes on for a moment even when the walk was stopped."""
    stopped = ctx.cancelled.is_set() or ctx.seconds_left <= 0
    until = time.monotonic() + (_CLEANUP_STOPPED if stopped else _CLEANUP)
    walker.browser.stop, walker.browser.left = threading.Event(), lambda: until - time.monotonic()
    left = []
    for step in route.cleanup:
        used = names_in([value for value in msgspec.to_builtins(step).values() if value])
        if not (used <= walker.variables.keys() and _taken(step, walker)):
            continue
        try:
            walker.take(step)
            ctx.log(f"{step.name}: done")
        except (StepFailed, JourneyError, Stopped, TimeoutError) as error:
            left.append(walker.redact(f"{step.name}: {error}"))
            ctx.log(f"not cleaned up: {left[-1]}")
    return left


def _with_debris(outcome: Outcome, left: list[str]) -> Outcome:
    if not left:
        return outcome
    verdict = Verdict.WARN if outcome.verdict is Verdict.PASS else outcome.verdict
    return Outcome.of(
        verdict,
        f"{outcome.actual}; not cleaned up: {'; '.join(left)}",
        expected=outcome.expected,
        evidence=outcome.evidence | {"left behind": len(left)},
        hint=outcome.hint or "remove by hand what the journey left in the app",
        observed_at=outcome.observed_at,
    )
