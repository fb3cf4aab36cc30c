"""Sources from the tables of a checklist: `[metrics.http]`, `[metrics.pool]`, `[metrics.postgres]`,
`[metrics.host]`. What is wrong is said with its key, and never with its value, which may be a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from metrics.sources import Source
from metrics.sources.host import HostSource
from metrics.sources.http import HttpProber, Target
from metrics.sources.pool import Names, PoolSource
from metrics.sources.postgres import PostgresSource
from state.durations import parse_duration


class ConfigError(ValueError):
    """A table that makes no source. KEY is its path, as in metrics.http.targets[0].url."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key, self.why = key, why


def build_sources(tables: Mapping[str, Any]) -> tuple[Source, ...]:
    """The sources that TABLES (what stands under `metrics`) ask for, in their order. Raises ConfigError."""
    sources = []
    for name, table in tables.items():
        if name not in _BUILDERS:
            raise ConfigError(f"metrics.{name}", f"no such source; there are {', '.join(_BUILDERS)}")
        sources.append(_BUILDERS[name](_Table(f"metrics.{name}", table)))
    return tuple(sources)


class _Table:
    """A table whose values are asked for one by one, so that what nobody asked for can be refused."""

    def __init__(self, path: str, values: object) -> None:
        if not isinstance(values, Mapping):
            raise ConfigError(path, "must be a table")
        self.path, self._left = path, dict(values)

    def key(self, name: str) -> str:
        return f"{self.path}.{name}"

    def take(self, name: str, default: Any = None) -> Any:
        return self._left.pop(name, default)

    def seconds(self, name: str, default: float) -> float:
        value = self.take(name)
        if value is None:
            return default
        try:
            seconds = parse_duration(value) if isinstance(value, str) else None
        except ValueError:
            seconds = None
        if not seconds:
            raise ConfigError(self.key(name), 'must be a duration over 0, as in "5s"')
        return seconds

    def whole(self, name: str, default: int | None) -> int | None:
        value = self.take(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(self.key(name), "must be a whole number of 1 or more")
        return value

    def url(self, *schemes: str) -> str:
        value = self.take("url")
        try:
            parts = urlsplit(value) if isinstance(value, str) else None
        except ValueError:
            parts = None
        if not isinstance(value, str) or parts is None or parts.scheme not in schemes or not parts.netloc:
            raise ConfigError(self.key("url"), f"must be a URL that begins with {' or '.join(schemes)}://")
        return value

    def done(self) -> None:
        for name in self._left:
            raise ConfigError(self.key(name), "is no key of this table")


def _http(table: _Table) -> Source:
    rows = table.take("targets")
    if not isinstance(rows, list) or not rows:
        raise ConfigError(table.key("targets"), "must be a list of tables with a url, at least one")
    targets = [_target(_Table(f"{table.path}.targets[{n}]", row)) for n, row in enumerate(rows)]
    concurrency = table.whole("concurrency", 32)
    prober = HttpProber(
        targets,
        interval=table.seconds("interval", 1.0),
        timeout=table.seconds("timeout", 5.0),
        over=table.seconds("over", 60.0),
        concurrency=concurrency or 32,
    )
    table.done()
    return prober


def _target(table: _Table) -> Target:
    url, expect = table.url("http", "https"), table.take("expect", [200])
    if not isinstance(expect, list) or not expect or not all(_is_status(code) for code in expect):
        raise ConfigError(table.key("expect"), "must be a list of HTTP statuses, as in [200, 204]")
    table.done()
    return Target(url, frozenset(expect))


def _is_status(code: object) -> bool:
    return isinstance(code, int) and not isinstance(code, bool) and 100 <= code <= 599


def _pool(table: _Table) -> Source:
    names = _Table(table.key("names"), table.take("names", {}))
    given = {field.name: names.take(field.name) for field in fields(Names)}
    for name, value in given.items():
        if value is not None and (not isinstance(value, str) or not value):
            raise ConfigError(names.key(name), "must be the name of a metric")
    names.done()
    source = PoolSource(
        table.url("http", "https"),
        interval=table.seconds("interval", 5.0),
        timeout=table.seconds("timeout", 4.0),
        workers=table.whole("workers", None),
        names=Names(**{name: value for name, value in given.items() if value is not None}),
    )
    table.done()
    return source


def _postgres(table: _Table) -> Source:
    source = PostgresSource(
        table.url("postgresql", "postgres"),
        interval=table.seconds("interval", 5.0),
        timeout=table.seconds("timeout", 4.0),
    )
    table.done()
    return source


def _host(table: _Table) -> Source:
    source = HostSource(interval=table.seconds("interval", 5.0))
    table.done()
    return source


_BUILDERS: Mapping[str, Callable[[_Table], Source]] = {
    "http": _http,
    "pool": _pool,
    "postgres": _postgres,
    "host": _host,
}
