"""One look as the history keeps it, and the way there and back from a `Measurement`. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from metrics.samples import Measurement

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Row(NamedTuple):
    """A measurement without its metric and its unit, which are the same for all rows of a block.

    at       milliseconds since 1970, UTC
    error    why it could not be looked at; "" when it could
    why      what was said in the place of a value: the measurement's detail "text" or "why"
    latency  as `Latency.encoded`
    """

    at: int
    value: float | None
    volume: int
    bad: float | None
    error: str
    why: str
    latency: bytes | None


def milliseconds(moment: datetime) -> int:
    """MOMENT as whole milliseconds since 1970, cut off as `state.events.utc_text` cuts."""
    return (moment - EPOCH) // _MS


def moment_of(at: int) -> datetime:
    """The moment of a row. Raises OverflowError for one beyond the calendar."""
    return EPOCH + timedelta(milliseconds=at)


def row_of(one: Measurement) -> Row:
    """ONE as a row. Of its detail only the words that stand in for a missing value are kept.

    Raises what a value of the wrong type raises: TypeError, ValueError or OverflowError.
    """
    volume = int(one.volume)
    if not -(2**63) <= volume < 2**63:
        raise OverflowError("a volume beyond 64 bits")
    why = str(one.detail.get("text") or one.detail.get("why") or "") if one.value is None and not one.error else ""
    return Row(
        milliseconds(one.at),
        None if one.value is None else float(one.value),
        volume,
        None if one.bad is None else float(one.bad),
        _storable(str(one.error)),
        _storable(why),
        None if one.latency is None else bytes(one.latency),
    )


def measurement_of(metric: str, unit: str, row: Row) -> Measurement:
    """ROW as the source reported it, at the millisecond."""
    return Measurement(
        metric,
        row.value,
        row.volume,
        unit,
        moment_of(row.at),
        {"text": row.why} if row.why else {},
        row.error,
        row.bad,
        row.latency,
    )


def _storable(text: str) -> str:
    # A lone surrogate is no UTF-8, and one sample may not spoil the second it came with.
    return text.encode("utf-8", "replace").decode()
