"""A load test: Locust brings visitors on, and the app must stand it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from checks.contract import Context, Plan, Seconds, Stopped, check
from checks.journeys import JourneyError, Route, load_journey
from checks.journeys.reading import journeys_in
from checks.processes import shown_argv
from checks.swarm.command import SHIPPED, Load, argv_of, environment, free_port
from checks.swarm.figures import Limits
from checks.swarm.judging import MEND, judged
from checks.swarm.running import Swarm
from metrics.gate_model import parse_condition
from state.durations import format_duration
from state.verdicts import Outcome

_STARTING = 30.0  # seconds until Locust and its workers are there, and until they have ended


def _plan(
    ctx: Context,
    *,
    base_url: str,
    users: int,
    spawn_rate: float,
    duration: Seconds,
    locustfile: Path | None,
    journeys: list[str] | None,
    file: Path,
    vars: dict[str, str] | None,
    processes: int,
    python: str,
    max_failures: str,
    p95: Seconds,
    **_: object,
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
            return Outcome.error(f"cannot run {argv[0]}: {error.strerror}", hint=MEND)
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
