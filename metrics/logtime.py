"""The moment that a line of a log bears."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_HEAD = 120  # characters of a line in which its time stands
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)?")
_COMMON = re.compile(r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]")


def time_of(line: str) -> datetime | None:
    """The moment that LINE bears, ISO or common log format; without a zone it is this host's.

    >>> time_of("[2026-11-22 20:08:17 +0000] [7] [INFO] hi").isoformat()
    '2026-11-22T20:08:17+00:00'
    """
    head = line[:_HEAD]
    try:
        if match := _ISO.search(head):
            zone = match[3] or ""
            text = f"{match[1]}T{match[2]}{'+00:00' if zone in ('Z', 'UTC', 'GMT') else zone}"
            return datetime.fromisoformat(text).astimezone(UTC)
        if match := _COMMON.search(head):
            return datetime.strptime(match[1], "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None
