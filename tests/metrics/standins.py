"""Stand-ins, over real HTTP on the loopback, for what cannot be reached from here: Render's and Sentry's APIs.

Their shapes are those of Render's generated client types and of recordings of its traffic, and of Sentry's
published schema. `serving` answers with whatever a test wants, and keeps what it was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.samples import Measurement, sample_of
from metrics.sources import Source, SourceError

TOKEN = "canary-hunter2"


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    params: list[tuple[str, str]]
    headers: dict[str, str]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.params if key == name]

    def one(self, name: str) -> str:
        return (self.all(name) or [""])[0]


@dataclass
class Answer:
    """BODY is sent as it stands when it is bytes, else as JSON. One that HANGS never comes."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False


@dataclass
class Standin:
    """A server at URL; ASKED is what it got."""

    url: str
    asked: list[Asked]


@contextlib.asynccontextmanager
async def serving(answer: Callable[[Asked], Answer]) -> AsyncIterator[Standin]:
    """ANSWER says what is answered to each request."""
    asked: list[Asked] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                first, *lines = head.split("\r\n")
                method, target, _ = first.split(" ", 2)
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
                body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
                parts = urlsplit(target)
                params = parse_qsl(parts.query) + parse_qsl(body)
                asked.append(Asked(method, parts.path, params, headers))
                reply = answer(asked[-1])
                if reply.hangs:
                    await reader.read()  # until the other side has had enough
                    return
                sent = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                extra = "".join(f"{k}: {v}\r\n" for k, v in reply.headers.items())
                writer.write(
                    f"HTTP/1.1 {reply.status} X\r\nContent-Length: {len(sent)}\r\n{extra}\r\n".encode() + sent
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Standin(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", asked)
    finally:
        listening.close()


@contextlib.asynccontextmanager
async def started(source: Source) -> AsyncIterator[Source]:
    await source.start()
    try:
        yield source
    finally:
        await source.stop()


async def look(source: Source) -> dict[str, Measurement]:
    """One sample, which names just the metrics that the source promises, and no token."""
    seen = {one.metric: one for one in await source.sample()}
    assert seen.keys() == set(source.metrics)
    assert TOKEN not in repr(seen) + repr(source)
    return seen


@dataclass
class Sentry:
    """ROWS is the data of an answer about events. ISSUES are given out a page of at most 100 at a time. LEFT
    questions are answered, then it is 429 until RESET (epoch seconds). SCOPES are those of the token."""

    rows: list[dict[str, Any]] = field(default_factory=lambda: [{"count()": 0}])
    issues: int = 0
    left: float = math.inf
    reset: float = 0.0
    scopes: tuple[str, ...] = ("org:read", "event:read")

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer({"detail": f"Invalid token {asked.headers.get('authorization')}"}, 401)
        if self.left < 1:
            return Answer({"detail": "limit"}, 429, {"X-Sentry-Rate-Limit-Reset": str(int(self.reset))})
        self.left -= 1
        scope = {"events": "org:read", "issues": "event:read"}.get(asked.path.rstrip("/").rsplit("/", 1)[-1])
        if scope is None or not asked.path.endswith("/"):
            return Answer(b"<html>", 404)
        if scope not in self.scopes:
            return Answer({"detail": "You do not have permission to perform this action."}, 403)
        if scope == "org:read":
            well = (asked.one("dataset"), asked.one("field")) == ("errors", "count()")
            return Answer({"data": self.rows, "meta": {}}) if well else Answer({"detail": "bad"}, 400)
        begin, limit = int((asked.one("cursor") or "0:0:0").split(":")[1]), int(asked.one("limit"))
        rows = [{"id": f"{n}", "count": "7", "title": "\x1b[31mboom"} for n in range(begin, self.issues)][:limit]
        more = str(begin + limit < self.issues).lower()
        link = (
            f'<http://x/?&cursor=0:0:1>; rel="previous"; results="false"; cursor="0:0:1", '
            f'<http://x/?&cursor=0:{begin + limit}:0>; rel="next"; results="{more}"; cursor="0:{begin + limit}:0"'
        )
        return Answer(rows, headers={"Link": link})


@dataclass
class Render:
    """METRICS by (kind, resource): series of labels, unit and values by time. What is in REFUSED has that status
    instead. BUDGET questions are answered, then it is 429 with RESET seconds left."""

    metrics: dict[tuple[str, str], list[tuple[dict[str, str], str, dict[datetime, Any]]]] = field(
        default_factory=dict
    )
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    budget: int = 400
    reset: str = "37"

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer({"message": "Unauthorized"}, 401)
        if self.budget < 1:
            return Answer({"message": "rate limit"}, 429, {"Ratelimit-Reset": self.reset, "Ratelimit-Remaining": "0"})
        self.budget -= 1
        key = (asked.path.removeprefix("/v1/metrics/"), asked.one("resource"))
        if key in self.refused:
            return Answer({"message": f"no {key[1]}"}, self.refused[key])
        begin, end = (datetime.fromisoformat(asked.one(name)) for name in ("startTime", "endTime"))
        step = int(asked.one("resolutionSeconds"))
        if step < 30 or (end - begin).total_seconds() / step > 100:
            return Answer({"message": "too many points"}, 500)
        wanted = asked.all("quantile")
        return Answer(
            [
                {
                    "labels": [{"field": k, "value": v} for k, v in labels.items()],
                    "unit": unit,
                    "values": [
                        {"timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}", "value": value}
                        for at, value in values.items()
                        if begin <= at <= end
                    ],
                }
                for labels, unit, values in self.metrics.get(key, [])
                if not wanted or labels.get("quantile") in wanted
            ]
        )


def minutes(*values: Any, ago: int, now: datetime) -> dict[datetime, Any]:
    """VALUES in buckets of a minute, the last of them AGO whole minutes before the one that is being filled NOW."""
    last = now.replace(second=0, microsecond=0) - timedelta(minutes=ago)
    return {last - timedelta(minutes=len(values) - 1 - n): value for n, value in enumerate(values)}


_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 2**63, 1e308, -0.0, "NaN", "+Inf", "-1", "", "1e999", "\x1b[31m"])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
_ANYTHING = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


