"""A load test: Locust brings visitors on, and the app must stand it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from checks.contract import Context, Plan, Seconds, Stopped, check
from checks.journeys import JourneyError, Route, load_journey
from checks.journeys.reading import journeys_in
from checks.processes import Ended, Kept, shown_argv, supervise
from checks.swarm.command import SHIPPED, Load, argv_of, environment, free_port, lacks_locust, short_of_cpu, why_not
from checks.swarm.figures import Limits, Told, Totals, most_of, told_in, totals_of
from metrics.gate_model import parse_condition
from state.durations import format_duration
from state.verdicts import Outcome

_STARTING = 30.0  # seconds until Locust and its workers are there, and until they have ended
_PATIENCE = 3.0  # seconds that it has to end by itself once it is asked to
_MEND = "pip install 'tminus[load]', or name with python = … an interpreter that has locust"


def _plan(
    ctx: Context,
    *,
    base_url: str = "",
    users: int = 20,
    spawn_rate: float = 5.0,
    duration: Seconds = Seconds(60.0),  # noqa: B008 (immutable)
    locustfile: Path | None = None,
    journeys: list[str] | None = None,
    file: Path = Path("journeys.toml"),
    vars: dict[str, str] | None = None,
    wait: Seconds = Seconds(1.0),  # noqa: B008 (immutable)
    processes: int = 0,
    python: str = "",
    max_failures: str = "1%",
    p95: Seconds = Seconds(0.5),  # noqa: B008 (immutable)
    min_requests: int = 100,
) -> Plan:
    load = Load(base_url, users, spawn_rate, duration, locustfile or SHIPPED, processes)
    spread = f" by {processes} worker processes on this machine" if processes else ""
    lines = [
        f"LOAD {base_url or 'nothing: no base_url'}: {users} users, {spawn_rate:g} more a second, "
        f"for {format_duration(duration)}{spread}",
        f"stop early when over {max_failures} fail, or p95 is over {p95 * 1000:.0f} ms, beyond mending",
    ]
    if locustfile is None:
        try:
            taken, left = _chosen(file, journeys, vars or {})
            said = f"; not {', '.join(left)}" if left else ""
            lines.append(f"each user walks {', '.join(r.name for r in taken)} of {file.name}, as somebody new{said}")
        except JourneyError as error:
            lines.append(f"cannot be told: {error}")
    else:
        lines.append(f"the visitors of {locustfile}")
    lines.append(shown_argv(_by_name(argv_of(load, python or sys.executable, Path("FIGURES")))))
    return Plan(tuple(lines), "reversible", base_url)


def _by_name(argv: Sequence[str]) -> list[str]:
    """ARGV without the folders of this machine: the plan goes into a record that is read on others."""
    return [",".join(Path(part).name for part in word.split(",")) if word.startswith("/") else word for word in argv]


@check("load.locust", effect="change", timeout="30m", plan=_plan)
def locust(
    ctx: Context,
    *,
    base_url: str = "",
    users: int = 20,
    spawn_rate: float = 5.0,
    duration: Seconds = Seconds(60.0),  # noqa: B008 (immutable)
    locustfile: Path | None = None,
    journeys: list[str] | None = None,
    file: Path = Path("journeys.toml"),
    vars: dict[str, str] | None = None,
    wait: Seconds = Seconds(1.0),  # noqa: B008 (immutable)
    processes: int = 0,
    python: str = "",
    max_failures: str = "1%",
    p95: Seconds = Seconds(0.5),  # noqa: B008 (immutable)
    min_requests: int = 100,
) -> Outcome:
    """Locust loads BASE_URL with USERS for DURATION: at most MAX_FAILURES fail, and 95% come within P95.

    The visitors are those of LOCUSTFILE, or walk JOURNEYS of FILE (none named: all that need neither a mail nor a
    program), with VARS, and WAIT between two steps. SPAWN_RATE users are added a second. PROCESSES spreads them over
    as many worker processes. PYTHON is an interpreter that has locust (none: ours). Fewer than MIN_REQUESTS say
    nothing. It stops early when the limits cannot be kept any more.
    """
    if not base_url:
        return Outcome.unknown("no host to load is named", hint="base_url = … of the staging app, never guessed")
    faulty = _misuse(base_url, users, spawn_rate, duration, processes, ctx.seconds_left)
    if faulty is not None:
        return faulty
    try:
        _, failed = parse_condition(f"<= {max_failures}")
    except ValueError as error:
        return Outcome.error(f"max_failures: {error}", hint='write "1%"')
    env = {"TMINUS_LOAD_SLOW_MS": f"{p95 * 1000:g}"}
    if locustfile is None:
        try:
            taken, left = _chosen(file, journeys, vars or {})
        except JourneyError as error:
            return Outcome.error(str(error), hint="mend the journeys, or name a locustfile")
        if left:
            ctx.log(f"not walked under load: {', '.join(left)}")
        env |= environment([route.name for route in taken], file.absolute(), vars or {}, wait)
    elif not locustfile.is_file():
        return Outcome.error(f"no locustfile {locustfile}", hint="see the path")
    load = Load(base_url, users, spawn_rate, duration, (locustfile or SHIPPED).absolute(), processes)
    swarm = Swarm(ctx, load, Limits(failed, p95 * 1000))
    ctx.artefacts.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".load-", dir=ctx.artefacts))
    try:
        argv = argv_of(load, python or sys.executable, work / "figures", free_port() if processes else 0)
        try:
            ended = swarm.run(argv, env)
        except OSError as error:
            return Outcome.error(f"cannot run {argv[0]}: {error.strerror}", hint=_MEND)
        if ctx.cancelled.is_set():
            raise Stopped("cancelled")
        return judged(swarm, ended, work / "figures.json", min_requests)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _misuse(
    base_url: str, users: int, rate: float, duration: float, processes: int, seconds_left: float
) -> Outcome | None:
    try:
        parts = urlsplit(base_url)
        good = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    except ValueError:
        good = False
    if not good:
        return Outcome.error("base_url is no plain http address", hint="write https://host, without a password")
    if users < 1 or rate <= 0 or duration < 1 or processes < 0 or processes > users:
        hint = "users and duration are 1 or more, spawn_rate is over 0, and there are as many users as processes"
        return Outcome.error("this load cannot be brought on", hint=hint)
    if duration + _STARTING > seconds_left:
        what = f"{format_duration(duration)} of load do not fit into the item's time"
        return Outcome.error(what, hint=f"give the item a timeout of {format_duration(duration + 2 * _STARTING)}")
    if users / rate > duration:
        what = f"{users} users at {rate:g} a second are not all there within {format_duration(duration)}"
        return Outcome.error(what, hint="a higher spawn_rate, or a longer duration")
    return None


def _chosen(file: Path, names: list[str] | None, given: dict[str, str]) -> tuple[list[Route], list[str]]:
    """The journeys to walk, and the names of those that cannot be walked under load. Raises JourneyError."""
    routes = [load_journey(file, name, given) for name in names or journeys_in(file)]
    taken = [route for route in routes if _walkable(route)]
    left = [route.name for route in routes if route not in taken]
    if names and left:
        raise JourneyError(f"{', '.join(left)} reads mails or runs programs, which a crowd cannot")
    if not taken:
        raise JourneyError(f"{file.name} has no journey that a crowd can walk")
    return taken, left


def _walkable(route: Route) -> bool:
    return not any(step.mail or step.run or step.configured_by for step in (*route.steps, *route.cleanup))


@dataclass
class Swarm:
    """A Locust at work. PEAK is how many users were on at most; HOPELESS why it was stopped early."""

    ctx: Context
    load: Load
    limits: Limits
    peak: int = 0
    hopeless: str = ""
    last: Told | None = None
    errors: Kept = field(default_factory=Kept)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, argv: list[str], env: dict[str, str]) -> Ended:
        """Until it has ended, with all of its processes. Raises OSError when it cannot be started."""
        watch = threading.Thread(target=self._until_cancelled, daemon=True, name="load-cancel")
        watch.start()
        try:
            return supervise(
                argv,
                on_stdout=self._on_stdout,
                on_stderr=self._on_stderr,
                stop=self._stop,
                deadline=self.ctx.deadline,
                cwd=self.ctx.project,
                env=env,
                opening=b"",
                farewell=b"stop\n",
                patience=_PATIENCE,
            )
        finally:
            self._stop.set()

    def _until_cancelled(self) -> None:
        while not self._stop.is_set():
            if self.ctx.cancelled.wait(0.1):
                self._stop.set()

    def _on_stdout(self, line: bytes) -> None:
        told = told_in(line)
        if told is None:
            self.ctx.log(line.decode(errors="replace").rstrip())
            return
        self.last, self.peak = told, max(self.peak, told.users, told.peak)
        if told.errors or told.exceptions or told.peak:
            return
        p95 = "–" if told.p95 is None else f"{told.p95:.0f} ms"
        said = f"{told.users} users, {told.rps:.0f}/s, p95 {p95}, {told.failures} of {told.requests} failed"
        self.ctx.progress(min(told.elapsed, self.load.duration), self.load.duration, "s", said)
        self.ctx.log(said)
        if not self.hopeless and (why := self.limits.hopeless(told, self.load.users, self.load.duration)):
            self.hopeless = why
            self.ctx.log(f"stopped early: {why}")
            self._stop.set()

    def _on_stderr(self, line: bytes) -> None:
        self.errors.add(line)
        with suppress(UnicodeError):
            self.ctx.log(line.decode(errors="replace").rstrip())


def judged(swarm: Swarm, ended: Ended, figures: Path, least: int) -> Outcome:
    """Broken before unknown: what was seen to fail is not made better by what was not seen."""
    load, said = swarm.load, swarm.errors.text()
    try:
        totals = totals_of(figures.read_bytes())
    except (OSError, ValueError) as error:
        if lacks_locust(said):
            return Outcome.error("this interpreter has no locust", hint=_MEND)
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
