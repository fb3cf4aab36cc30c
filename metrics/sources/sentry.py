"""What Sentry has received of late: errors, and issues that it has never seen before.

Source: getsentry/sentry-api-schema 0.272.0: `events/` of an organization (dataset "errors", scope org:read) and
its `issues/` (scope event:read), paged by the Link header. Its stats_v2 has no finer step than an hour.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import httpx
import msgspec

from metrics.samples import Measurement, clock, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.fetching import Pairs, Remote, token_of, url_of
from metrics.tables import Table

METRICS: Mapping[str, Metric] = {
    "sentry.errors": Metric("Errors, Sentry", "count", "error events of the last minutes (over)", headline=True),
    "sentry.errors_rate": Metric("Error events", "1/s", "error events a second, over the same minutes"),
    "sentry.new_issues": Metric(
        "New issues", "count", "unresolved issues first seen in the last minutes (over)", headline=True
    ),
}
KEYS: Mapping[str, str] = {
    "url": 'Sentry\'s address, with the region where it has one; "https://sentry.io"',
    "organization": "its slug; needed",
    "project": "the project's id, a number; all projects",
    "environment": "as in production; all environments",
    "token": "of an internal integration or a user, with org:read and event:read (not the DSN); needed",
    "over": 'how far back to count, in whole minutes; "5m"',
    "interval": 'between two looks; "30s"',
    "timeout": 'of one look; "8s"',
}
PAGES, PER_PAGE = 5, 100
_SLUG, _ID = re.compile(r"[a-z0-9][a-z0-9_-]*"), re.compile(r"[0-9]{1,20}")
_CURSOR = re.compile(r"[A-Za-z0-9:_%.=-]{1,200}")


class _Row(msgspec.Struct):
    count: float | None = msgspec.field(name="count()")


class _Events(msgspec.Struct):
    data: list[_Row]


class _Issue(msgspec.Struct):
    id: str


def cursor_of(link: str) -> str:
    """The cursor of the next page in a Link header; "" where there is none, or nothing on it.

    Source: Sentry's "Pagination": <url>; rel="next"; results="true"; cursor="0:100:0".
    """
    for part in link.split(", <"):
        words = dict(re.findall(r';\s*(\w+)="([^"]*)"', part))
        if words.get("rel") == "next" and words.get("results") == "true":
            cursor = str(words.get("cursor", ""))
            return cursor if _CURSOR.fullmatch(cursor) else ""
    return ""


def _hints(scope: str) -> Mapping[int, str]:
    return {
        401: f"the token is refused; it is one of an internal integration or a user, with the scope {scope}",
        403: f"the token may not; it needs the scope {scope}",
        404: "no such organization or project, or not of this token or region",
        400: "the question is refused; is the project's id right?",
    }


class SentrySource:
    """Counts the events and the new issues of the last OVER seconds, every INTERVAL seconds.

    What one of the two questions cannot answer is an error of its own metrics alone. After a 429 nothing is
    asked until Sentry wants to be asked again.
    """

    name: str = "sentry"
    metrics = METRICS

    def __init__(
        self,
        url: str,
        organization: str,
        token: str,
        *,
        project: str = "",
        environment: str = "",
        over: float = 300.0,
        interval: float = 30.0,
        timeout: float = 8.0,
    ) -> None:
        if interval <= 0 or over < 60:
            raise ValueError("interval is over 0, over is a minute or more")
        self.interval, self._over, self._timeout = interval, over, timeout
        self._remote = Remote("sentry", url, token=token, timeout=timeout)
        self._path = f"/api/0/organizations/{organization}"
        self._only: Pairs = [(k, v) for k, v in (("project", project), ("environment", environment)) if v]

    async def start(self) -> None:
        await self._remote.start()

    async def stop(self) -> None:
        await self._remote.stop()

    async def sample(self) -> tuple[Measurement, ...]:
        """The three metrics; those of a question that failed are errors."""
        until = clock() + self._timeout
        both = await asyncio.gather(self._errors(until), self._issues(until))
        return tuple(one for part in both for one in part)

    async def _errors(self, until: float) -> tuple[Measurement, ...]:
        detail: dict[str, float | str] = {"over_s": self._over}
        events, why = None, ""
        try:
            events = await self._count(until)
        except SourceError as error:
            why = str(error)
        if events is None and not why:
            detail["why"] = "Sentry gave no count"
        rate, seen, at = None if events is None else events / self._over, int(events is not None), utc_now()
        return (
            Measurement("sentry.errors", events, seen, "count", at, detail, why),
            Measurement("sentry.errors_rate", rate, seen, "1/s", at, detail, why),
        )

    async def _count(self, until: float) -> float | None:
        """Events; None when the answer has no row, which is not the same as a row with a zero."""
        asked = [("dataset", "errors"), ("field", "count()"), ("statsPeriod", f"{self._over / 60:.0f}m"), *self._only]
        within = until - clock()
        reply = await self._remote.ask(f"{self._path}/events/", asked, hints=_hints("org:read"), within=within)
        rows = reply.decoded(_Events).data
        if len(rows) > 1:
            raise SourceError("sentry: more than one row where one count was asked for")
        count = rows[0].count if rows else None
        if count is not None and count < 0:
            raise SourceError("sentry: a count below zero")
        return count

    async def _issues(self, until: float) -> tuple[Measurement, ...]:
        detail: dict[str, float | str] = {"over_s": self._over}
        try:
            ids, more = await self._new(until)
        except SourceError as error:
            return (Measurement("sentry.new_issues", None, 0, "count", utc_now(), detail, str(error)),)
        if more:
            detail["text"] = f"at least {len(ids)}"
        return (Measurement("sentry.new_issues", float(len(ids)), 1, "count", utc_now(), detail),)

    async def _new(self, until: float) -> tuple[set[str], bool]:
        """The issues, and whether there are more than are looked at."""
        since = f"is:unresolved firstSeen:-{self._over / 60:.0f}m"
        asked = [("query", since), ("statsPeriod", "24h"), ("sort", "new"), ("limit", str(PER_PAGE)), *self._only]
        ids: set[str] = set()
        cursor: Pairs = []
        for _ in range(PAGES):
            reply = await self._remote.ask(
                f"{self._path}/issues/", [*asked, *cursor], hints=_hints("event:read"), within=until - clock()
            )
            ids |= {issue.id for issue in reply.decoded(list[_Issue])}
            following = _next(reply.headers)
            if not following:
                return ids, False
            cursor = [("cursor", following)]
        return ids, True


def _next(headers: httpx.Headers) -> str:
    return cursor_of(headers.get("Link", ""))


def build(table: Table) -> Source:
    """The source of `[metrics.sentry]`."""
    organization, project = table.text("organization"), str(table.take("project", ""))
    if not _SLUG.fullmatch(organization):
        raise table.wrong("organization", "must be the slug, as in the address of its pages")
    if project and not _ID.fullmatch(project):
        raise table.wrong("project", "must be the project's id, a number (its settings page shows it)")
    over = table.seconds("over", 300.0)
    if over % 60 or over > 86400:
        raise table.wrong("over", 'must be whole minutes, at most a day, as in "5m"')
    return SentrySource(
        url_of(table, "https://sentry.io"),
        organization,
        token_of(table),
        project=project,
        environment=table.text("environment", ""),
        over=over,
        interval=table.seconds("interval", 30.0),
        timeout=table.seconds("timeout", 8.0),
    )
