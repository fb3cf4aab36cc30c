"""A feature of the app, tried as a visitor would."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from checks.contract import Context, Plan, check
from checks.journeys import JourneyError, Step, fill, load_journey
from checks.processes import shown_argv
from checks.walk import StepFailed, Walker
from state.verdicts import Outcome

_TIMEOUT = 10.0
_STEPS_IN_EVIDENCE = 24


def _plan_journey(
    ctx: Context,
    *,
    base_url: str,
    name: str,
    file: Path = Path("journeys.toml"),
    outbox: Path | None = None,
    commands: dict[str, list[str]] | None = None,
    vars: dict[str, str] | None = None,
) -> Plan:
    try:
        route = load_journey(file, name)
    except JourneyError as error:
        return Plan((f"cannot be told: {error}",), "reversible", base_url)
    lines = [_told(step, commands or {}) for step in route.steps]
    return Plan((f"{route.title}, {len(lines)} steps:", *lines), "reversible", base_url)


def _told(step: Step, commands: dict[str, list[str]]) -> str:
    if step.mail is not None:
        return f"{step.name}: reads the mail to {step.mail.to}"
    if step.run:
        argv = step.run if isinstance(step.run, list) else commands.get(step.run, [step.run])
        return f"{step.name}: runs {shown_argv(argv)}"
    return f"{step.name}: {step.method} {step.path}"


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
) -> Outcome:
    """Walks the journey NAME of FILE against BASE_URL: requests, captures, CSRF, mails; every step as declared.

    It makes accounts and contents with names of their own. OUTBOX is the folder where the app puts its mails,
    COMMANDS are programs that a step may run by name, VARS go before the file's own.
    """
    if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).hostname:
        return Outcome.error(f"{base_url!r} is no http address", hint="write https://host")
    evidence: dict[str, object] = {"base_url": base_url, "journey": name}
    step: Step | None = None
    try:
        route = load_journey(file, name)
        # Readable, of this moment, and not to be guessed: it becomes part of a user's name.
        known = {"unique": f"{int(time.time()):x}{secrets.token_hex(3)}", "secret": secrets.token_urlsafe(16)}
        variables = route.vars | (vars or {})
        for key, value in variables.items():
            known[key] = str(fill(value, known))
        with httpx.Client(base_url=base_url, timeout=_TIMEOUT, max_redirects=5) as client:
            walker = Walker(ctx, client, known, outbox, commands or {})
            for number, step in enumerate(route.steps, 1):
                ctx.progress(number - 1, len(route.steps), "steps", step.name)
                started = time.perf_counter()
                walker.take(step)
                ms = (time.perf_counter() - started) * 1000
                ctx.log(f"{step.name}: {ms:.0f} ms")
                if number <= _STEPS_IN_EVIDENCE:
                    evidence[f"{number:02} {step.name} ms"] = round(ms)
    except JourneyError as error:
        return Outcome.error(str(error), hint="mend the journey, or give it what it asks for", evidence=evidence)
    except StepFailed as failed:
        assert step is not None
        if failed.exchange:
            evidence["exchange"] = failed.exchange
            ctx.log(failed.exchange)
        expected = f"{route.title}: all {len(route.steps)} steps"
        actual = f"step {number} of {len(route.steps)}, {step.name}: {failed.wrong}"
        hint = "try this step by hand, and read the app's log at this moment"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    total = sum(value for key, value in evidence.items() if key.endswith(" ms") and isinstance(value, int))
    ctx.progress(len(route.steps), len(route.steps), "steps")
    actual = f"{len(route.steps)} steps as declared, {total} ms"
    return Outcome.passed(actual, expected=f"{route.title}: all steps", evidence=evidence)
