"""Moments, ages and clocks as the screen shows them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from state.durations import format_duration


def moment(text: str) -> datetime | None:
    """TEXT (RFC 3339) as a moment; None when it is empty or no time."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def age_of(text: str, now: datetime) -> float | None:
    """Seconds from the moment TEXT to NOW; None when TEXT is no time."""
    at = moment(text)
    return None if at is None else (now - at).total_seconds()


def clock(seconds: float) -> str:
    """SECONDS as hh:mm:ss, with days in front when there are any; the sign is left out.

    >>> clock(62), clock(-180000)
    ('00:01:02', '2d 02:00:00')
    """
    left = int(abs(seconds))
    days, left = divmod(left, 86400)
    text = f"{left // 3600:02}:{left // 60 % 60:02}:{left % 60:02}"
    return f"{days}d {text}" if days else text


def short_clock(seconds: float) -> str:
    """SECONDS as mm:ss, or h:mm:ss from an hour on: an elapsed time.

    >>> short_clock(12), short_clock(3725)
    ('00:12', '1:02:05')
    """
    left = int(max(seconds, 0))
    if left >= 3600:
        return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
    return f"{left // 60:02}:{left % 60:02}"


def t_clock(t0: str, now: datetime) -> str:
    """Where NOW is from T0: `T-00:15:00` before it, `T+00:00:00` from it on; `T not set` without one."""
    zero = moment(t0)
    if zero is None:
        return "T not set"
    # Whole seconds, rounded so that the count down reaches 00:00:00 at T0 and not a second before.
    left = (zero - now).total_seconds()
    return f"T-{clock(-(-left // 1))}" if left > 0 else f"T+{clock(left)}"


def ago(seconds: float | None) -> str:
    """An age in words: `12 s ago`, `5m ago`; one in the future says so, since the clocks then disagree."""
    if seconds is None:
        return "never"
    if seconds < -2:
        return f"in the future by {format_duration(-seconds)}: clocks differ"
    if seconds < 60:
        return f"{int(max(seconds, 0))} s ago"
    return f"{format_duration(seconds)} ago"


def local_time(text: str) -> str:
    """The moment TEXT as the wall clock here shows it; `?` when it is no time."""
    at = moment(text)
    return at.astimezone().strftime("%H:%M:%S") if at else "?"
