"""What a load test came to: its figures against its limits."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from checks.processes import Ended
from checks.swarm.command import lacks_locust, short_of_cpu, why_not
from checks.swarm.figures import Totals, most_of, totals_of
from checks.swarm.running import Swarm
from state.verdicts import Outcome

MEND = "pip install 'tminus[load]', or name with python = … an interpreter that has locust"


def judged(swarm: Swarm, ended: Ended, figures: Path, least: int) -> Outcome:
    """Broken before unknown: what was seen to fail is not made better by what was not seen."""
    load, said = swarm.load, swarm.errors.text()
    try:
        totals = totals_of(figures.read_bytes())
    except (OSError, ValueError) as error:
        if lacks_locust(said):
            return Outcome.error("this interpreter has no locust", hint=MEND)
        if ended.why == "deadline":
            return Outcome.error("Locust did not end in time", hint="give the item a longer timeout")
        if swarm.hopeless:
            return Outcome.failed(swarm.hopeless, expected=_expected(swarm), evidence=_told_last(swarm))
        why = why_not(said) if isinstance(error, OSError) else str(error)
        return Outcome.error(f"Locust ended with exit code {ended.exit_code}: {why}", hint="mend the locustfile")
    evidence = _evidence(swarm, totals)
    expected = _expected(swarm)
    raised = most_of(swarm.last.exceptions, 1) if swarm.last else []
    if not totals.requests:
        hint = f"its tasks raised: {raised[0]}" if raised else "does the locustfile ask for anything?"
        return Outcome.unknown("not one request was made", hint=hint, evidence=evidence)
    broken = swarm.limits.broken(totals)
    if broken or swarm.hopeless:
        hint = "see which requests in the evidence, and what the app's log and the pool say of these minutes"
        early = f"; stopped early: {swarm.hopeless}" if swarm.hopeless else ""
        actual = f"{'; '.join(broken) or swarm.hopeless}{early if broken else ''}"
        return Outcome.failed(f"{actual} ({_told(totals)})", expected=expected, evidence=evidence, hint=hint)
    if totals.requests < least:
        what = f"only {totals.requests} requests, {least} are needed"
        return Outcome.unknown(what, hint="more users, or a longer duration", evidence=evidence)
    if totals.percentile(95) is None:
        return Outcome.unknown("too few answers for a p95", hint="a longer duration", evidence=evidence)
    if swarm.peak < load.users:
        what = f"only {swarm.peak} of {load.users} users were ever on"
        return Outcome.unknown(what, hint="a higher spawn_rate, or a longer duration", evidence=evidence)
    if raised:
        hint = "mend the locustfile: the load was not what it says"
        return Outcome.warned(
            f"{_told(totals)}; its tasks raised {raised[0]}", expected=expected, evidence=evidence, hint=hint
        )
    if short_of_cpu(said):
        hint = "processes = … spreads it over more cores; docs/load.md says how over more machines"
        what = f"{_told(totals)}; Locust itself was short of CPU, so the times are partly its own"
        return Outcome.warned(what, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(_told(totals), expected=expected, evidence=evidence)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _expected(swarm: Swarm) -> str:
    limits, load = swarm.limits, swarm.load
    return f"{load.users} users: at most {limits.failed * 100:g}% fail, p95 at most {limits.p95:.0f} ms"


def _told(totals: Totals) -> str:
    p95 = totals.percentile(95)
    rate = f"{totals.rps:.1f}/s" if totals.rps is not None else "?/s"
    shown = "–" if p95 is None else f"{p95:.0f} ms"
    return f"{totals.requests:,} requests, {rate}, p95 {shown}, {totals.failures:,} failed"


def _told_last(swarm: Swarm) -> dict[str, object]:
    last = swarm.last
    return {} if last is None else {"requests": last.requests, "failures": last.failures, "users": swarm.peak}


def _evidence(swarm: Swarm, totals: Totals) -> dict[str, object]:
    load, last = swarm.load, swarm.last
    evidence: dict[str, object] = {
        "host": load.host,
        "users": swarm.peak,
        "requests": totals.requests,
        "failures": totals.failures,
        "began": _moment(totals.began),
        "ended": _moment(totals.ended),
    }
    if load.processes:
        evidence["processes"] = load.processes
    for name, value in (("rps", totals.rps), *((f"p{p} ms", totals.percentile(p)) for p in (50, 95, 99))):
        if value is not None:
            evidence[name] = round(value, 1)
    if last is not None:
        evidence |= {f"failure {n}": line for n, line in enumerate(most_of(last.errors, 5), 1)}
        evidence |= {f"raised {n}": line for n, line in enumerate(most_of(last.exceptions, 3), 1)}
    return evidence