def _places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*here, key))


def _with(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    if not place:
        return other
    copy = value.copy()
    copy[place[0]] = _with(value[place[0]], place[1:], other)
    return copy


def bodies(valid: Any) -> st.SearchStrategy[bytes]:
    """Any JSON, any bytes, JSON nested without end, and mostly VALID with one part of it replaced by anything."""
    wrong = st.builds(
        lambda place, other: _with(valid, place, other), st.sampled_from(list(_places(valid))), _ANYTHING
    )
    return (
        wrong.map(lambda one: json.dumps(one).encode())
        | wrong.map(lambda one: json.dumps(one).encode())
        | _ANYTHING.map(lambda one: json.dumps(one).encode())
        | st.binary(max_size=20)
        | st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"NaN", b'{"data": NaN}', b"", b"\xff"])
    )


async def survives(source: Source) -> None:
    """A look ends in measurements that a gate can take, or in a SourceError; nothing in it is without end."""
    try:
        seen = await source.sample()
    except SourceError as error:
        assert str(error).isprintable()
        return
    for one in seen:
        assert one.value is None or math.isfinite(one.value)
        assert one.bad is None or math.isfinite(one.bad)
        assert all(isinstance(v, str) or math.isfinite(v) for v in one.detail.values())
        assert (one.error + "".join(str(v) for v in one.detail.values())).isprintable()
        assert sample_of(one, 1.0).volume >= 0


def survives_any_answer(make: Callable[[str], Source], *valid: Any) -> None:
    """Whatever is answered to the source that MAKE makes for a URL, it `survives`; VALID are right answers."""
    body = b""

    @settings(max_examples=50, deadline=None)
    @given(st.one_of(*(bodies(one) for one in valid)))
    def any_answer(one: bytes) -> None:
        nonlocal body
        body = one
        runner.run(survives(source))

    with asyncio.Runner() as runner:
        server = serving(lambda _: Answer(body))
        source = make(runner.run(server.__aenter__()).url)
        runner.run(source.start())
        any_answer()
        runner.run(source.stop())
        runner.run(server.__aexit__(None, None, None))
