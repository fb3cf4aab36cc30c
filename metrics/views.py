"""What a widget needs to know of one metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from metrics.gate_model import COMPARE, Op
from metrics.samples import Measurement

Status = Literal["ok", "warn", "bad", "unknown", "stale"]
WARN_AT = 0.8  # of the threshold


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric as drawn. VALUE in UNIT, None where there was no data; AGE_S None before the first look;
    SAMPLES the events behind the value."""

    metric: str
    label: str
    unit: str
    value: float | None
    text: str
    source: str
    age_s: float | None
    samples: int
    threshold: float | None
    scale_max: float | None
    status: Status


def status_of(
    value: float | None, age_s: float | None, stale_after: float, op: Op, threshold: float | None
) -> Status:
    """Stale before unknown before bad before warn: what is too old says nothing about now."""
    if age_s is None:
        return "unknown"
    if age_s > stale_after or age_s < 0:
        return "stale"
    if value is None:
        return "unknown"
    if threshold is None:
        return "ok"
    if COMPARE[op](value, threshold):
        return "bad"
    near = threshold > 0 and op[0] == ">" and value >= WARN_AT * threshold
    return "warn" if near else "ok"


def text_of(measurement: Measurement | None) -> str:
    """The value as a person reads it; what is no value says why."""
    if measurement is None:
        return "no data yet"
    if measurement.error:
        return f"could not look: {measurement.error}"
    value, unit = measurement.value, measurement.unit
    if value is None:
        return str(measurement.detail.get("text") or measurement.detail.get("why") or "no data")
    return value_text(value, unit)


def value_text(value: float | None, unit: str) -> str:
    """VALUE in UNIT as a person reads it; `?` when there is none."""
    if value is None:
        return "?"
    match unit:
        case "ratio":
            return f"{value * 100:.1f}%" if value == 0 or value >= 0.001 else f"{value * 100:.2g}%"
        case "ms":
            return f"{value:,.0f}ms" if value >= 10 or value == 0 else f"{value:.2g}ms"
        case "s":
            return f"{value:,.0f}s" if value >= 10 or value == 0 else f"{value:.2g}s"
        case "1/s":
            return f"{value:.2g}/s" if value < 10 else f"{value:,.0f}/s"
        case "bytes":
            return f"{value / 2**20:,.0f} MiB"
    return f"{value:,.4g}"
