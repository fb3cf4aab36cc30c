"""What a log says, as measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from metrics.known import CONNECTION, KNOWN
from metrics.latency import Latency
from metrics.samples import Measurement, divide, utc_now
from metrics.sources import Metric
from metrics.sources.log.reader import Report

METRICS: Mapping[str, Metric] = {
    "log.rate": Metric("Requests, log", "1/s", "lines of the access log a second, by their arrival", headline=True),
    "log.error_rate": Metric(
        "Error rate, log", "ratio", "answers of 5xx / requests since the sample before", 1.0, 0.1, headline=True
    ),
    "log.auth_failures": Metric(
        "Auth failures, log", "ratio", "answers of 401 and 403 / requests on auth_paths, or all of them", 1.0, 0.1
    ),
    "log.p50": Metric("Log p50", "ms", "half of the requests in the window were faster"),
    "log.p95": Metric("Log p95", "ms", "95% of the requests in the window were faster", 1000.0, 500.0),
    "log.p99": Metric("Log p99", "ms", "99% of the requests in the window were faster"),
    "log.latency": Metric("Latency, log", "ms", "the median of the requests since the sample before"),
    "log.errors": Metric(
        "Errors in the log",
        "count",
        "events of ERROR or worse since the sample before; a traceback is one",
        headline=True,
    ),
    "log.database_errors": Metric(
        "Database errors",
        "count",
        "events since the sample before that say that the database cannot be reached or has no room",
        headline=True,
    ),
    "log.pool_exhausted": Metric("Pool exhausted", "count", "SQLAlchemy's pool had no connection left"),
    "log.too_many_connections": Metric("No slots", "count", "PostgreSQL or PgBouncer had no connection left"),
    "log.connection_lost": Metric("Connections lost", "count", "a connection ended while it was needed"),
    "log.cannot_connect": Metric("Cannot connect", "count", "the server was not there, or not ready"),
    "log.timeout": Metric("Timeouts, log", "count", "a statement, a lock or a wait for a connection took too long"),
    "log.deadlock": Metric("Deadlocks, log", "count", "PostgreSQL ended one of two transactions"),
    "log.sqlite_still_used": Metric("SQLite in use", "count", "the application still speaks to SQLite"),
}
_LAG = 60.0  # seconds by which lines may be late before it is said
_HUNG = 15.0  # seconds without a sign of the reading thread, after which nothing is known
_SHORT = 0.1  # seconds that are too few for a rate
_MIB = 2**20

Detail = dict[str, float | str]


def known_metric(name: str) -> str:
    """The metric of a known text: log.too_many_connections of "too many connections"."""
    return "log." + name.replace(" ", "_")


def trouble(report: Report) -> tuple[str, bool]:
    """Why REPORT holds no data, and whether that is an error; ("", False) when it does."""
    if report.broken:
        return f"the log is read no more: {report.broken}", True
    if report.silent > _HUNG:
        return f"the log has not been looked at for {report.silent:.0f} s: its disk or its command hangs", True
    if not report.healths:
        return "not looked yet", False
    for name, health in report.healths:
        if health.why:
            return f"{name}: {health.why}", health.failed
    if not report.caught:
        behind = f"{report.behind / _MIB:.0f} MB behind" if report.behind else "come to the end just now"
        return f"catching up, {behind}", False
    return "", False


def measurements(report: Report, window: Latency, over: float, *, timed: bool) -> tuple[Measurement, ...]:
    """REPORT as METRICS, with the percentiles of WINDOW, the last OVER seconds; TIMED says that the lines bear
    a duration, or may."""
    tally, at = report.tally, utc_now()
    why, failed = trouble(report)
    detail: Detail = {
        "format": ", ".join(report.formats),
        "lines": tally.lines,
        "lines_total": report.total.lines,
        "requests_total": report.total.requests,
        "errors_total": report.total.errors,
    }
    if report.behind:
        detail["behind_bytes"] = report.behind
    if report.gaps:
        detail["gaps"] = report.gaps
    lag = (at - tally.newest).total_seconds() if tally.newest else 0.0
    if lag > _LAG:
        detail["lag_s"] = round(lag)

    def one(metric: str, value: float | None, volume: int = 1, **more: float | bytes | None) -> Measurement:
        unit = METRICS[metric].unit
        if why:
            note: Detail = detail if failed else {**detail, "why": why}
            return Measurement(metric, None, 0, unit, at, note, why if failed else "")
        bad, latency = more.get("bad"), more.get("latency")
        return Measurement(
            metric,
            value,
            volume,
            unit,
            at,
            {**detail, **{k: v for k, v in notes.get(metric, {}).items() if value is None or k != "why"}},
            bad=bad if isinstance(bad, float) else None,
            latency=latency if isinstance(latency, bytes) else None,
        )

    notes: dict[str, Detail] = {}
    blind = "" if report.requests else "no line of an access log was seen"
    for metric in ("log.rate", "log.error_rate", "log.auth_failures"):
        notes[metric] = {"why": blind or "no request"}
    rate = tally.requests / report.elapsed if report.requests and report.elapsed >= _SHORT else None
    if report.requests and rate is None:
        notes["log.rate"]["why"] = "first look"
    for metric, percentile in (("log.p50", 50), ("log.p95", 95), ("log.p99", 99)):
        why_not = blind or (window.text(percentile) if timed else "the lines bear no duration: see the key duration")
        notes[metric] = {"why": why_not, "over_s": over}
    notes["log.latency"] = {"why": blind or "no duration since the sample before"}

    counts = _known(tally.known)
    fresh = report.fresh
    return (
        one("log.rate", rate),
        one("log.error_rate", divide(tally.failed, tally.requests), tally.requests, bad=float(tally.failed)),
        one("log.auth_failures", divide(tally.refused, tally.auth), tally.auth, bad=float(tally.refused)),
        *(one(f"log.p{p}", _ms(window, p), window.samples) for p in (50, 95, 99)),
        one("log.latency", _ms(fresh, 50), fresh.samples, latency=fresh.encoded() if fresh.samples else None),
        one("log.errors", tally.errors),
        one("log.database_errors", sum(tally.known[name] for name in CONNECTION)),
        *(one(metric, count) for metric, count in counts.items()),
    )


def _known(counts: Counter[str]) -> dict[str, int]:
    """The count of every known text, also of those that were not seen."""
    return {known_metric(name): counts[name] for name in KNOWN}


def _ms(latency: Latency, percentile: float) -> float | None:
    seconds = latency.percentile(percentile)
    return None if seconds is None else seconds * 1000
