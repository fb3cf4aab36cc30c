"""Sources from the tables of a checklist."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from metrics.config import ConfigError, build_sources

GOOD = """
[http]
interval = "1s"
targets = [{ url = "https://example.com/", expect = [200, 204] }, { url = "http://127.0.0.1:1/" }]
[pool]
url = "http://127.0.0.1:1/metrics"
workers = 2
names = { size = "db_pool_size" }
[postgres]
url = "postgresql://u:hunter2@127.0.0.1:1/db"
interval = "2s"
[host]
"""


def test_good_tables_become_sources_in_their_order() -> None:
    sources = build_sources(tomllib.loads(GOOD))
    assert [(s.name, s.interval) for s in sources] == [("http", 1), ("pool", 5), ("postgres", 2), ("host", 5)]


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"smoke": {}}, "metrics.smoke"),
        ({"http": 3}, "metrics.http"),
        ({"http": {}}, "metrics.http.targets"),
        ({"http": {"targets": []}}, "metrics.http.targets"),
        ({"http": {"targets": [{"url": "ftp://hunter2"}]}}, "metrics.http.targets[0].url"),
        ({"http": {"targets": [{"url": "http://[hunter2"}]}}, "metrics.http.targets[0].url"),
        ({"http": {"targets": [{"url": "http://a", "expect": [2000]}]}}, "metrics.http.targets[0].expect"),
        ({"http": {"targets": [{"url": "http://a", "exspect": [200]}]}}, "metrics.http.targets[0].exspect"),
        ({"http": {"targets": [{"url": "http://a"}], "interval": 1}}, "metrics.http.interval"),
        ({"http": {"targets": [{"url": "http://a"}], "interval": "0s"}}, "metrics.http.interval"),
        ({"http": {"targets": [{"url": "http://a"}], "concurrency": True}}, "metrics.http.concurrency"),
        ({"pool": {"url": ""}}, "metrics.pool.url"),
        ({"pool": {"url": "http://a", "names": {"sice": "x"}}}, "metrics.pool.names.sice"),
        ({"pool": {"url": "http://a", "names": {"size": 1}}}, "metrics.pool.names.size"),
        ({"postgres": {"url": "mysql://u:hunter2@h/d"}}, "metrics.postgres.url"),
        ({"host": {"speed": 1}}, "metrics.host.speed"),
    ],
)
def test_what_is_wrong_is_named_by_its_key_and_never_by_its_value(tables: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_sources(tables)
    assert caught.value.key == key
    assert str(caught.value).startswith(f"{key}: ")
    assert "hunter2" not in str(caught.value)
