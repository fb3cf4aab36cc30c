"""The moment from which a check looks: one that is written down, or the one at which another item was seen."""

from __future__ import annotations

from datetime import UTC, datetime

from checks.contract import Context
from state.verdicts import Outcome


def moment_of(ctx: Context, since: str) -> datetime | Outcome:
    """SINCE as a moment: RFC 3339, or the id of an item that has run. An Outcome says why it is none."""
    if since in ctx.evidence:
        return ctx.evidence[since].observed_at
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        return Outcome.unknown(f"item {since!r} has not run, so there is no moment", hint=f"run {since!r} first")
    if moment.tzinfo is None:
        return Outcome.error(f"{since} has no time zone", hint="write it as 2026-11-22T20:00:00Z")
    return moment.astimezone(UTC)
