"""The application's real traffic, as the difference of two of its pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from metrics.latency import MIN_FOR_P95
from metrics.samples import Measurement, divide, utc_now
from metrics.sources import Metric
from metrics.sources.exposition import Scrape, increases, named, quantile
from metrics.sources.page import Names

METRICS: Mapping[str, Metric] = {
    "app.error_rate": Metric(
        "Error rate, traffic", "ratio", "answers of 5xx / answers since the scrape before", 1.0, 0.1, headline=True
    ),
    "app.auth_failures": Metric(
        "Refused sign-ins", "ratio", "answers of 401 and 403 / answers since the scrape before", 1.0
    ),
    "app.rate": Metric("Traffic", "1/s", "answers a second since the scrape before"),
    "app.p95": Metric(
        "Traffic p95", "ms", "95% of the answers since the scrape before were faster", 1000.0, 500.0, headline=True
    ),
}
_STATUS_LABELS = ("status", "status_code", "code", "http_status")
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)", re.IGNORECASE)  # some exporters group them, as 5xx
_TELLS_401 = re.compile(r"[1-5][0-9]{2}|[1235]xx", re.IGNORECASE)
_RESET = "counters were reset, or another worker answered"
_FIRST = "first scrape"
_REQUESTS = ("app.error_rate", "app.auth_failures", "app.rate")
Detail = Mapping[str, float | str]


def traffic(
    before: Scrape | None, scrape: Scrape, elapsed: float, names: Names, detail: Detail
) -> tuple[Measurement, ...]:
    """The metrics above, of ELAPSED seconds between BEFORE and SCRAPE. A counter that fell or vanished, or a
    process that began anew, makes them no data."""
    if before is None:
        return tuple(_nothing(metric, _FIRST, detail) for metric in METRICS)
    same = _began(before, names) == _began(scrape, names)
    return (
        *_requests(before, scrape, elapsed, names, detail, same),
        _p95(before, scrape, names, detail, same),
    )


def _requests(
    before: Scrape, scrape: Scrape, elapsed: float, names: Names, detail: Detail, same: bool
) -> tuple[Measurement, ...]:
    name = names.requests
    if not any(key == name for key, _ in scrape):
        return tuple(_failed(metric, f"no {name}", detail) for metric in _REQUESTS)
    served = increases(before, scrape, name) if same else None
    if served is None:
        return tuple(_nothing(metric, _RESET, detail) for metric in _REQUESTS)
    count, at = sum(grown for _, grown in served), utc_now()
    by_status = [(_status(labels), grown) for labels, grown in served if grown]

    def part(metric: str, known: re.Pattern[str], is_bad: Callable[[str], bool]) -> Measurement:
        if not all(known.fullmatch(status) for status, _ in by_status):  # what is not known is not counted as well
            return _failed(metric, f"{name} has no status label, or one that does not tell", detail)
        bad = sum(grown for status, grown in by_status if is_bad(status))
        return Measurement(metric, divide(bad, count), int(count), "ratio", at, detail, bad=bad)

    return (
        part("app.error_rate", _STATUS, lambda status: status.startswith("5")),
        part("app.auth_failures", _TELLS_401, lambda status: status in ("401", "403")),
        Measurement("app.rate", divide(count, elapsed), 1, "1/s", at, detail),
    )


def _p95(before: Scrape, scrape: Scrape, names: Names, detail: Detail, same: bool) -> Measurement:
    if not named(scrape, names.buckets):
        return _failed("app.p95", f"no {names.buckets}", detail)
    grown = increases(before, scrape, names.buckets) if same else None
    if grown is None:
        return _nothing("app.p95", _RESET, detail)
    try:
        found = quantile(0.95, grown, MIN_FOR_P95)
    except ValueError:
        return _failed("app.p95", f"a bucket of {names.buckets} without a bound", detail)
    note: dict[str, float | str] = {**detail, "from": "histogram buckets, linear within one"}
    if found.value is None:
        note["text"] = f"n too small ({found.count} of {MIN_FOR_P95})"
        return Measurement("app.p95", None, found.count, "ms", utc_now(), note)
    millis = found.value * 1000
    if found.at_least:  # the bound alone would read as well under every limit above it
        return _failed("app.p95", f"above the last bucket ({millis:g} ms): cannot say", {**note, "at_least": millis})
    return Measurement("app.p95", millis, found.count, "ms", utc_now(), note)


def _began(scrape: Scrape, names: Names) -> dict[object, float]:
    return {labels: value for (name, labels), value in scrape.items() if name == names.started}


def _status(labels: Mapping[str, str]) -> str:
    return next((labels[name] for name in _STATUS_LABELS if name in labels), "")


def _nothing(metric: str, why: str, detail: Detail) -> Measurement:
    return Measurement(metric, None, 0, METRICS[metric].unit, utc_now(), {**detail, "why": why})


def _failed(metric: str, why: str, detail: Detail) -> Measurement:
    return Measurement(metric, None, 0, METRICS[metric].unit, utc_now(), detail, f"metrics page: {why}")
